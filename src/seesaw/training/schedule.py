"""Convert schedules from epochs to iterations, given the length of the dataset."""

import math

from seesaw.errors import UserError


def least_images(cfg: dict) -> int:
    """Return the least number of images that one pass must have over all GPUs.

    ResNeSt's split attention normalises one value per channel and image, so the batch statistics of
    a single image are undefined and PyTorch raises an error.
    """
    backbone = cfg["model"].get("backbone", {})
    resnest = str(backbone.get("type")).endswith("ResNeSt")  # or ZeroInitResNeSt
    return 2 if resnest and not backbone.get("norm_eval", True) else 1


def passes(batch: int, gpus: int, most: int | None = None, least: int = 1) -> tuple[int, int]:
    """Return the images per GPU and pass, and the number of passes per update of the weights.

    The batch size is fixed: with fewer GPUs or less memory there are more passes. Their gradients
    are accumulated, so the learning rate is right for any number of GPUs.

    Args:
        batch: images per update of the weights.
        gpus: number of processes.
        most: largest number of images that fit on a GPU in one pass; None for no limit.
        least: least number of images of a pass over all GPUs, see `least_images`.

    Raises:
        UserError: the GPUs cannot share the batch evenly, or a pass has too few images.
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
    """Return the number of iterations of a training and its mmengine schedulers.

    Args:
        schedule: ``epochs``, ``milestones`` (epochs), ``gamma``, ``warmup_iters``,
            ``warmup_start``. Epochs may be fractions.
        images: length of the dataset, including repeated images: with repeat factor sampling an
            epoch is one pass over the enlarged set, as in mmdet (mmdet#3022).
        batch: images per iteration over all GPUs.

    Returns:
        Total iterations and the ``param_scheduler`` list: linear warm-up, then steps.

    Raises:
        UserError: the schedule has no iteration, because there are too few images.
    """
    per_epoch = math.ceil(images / batch)
    total = round(schedule["epochs"] * per_epoch)
    if total < 1:
        raise UserError(
            f"a training of {schedule['epochs']} epochs of {images} images in batches of {batch} "
            "has no iteration; add annotated training images or choose a larger scale."
        )
    # Milestones are in epochs, as the length is: 2x has [16, 22] of 24, whatever the dataset.
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
