"""Shared code of the long-tailed classification losses: category counts, ignored RoIs, accuracy.

All three losses implement the hooks of mmdet's ``BBoxHead`` (``custom_cls_channels``,
``custom_activation``, ``custom_accuracy``) as ``SeesawLoss`` does. For a loss without them, mmdet
applies a softmax at test time, whatever the loss was (mmdet#11038).
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from seesaw.core.integrity import read_output
from seesaw.errors import UserError
from seesaw.spec.outputs import Counts


@dataclass(frozen=True)
class CategoryCounts:
    """The frequency of each category in the training set, in label order.

    Attributes:
        annotated_images: Number of training images with at least one annotation.
        images: Images that contain the category, C integers.
        instances: Annotated instances of the category, C integers.
    """

    annotated_images: int
    images: tuple[int, ...]
    instances: tuple[int, ...]


def load_category_counts(source: str | Path | dict, num_classes: int) -> CategoryCounts:
    """Read the counts of a training set.

    Args:
        source: Path of a JSON file, or its content: ``{"annotated_images": n, "categories":
            [{"id", "image_count", "instance_count", ...}, ...]}`` with ids 1..C in any order.
        num_classes: C, the number of categories expected.

    Raises:
        UserError: The file is missing or not JSON, a key is missing or no integer, ids are not
            1..C, or a category is in more images than ``annotated_images``.
    """
    name = "category_counts" if isinstance(source, dict) else str(source)
    if not isinstance(source, dict):
        source = read_output(Path(source), Counts)
    try:
        annotated_images = int(source["annotated_images"])
        rows = sorted(
            (int(c["id"]), int(c["image_count"]), int(c["instance_count"]))
            for c in source["categories"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{name}: {error!r} while reading the category counts; it needs 'annotated_images' and "
            "'categories' with integer 'id', 'image_count' and 'instance_count'."
        ) from None
    if [row[0] for row in rows] != list(range(1, num_classes + 1)):
        raise UserError(
            f"{name}: holds {len(rows)} categories, but the loss needs the ids 1..{num_classes}; "
            "set num_classes to the dataset's number of categories or use that dataset's counts."
        )
    if annotated_images < max(row[1] for row in rows):
        raise UserError(
            f"{name}: annotated_images is {annotated_images}, fewer than the images of one "
            "category; build the category counts again."
        )
    return CategoryCounts(
        annotated_images, tuple(row[1] for row in rows), tuple(row[2] for row in rows)
    )


def check_num_classes(loss: nn.Module, num_classes: int) -> None:
    """Refuse a head and a loss that disagree on C (mmdet#10306).

    Raises:
        UserError: The head's number of categories is not the loss's.
    """
    if num_classes != loss.num_classes:
        raise UserError(
            f"bbox_head.num_classes is {num_classes} but loss_cls.num_classes of "
            f"{type(loss).__name__} is {loss.num_classes}; set both to the dataset's number of "
            "categories."
        )


def sampled(labels: Tensor, label_weights: Tensor | None) -> Tensor:
    """Boolean (N,): RoIs that train the classifier; label < 0 or weight 0 means ignored."""
    return labels >= 0 if label_weights is None else (labels >= 0) & (label_weights > 0)


def masked_accuracy(scores: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    """Percentage, shape (1,), of the RoIs in ``rows`` (N,) whose arg max is their label.

    Equals ``mmdet.models.losses.accuracy(scores[rows], labels[rows])`` without the boolean index,
    which would wait for the device; 0 if ``rows`` is empty.
    """
    if scores.shape[0] == 0:
        return scores.new_zeros(1)
    hits = (scores.argmax(dim=1) == labels) & rows
    return (100.0 * hits.sum() / rows.sum().clamp(min=1)).reshape(1)


class CategoryCountLoss(nn.Module):
    """Base class of the losses that use the training set's category counts.

    Args:
        num_classes: C, the number of categories.
        category_counts: See :func:`load_category_counts`.
        loss_weight: Factor on the loss.
    """

    custom_cls_channels = True
    custom_activation = True
    custom_accuracy = True

    def __init__(
        self, num_classes: int, category_counts: str | dict, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.loss_weight = loss_weight
        self.counts = load_category_counts(category_counts, num_classes)

    def get_accuracy(self, cls_score: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """``acc_classes``, (1,): per cent of foreground RoIs with the right category on top."""
        foreground = (labels >= 0) & (labels < self.num_classes)
        scores = self.get_activation(cls_score.detach())[:, : self.num_classes]
        return {"acc_classes": masked_accuracy(scores, labels, foreground)}
