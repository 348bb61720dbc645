"""Time and peak memory of the mask logits layer: one class per RoI against all classes.

Runs mmdet's ``FCNMaskHead`` and ``ClassIndexedFCNMaskHead`` in one process on the same features and
prints the ratios. Measured are the 1x1 ``conv_logits`` layer and what follows it up to the
probability of each detection's class (sigmoid and selection), as ``predict_by_feat`` does.
"""

import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from report import arguments, median_cpu_seconds, row
from torch.profiler import ProfilerActivity, profile

from seesaw.models.mask_heads.class_indexed import ClassIndexedFCNMaskHead, select_class

DETECTIONS, CHANNELS, SIDE = 300, 256, 28


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


def main() -> None:
    """Measure and print."""
    repeats = 5 if arguments(__doc__, "five repeats instead of two").parse_args().full else 2
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(DETECTIONS, CHANNELS, SIDE, SIDE)
    for classes in (80, 1203):
        dense = FCNMaskHead(num_convs=0, num_classes=classes)
        indexed = ClassIndexedFCNMaskHead(num_convs=0, num_classes=classes)
        indexed.load_state_dict(dense.state_dict())
        labels = torch.randint(classes, (DETECTIONS,))

        def run_dense(head=dense, labels=labels):
            return select_class(head.conv_logits(x).sigmoid(), labels)

        def run_indexed(head=indexed, labels=labels):
            with head.class_indexed(labels):
                return select_class(head.conv_logits(x).sigmoid(), labels)

        with torch.inference_mode():
            error = (run_dense() - run_indexed()).abs().max()
            times = [median_cpu_seconds(run, repeats) for run in (run_dense, run_indexed)]
            peaks = [peak_bytes(run) for run in (run_dense, run_indexed)]
        if error > 1e-5:
            raise SystemExit(f"the layers differ by {error:.1e}")
        what = f"Mask logits layer, {DETECTIONS} detections, {classes:,} classes"
        time, memory = (20, 100) if classes == 1203 else (None, None)
        row(f"{what}: time", times[1], "s", times[0], "mmdet", at_least=time)
        row(f"{what}: peak memory", peaks[1] / 1e6, "MB", peaks[0] / 1e6, "mmdet", at_least=memory)


if __name__ == "__main__":
    main()
