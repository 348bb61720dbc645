"""Batches that depend only on seed, batch number and rank, not on the worker or on a resumption.

Where gradients are not accumulated, the number of a batch is that of its iteration.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.datasets.samplers import AspectRatioBatchSampler
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_rank
from torch.utils.data import Dataset, get_worker_info


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed Python, NumPy and torch for one batch on one rank.

    Augmentation, RoI sampling and dropout of a batch then do not depend on the batches before it,
    so a resumed training continues exactly as an uninterrupted one.

    Args:
        seed: the training's seed.
        iteration: the batch's number, which counts all batches of a rank from 0.
        rank: the process's rank.
    """
    state = np.random.SeedSequence([seed, iteration, rank]).generate_state(3)
    random.seed(int(state[0]))
    np.random.seed(int(state[1]))
    torch.manual_seed(int(state[2]))


class Batch(list):
    """The indices of one batch; its attribute ``iteration`` is its number on its rank, from 0."""

    iteration: int


class SeededDataset(Dataset):
    """A dataset whose augmentation is seeded for each batch, with and without loader workers.

    Args:
        dataset: any dataset of mmdet.
        seed: the training's seed.
    """

    def __init__(self, dataset: Any, seed: int):
        self.dataset, self.seed, self.rank = dataset, seed, get_rank()
        self._sizes: dict[int, dict[str, int]] = {}

    @property
    def metainfo(self) -> dict:
        """The meta information of the wrapped dataset."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except (cv2.error, FileNotFoundError):  # an empty or lost file; mmcv names all others
            path = self.dataset.get_data_info(index)["img_path"]
            raise AssertionError(f"failed to load image: {path}") from None

    def __getitems__(self, batch: Batch) -> list:
        """Return a batch; seeds a loader worker, while the training loop seeds the main process."""
        if get_worker_info() is not None:
            seed_iteration(self.seed, batch.iteration, self.rank)
        return [self[index] for index in batch]

    def get_data_info(self, index: int) -> dict[str, int]:
        """Return the width and height of an image in px, cached for the batch sampler."""
        if index not in self._sizes:
            info = self.dataset.get_data_info(index)
            self._sizes[index] = {"width": info["width"], "height": info["height"]}
        return self._sizes[index]

    def __deepcopy__(self, memo: dict) -> SeededDataset:
        return self  # mmengine copies the loader's config; this avoids a copy of LVIS


@DATA_SAMPLERS.register_module()
class ResumableAspectRatioBatchSampler(AspectRatioBatchSampler):
    """mmdet's batches, starting at batch ``start``.

    The images of batch k depend on all earlier indices (a batch is complete when one of the two
    aspect-ratio groups is full), so the batches before ``start`` are formed as well, from indices
    and image sizes only. No image is loaded; a whole LVIS schedule takes seconds.
    """

    start = 0

    def __iter__(self) -> Iterator[Batch]:
        for iteration, indices in enumerate(super().__iter__()):
            if iteration >= self.start:
                batch = Batch(indices)
                batch.iteration = iteration
                yield batch
