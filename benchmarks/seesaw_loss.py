"""Forward and backward time of Seesaw Loss: mmdet's, ours, and plain cross-entropy.

The three are timed in turn on the same logits (N, C + 2); the best of the repetitions
counts. Targets hold at the RoI sampler's share of foreground, 25 %; 100 % is the worst case.
"""

import time

import torch
from mmdet.models.losses import CrossEntropyLoss, SeesawLoss
from report import arguments, row

from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss

CLASSES = 1203


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
    full = arguments(__doc__, "more sizes and repeats").parse_args().full
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    losses = [
        SeesawLoss(num_classes=CLASSES),
        SyncedSeesawLoss(num_classes=CLASSES),
        CrossEntropyLoss(),
    ]
    counts = torch.randint(0, 5000, (CLASSES + 1,), generator=generator)
    for share in (0.25, 1.0):
        for n in (128, 256, 512, 1024, 2048) if full else (128, 2048):
            logits = torch.randn(n, CLASSES + 2, generator=generator, requires_grad=True)
            labels = torch.randint(0, CLASSES, (n,), generator=generator)
            labels[int(share * n) :] = CLASSES
            for loss in losses[:2]:
                loss.cum_samples.copy_(counts)
            values = [sum(loss(logits, labels).values()).item() for loss in losses[:2]]
            if abs(values[0] / values[1] - 1) > 1e-5:
                raise SystemExit(f"mmdet's loss is {values[0]}, ours {values[1]}")
            repeats = 20 if full else 8
            mmdet, ours, ce = (1e3 * t for t in fastest(losses, logits, labels, repeats))
            what = f"Seesaw Loss forward + backward, {n:,} RoIs, {share:.0%} foreground"
            faster = {128: 10, 2048: 2}.get(n, 1) if share < 1 else None
            row(what, ours, "ms", mmdet, "mmdet", at_least=faster)
            twice = 0.5 if share < 1 else None
            row(f"{what}, plain", ours, "ms", ce, "cross-entropy", at_least=twice)


if __name__ == "__main__":
    main()
