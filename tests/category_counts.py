"""The content of a file of category counts."""

from collections.abc import Sequence


def counts(instances: Sequence[int], images: Sequence[int] | None = None, annotated=5000) -> dict:
    """Return the counts of categories 1, 2, ...: their instances, and by default as many images.

    ``annotated`` is the number of images with any annotation.
    """
    pairs = zip(images or instances, instances, strict=True)
    rows = [
        {"id": i, "image_count": n, "instance_count": m} for i, (n, m) in enumerate(pairs, start=1)
    ]
    return {"annotated_images": annotated, "categories": rows}
