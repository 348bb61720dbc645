"""The specification of mini-LVIS: its size, its categories and the number of images of each."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from seesaw.errors import UserError

MAX_POSITIVES = 6  # positive categories of an image
_MOST = 0.5  # share of the training images with the first category
TAIL_SHARE = 0.28  # share of the training images that holds all rare and common categories

_Count = Annotated[int, Field(ge=2)]


def zipf_counts(groups: tuple[int, int, int], edges: tuple[int, int], images: int) -> list[int]:
    """Return images per category, most frequent first: a power law in rank within each group.

    Args:
        groups: Number of rare, common and frequent categories.
        edges: Largest number of images of a rare and of a common category.
        images: Number of images of the split.

    Returns:
        Counts from which LVIS's rule derives exactly the given groups.
    """
    rare, common, frequent = groups
    last = np.cumsum([frequent, common, rare])
    first = last - [frequent, common, rare] + 1
    top = [_MOST * images, 0.95 * edges[1], edges[0]]
    low = [max(1.1 * edges[1], edges[1] + 1), max(1.2 * edges[0], edges[0] + 1), edges[0] / 4]
    counts = []
    for start, end, most, least in zip(first.tolist(), last.tolist(), top, low, strict=True):
        for rank in range(start, end + 1):
            # Decimals are correctly rounded, so that the counts are the same on every CPU.
            share = Decimal(rank / start).ln() / Decimal(end / start).ln()
            count = Decimal(most) * (Decimal(least / most).ln() * share).exp()
            counts.append(max(round(count), 1))
    return counts


def tail_fits(counts: list[int], images: int, tail: int) -> bool:
    """Return whether the last ``tail`` categories fit into their share of the images."""
    room = int(TAIL_SHARE * images)
    return max(counts[-tail:]) <= room and sum(counts[-tail:]) <= MAX_POSITIVES * room


class MiniLvisSpec(BaseModel):
    """The parameters of the generator; the defaults are those of the mini scale.

    Attributes:
        seed: Seed of all random numbers of the generator.
        groups: Number of rare, common and frequent categories.
        edges: Largest number of training images of a rare and of a common category (LVIS: 10, 100).
        train_images: Number of images of the train split.
        val_images: Number of images of the val split.
        test_dev_images: Number of images of the test-dev split.
        image_side: Smallest and largest height and width in pixels.
        large: Share of objects that are about as wide as the image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0)
    groups: tuple[_Count, _Count, _Count] = (12, 12, 12)
    edges: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=2)]] = (15, 42)
    train_images: int = Field(320, ge=1)
    val_images: int = Field(240, ge=1)
    test_dev_images: int = Field(120, ge=1)
    image_side: tuple[Annotated[int, Field(ge=64)], int] = (144, 176)
    large: float = Field(0.12, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self):
        if self.image_side[0] > self.image_side[1]:
            raise ValueError(f"image_side {self.image_side} must be (smallest, largest)")
        if not self.edges[0] + 1 < self.edges[1] < 0.45 * self.train_images:
            raise ValueError(f"edges {self.edges} leave no room for three groups of categories")
        if self.groups[0] + self.groups[1] > 29 * self.groups[2]:
            raise ValueError(f"groups {self.groups}: more than 29 kin per frequent category")
        counts = zipf_counts(self.groups, self.edges, self.train_images)
        pairs, tail = sum(counts), self.groups[0] + self.groups[1]
        if pairs > 5 * self.train_images:
            raise ValueError(
                f"{pairs} image-category pairs do not fit into train_images={self.train_images}"
            )
        if not tail_fits(counts, self.train_images, tail):
            raise ValueError(
                f"{tail} rare and common categories: too many for train_images={self.train_images}"
            )
        return self

    @property
    def categories(self) -> int:
        """The number of categories."""
        return sum(self.groups)

    def images(self, split: str) -> int:
        """Return the number of images of a split."""
        return getattr(self, f"{split}_images")

    @classmethod
    def parse(cls, fields: dict, source: str) -> MiniLvisSpec:
        """Build a spec from a mapping of a config file; ``source`` names the file in errors."""
        try:
            return cls(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the spec"
            raise UserError(f"{source}: mini-LVIS: {where}: {first['msg']}; correct it") from None
