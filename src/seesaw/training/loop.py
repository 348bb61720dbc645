"""An iteration loop whose random state is a function of (seed, iteration) alone."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop


def seed_iteration(seed: int, iteration: int) -> None:
    """Seed Python, NumPy and torch for one iteration on this rank.

    Augmentation, RoI sampling and dropout of iteration k then do not depend on what ran before,
    so that a resumed training continues exactly as an uninterrupted one. Loader workers (GPU
    scale) have random states of their own, which this does not reach.
    """
    state = np.random.SeedSequence([seed, iteration, get_rank()]).generate_state(3)
    random.seed(int(state[0]))
    np.random.seed(int(state[1]))
    torch.manual_seed(int(state[2]))


@LOOPS.register_module()
class SeededIterLoop(IterBasedTrainLoop):
    """mmengine's loop, reseeded before each batch is fetched.

    Args:
        seed: the training's seed.
    """

    def __init__(self, *args, seed: int, **kwargs):
        super().__init__(*args, **kwargs)
        self._seed = seed

    def run(self):
        """Train to the last iteration."""
        seed_iteration(self._seed, self._iter)
        return super().run()

    def run_iter(self, data_batch) -> None:
        """One iteration; the next batch is fetched under the next iteration's seed."""
        super().run_iter(data_batch)
        seed_iteration(self._seed, self._iter)
