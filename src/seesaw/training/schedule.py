"""Schedules in epochs become iterations once the length of the dataset is known."""

import math

from seesaw.errors import UserError


def least_images(cfg: dict) -> int:
    """How many images one pass must have over all GPUs.

    ResNeSt's split attention normalises one value a channel and image: over a single image its
    batch statistics are undefined, and PyTorch raises.
    """
    backbone = cfg["model"].get("backbone", {})
    return 2 if backbone.get("type") == "ResNeSt" and not backbone.get("norm_eval", True) else 1


def passes(batch: int, gpus: int, most: int | None = None, least: int = 1) -> tuple[int, int]:
    """How GPUs share a batch: images of each in one pass, and passes to one update.

    The batch stays what it is: fewer GPUs, or less memory, make more passes. Their gradients are
    accumulated, so that the learning rate fits whatever the number of GPUs.

    Args:
        batch: images to one update of the weights.
        gpus: processes.
        most: images that a GPU has room for in one pass; None: any.
        least: images that a pass must have over all GPUs, see `least_images`.

    Raises:
        UserError: the batch cannot be shared evenly, or a pass has too few images.
    """
    if batch % gpus:
        raise UserError(
            f"batch_size is {batch}, which {gpus} GPUs cannot share evenly; "
            f"use a number of GPUs that divides it."
        )
    share = batch // gpus
    images = max(n for n in range(1, min(share, most or share) + 1) if share % n == 0)
    count = share // images
    assert gpus * count * images == batch
    if images * gpus < least:
        raise UserError(
            f"images_per_gpu is {images} on {gpus} GPU, but this config's backbone needs {least} "
            f"images in a pass (batch statistics); set images_per_gpu: {least} in site.yaml."
        )
    return images, count


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
