"""Schedules in epochs become iterations once the length of the dataset is known."""

import math


def iterations(schedule: dict, images: int, batch: int) -> tuple[int, list[dict]]:
    """The number of iterations and mmengine's schedulers of a training.

    Args:
        schedule: ``epochs``, ``milestones`` (epochs), ``gamma``, ``warmup_iters``,
            ``warmup_start``. Epochs may be fractions.
        images: length of the dataset, repeats included: with repeat factor sampling an epoch
            is one pass over the enlarged set, as in mmdet (mmdet#3022).
        batch: images an iteration over all GPUs.

    Returns:
        Total iterations and the ``param_scheduler`` list: linear warm-up, then steps.
    """
    per_epoch = math.ceil(images / batch)
    total = round(schedule["epochs"] * per_epoch)
    # Fractions of the paper's schedule: 2x is [16, 22] of 24 epochs whatever its length.
    steps = [round(m * per_epoch) for m in schedule["milestones"]]
    return total, [
        dict(
            type="LinearLR",
            start_factor=schedule["warmup_start"],
            by_epoch=False,
            begin=0,
            end=schedule["warmup_iters"],
        ),
        dict(
            type="MultiStepLR",
            by_epoch=False,
            begin=0,
            end=total,
            milestones=steps,
            gamma=schedule["gamma"],
        ),
    ]
