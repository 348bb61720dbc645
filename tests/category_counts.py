"""The content of a file of category counts."""

from collections.abc import Sequence


def counts(instances: Sequence[int], images: Sequence[int] | None = None, annotated=5000) -> dict:
    """Return that of categories 1, 2, ... with so many instances, in as many images if not told.

    ``annotated`` is the number of images with any annotation.
    """
    pairs = zip(images or instances, instances, strict=True)
    rows = [
        {"id": i, "image_count": n, "instance_count": m} for i, (n, m) in enumerate(pairs, start=1)
    ]
    return {"annotated_images": annotated, "categories": rows}
