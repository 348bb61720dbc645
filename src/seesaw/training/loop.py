"""An iteration loop whose random state is a function of (seed, iteration, rank) alone."""

from mmengine.dist import get_rank
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator

from seesaw.training.batches import seed_iteration


class _Batches(_InfiniteDataloaderIterator):
    """mmengine's endless iterator, which goes to an iteration without loading what is before."""

    def __init__(self, dataloader, seed: int):
        super().__init__(dataloader)
        self._seed = seed

    def skip_iter(self, num_iters: int) -> None:
        """Make the next batch that of iteration ``num_iters``, as if the others had been had."""
        self._dataloader.batch_sampler.start = num_iters
        self._ensure_iterator()
        # after it: a new iterator draws from torch's generator
        seed_iteration(self._seed, num_iters, get_rank())


@LOOPS.register_module()
class SeededIterLoop(IterBasedTrainLoop):
    """mmengine's loop, reseeded before each batch is fetched.

    Args:
        seed: the training's seed.
    """

    def __init__(self, *args, seed: int, **kwargs):
        super().__init__(*args, **kwargs)
        self._seed = seed
        self.dataloader_iterator = _Batches(self.dataloader, seed)

    def run(self):
        """Train to the last iteration."""
        seed_iteration(self._seed, self._iter, get_rank())
        return super().run()

    def run_iter(self, data_batch) -> None:
        """One iteration; the next batch is fetched under the next iteration's seed."""
        super().run_iter(data_batch)
        seed_iteration(self._seed, self._iter, get_rank())
