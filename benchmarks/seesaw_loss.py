"""Forward and backward time of Seesaw Loss: mmdet's, ours, and plain cross-entropy.

The three are timed in turn on the same logits (N, C + 2), C = 1203, at the sampler's share of
foreground; the best of the repetitions counts. Prints milliseconds and two ratios per N.
"""

import argparse
import time

import torch
from mmdet.models.losses import CrossEntropyLoss, SeesawLoss

from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss


def fastest(losses: list, logits: torch.Tensor, labels: torch.Tensor, repeats: int) -> list[float]:
    """Best seconds of each loss, interleaved so that all see the same load."""
    weights = torch.ones(len(labels))
    best = [float("inf")] * len(losses)
    for _ in range(repeats + 1):
        for k, loss in enumerate(losses):
            logits.grad = None
            start = time.process_time()
            value = loss(logits, labels, weights, avg_factor=float(len(labels)))
            (sum(value.values()) if isinstance(value, dict) else value).backward()
            best[k] = min(best[k], time.process_time() - start)
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=1203)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    losses = [
        SeesawLoss(num_classes=args.classes),
        SyncedSeesawLoss(num_classes=args.classes),
        CrossEntropyLoss(),
    ]
    counts = torch.randint(0, 5000, (args.classes + 1,), generator=generator)
    print("foreground     N   mmdet ms   ours ms   CE ms   mmdet/ours   ours/CE")
    for share in (0.25, 1.0):
        for n in (128, 256, 512, 1024, 2048):
            logits = torch.randn(n, args.classes + 2, generator=generator, requires_grad=True)
            labels = torch.randint(0, args.classes, (n,), generator=generator)
            labels[int(share * n) :] = args.classes
            for loss in losses[:2]:
                loss.cum_samples.copy_(counts)
            mmdet, ours, ce = (1e3 * t for t in fastest(losses, logits, labels, args.repeats))
            print(
                f"{share:10.2f} {n:5d} {mmdet:10.2f} {ours:9.2f} {ce:7.2f} {mmdet / ours:12.1f} "
                f"{ours / ce:9.2f}"
            )


if __name__ == "__main__":
    main()
