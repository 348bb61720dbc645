"""Time and peak memory of the mask logits layer: one class per RoI against all classes.

Runs mmdet's ``FCNMaskHead`` and ``ClassIndexedFCNMaskHead`` in one process on the same features and
prints the ratios. Measured are the 1x1 ``conv_logits`` layer and what follows it up to the
probability of each detection's class (sigmoid and selection), as ``predict_by_feat`` does.

    python benchmarks/class_indexed_masks.py [--classes 80 1203 --detections 300 --size 28]
"""

import argparse
import time

import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from torch.profiler import ProfilerActivity, profile

from seesaw.models.mask_heads.class_indexed import ClassIndexedFCNMaskHead, select_class


def peak_bytes(function) -> int:
    """Peak of the bytes that ``function`` holds at once on the CPU allocator."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = function()
    del kept
    live = peak = 0
    for event in sorted(profiler.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return peak


def seconds(function, repeats: int) -> float:
    """Best of ``repeats`` runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[80, 1203])
    parser.add_argument("--detections", type=int, default=300)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(args.detections, 256, args.size, args.size)
    print(f"{args.detections} detections, {args.size}x{args.size}, one thread")
    for classes in args.classes:
        dense = FCNMaskHead(num_convs=0, num_classes=classes)
        indexed = ClassIndexedFCNMaskHead(num_convs=0, num_classes=classes)
        indexed.load_state_dict(dense.state_dict())
        labels = torch.randint(classes, (args.detections,))

        def run_dense(head=dense, labels=labels):
            return select_class(head.conv_logits(x).sigmoid(), labels)

        def run_indexed(head=indexed, labels=labels):
            with head.class_indexed(labels):
                return select_class(head.conv_logits(x).sigmoid(), labels)

        with torch.inference_mode():
            error = (run_dense() - run_indexed()).abs().max()
            times = [seconds(run, args.repeats) for run in (run_dense, run_indexed)]
            peaks = [peak_bytes(run) for run in (run_dense, run_indexed)]
        print(
            f"C={classes:5d}  dense {times[0]:7.3f} s {peaks[0] / 1e6:8.1f} MB   "
            f"class-indexed {times[1]:7.3f} s {peaks[1] / 1e6:6.2f} MB   "
            f"{times[0] / times[1]:6.1f} x faster  {peaks[0] / peaks[1]:7.0f} x less memory  "
            f"(max difference {error:.1e})"
        )


if __name__ == "__main__":
    main()
