"""An iteration loop whose random state depends only on (seed, iteration, rank)."""

from __future__ import annotations

from mmengine.dist import get_rank
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator

from seesaw.training.batches import seed_iteration


class _Batches(_InfiniteDataloaderIterator):
    """mmengine's endless iterator, which can skip to an iteration without loading batches."""

    def __init__(self, loop: SeededIterLoop):
        super().__init__(loop.dataloader)
        self._loop = loop

    def skip_iter(self, num_iters: int) -> None:
        """Skip the batches of the first ``num_iters`` iterations."""
        self._dataloader.batch_sampler.start = num_iters * self._loop.accumulated
        self._ensure_iterator()
        self._loop.reseed()  # last, because a new iterator draws from torch's generator


@LOOPS.register_module()
class SeededIterLoop(IterBasedTrainLoop):
    """mmengine's iteration loop, which seeds all random generators before each batch is fetched.

    An iteration is one update of the weights, regardless of the number of batches over which its
    gradient is accumulated, so schedule, checkpoints and logs do not depend on the number of GPUs.

    Args:
        seed: the training's seed.
        accumulated: number of batches per iteration on each rank.
    """

    def __init__(self, *args, seed: int, accumulated: int = 1, **kwargs):
        super().__init__(*args, **kwargs)
        self._seed, self.accumulated = seed, accumulated
        self.dataloader_iterator = _Batches(self)

    def reseed(self, part: int = 0) -> None:
        """Seed this rank for batch ``part`` of the current iteration."""
        seed_iteration(self._seed, self._iter * self.accumulated + part, get_rank())

    def run(self):
        """Train to the last iteration."""
        every, wrapper = self.accumulated, self.runner.optim_wrapper
        if every > 1:  # mmengine set the wrapper up in iterations, but it counts batches
            wrapper._accumulative_counts = every
            done, total = self._iter * every, self._max_iters * every
            wrapper.initialize_count_status(self.runner.model, done, total)
        self.reseed()
        return super().run()

    def run_iter(self, data_batch) -> None:
        """Run one iteration, then seed the next one before its first batch is fetched."""
        runner, index = self.runner, self._iter
        runner.call_hook("before_train_iter", batch_idx=index, data_batch=data_batch)
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        for part in range(1, self.accumulated):
            self.reseed(part)
            data_batch = next(self.dataloader_iterator)
            more = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
            outputs = {name: value + more[name] for name, value in outputs.items()}
        if self.accumulated > 1:
            outputs = {name: value / self.accumulated for name, value in outputs.items()}
        runner.call_hook(
            "after_train_iter", batch_idx=index, data_batch=data_batch, outputs=outputs
        )
        self._iter += 1
        self.reseed()
