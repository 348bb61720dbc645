"""Fewer GPUs than the batch needs: the same update of the weights from several passes."""

import copy
import json
import re
from itertools import chain

import pytest
import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from toy_training import attempt, fault, results

from seesaw.errors import UserError
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training import checkpoint
from seesaw.training.schedule import least_images, passes
from seesaw.training.train import _remarks

slow = pytest.mark.slow


def norms(remarks):
    """Of each remark: the kind of batch norm, and over how many of how many images it is."""
    return [re.findall(r"\b(?:Sync)?BN\b|\d+", remark) for remark in remarks]


@pytest.mark.parametrize(
    ("gpus", "most", "images", "count"),
    [
        (8, 2, 2, 1),  # the paper's
        (4, 2, 2, 2),
        (1, 2, 2, 8),
        (8, 1, 1, 2),
        (2, 3, 2, 4),  # 3 do not divide 8
        (2, None, 8, 1),
        (16, 2, 1, 1),
        (1, 99, 16, 1),
    ],
)
def test_passes_make_up_the_batch(gpus, most, images, count):
    assert passes(16, gpus, most) == (images, count)


def test_split_attention_needs_two_images_in_a_pass():
    """One image on one GPU has one value a channel in ResNeSt's split attention."""
    for scale in (Scale("paper"), Scale("mini")):
        rungs = {name: resolve(scale.table.training(name).config, scale) for name in ("a08", "a09")}
        assert {name: least_images(cfg) for name, cfg in rungs.items()} == {"a08": 1, "a09": 2}
    with pytest.raises(UserError, match="images_per_gpu"):
        passes(16, 1, 1, least=2)
    assert passes(16, 2, 1, least=2) == (1, 8)


def test_a_batch_that_cannot_be_shared_is_reported(tmp_path):
    with pytest.raises(UserError, match=r"batch_size is 16\b.* 3 GPUs"):
        passes(16, 3, 2)
    assert attempt(tmp_path, ranks=2, batch=3) == 2
    assert re.search(r"batch_size is 3\b.* 2 GPUs", (tmp_path / "log.0").read_text())


@HOOKS.register_module()
class Twin(Hook):
    """Trains a copy of the model on each whole batch at once and keeps how far the two are apart.

    mmengine's SGD and schedulers act on the one, plain PyTorch on the other.
    """

    def before_train(self, runner):
        self.model = getattr(runner.model, "module", runner.model)
        self.twin = copy.deepcopy(self.model)
        self.sgd = torch.optim.SGD(self.twin.parameters(), lr=1, momentum=0.9, weight_decay=1e-4)
        self.seen, self.passes, self.apart, self.rates = [], 0, 0.0, []
        self.model.register_forward_pre_hook(
            lambda _, args, kwargs: self.seen.append(kwargs), with_kwargs=True
        )

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        rate = runner.optim_wrapper.param_groups[0]["lr"]
        self.rates.append(rate)
        self.sgd.param_groups[0]["lr"] = rate
        every = [*chain.from_iterable(all_gather_object(self.seen))]
        self.passes = len(self.seen)
        self.seen.clear()
        whole = {
            key: [*chain.from_iterable(one[key] for one in every)] for key in ("inputs", "labels")
        }
        self.sgd.zero_grad()
        loss = self.twin(**whole)["loss_cls"]
        loss.backward()
        self.sgd.step()
        # what is logged is of the whole batch too
        logged = sum(all_gather_object(float(outputs["loss"]))) / (len(every) / self.passes)
        self.apart = max(self.apart, abs(logged - loss.item()))
        for one, other in zip(self.model.parameters(), self.twin.parameters(), strict=True):
            self.apart = max(self.apart, float((one - other).detach().abs().max()))

    def after_train(self, runner):
        if get_rank() == 0:
            found = dict(apart=self.apart, passes=self.passes, rates=self.rates)
            with open(f"{runner.work_dir}/../twin.json", "w") as file:
                json.dump(found, file)


@pytest.mark.parametrize(
    ("ranks", "images", "count"),
    [
        (1, 2, 2),
        *(pytest.param(*case, marks=slow) for case in [(1, 1, 4), (2, 1, 2), (1, 4, 1)]),
    ],
)
def test_accumulated_steps_are_those_of_the_whole_batch(tmp_path, ranks, images, count):
    """Weights after each of 15 iterations, through warm-up, decays, momentum and weight decay."""
    twin = [dict(type="Twin")]
    options = dict(batch=4, plain=True, ranks=ranks, images_per_gpu=images)
    assert attempt(tmp_path, hooks=twin, **options) == 0
    found = json.loads((tmp_path / "twin.json").read_text())
    assert found["apart"] < 1e-6
    assert found["passes"] == count
    # 24 images: 6 iterations an epoch, whatever an iteration's passes; warm-up over 4 of them
    rates = [0.05 * (1e-3 + (1 - 1e-3) * i / 3) for i in range(3)]
    rates += [0.05] * 3 + [0.005] * 6 + [0.0005] * 3
    assert found["rates"] == pytest.approx(rates)
    facts = json.loads((tmp_path / "facts.0").read_text())
    assert (facts["iterations"], facts["batch"], facts["gpus"]) == (15, 4, ranks)
    assert facts["accumulated"] == count
    assert facts["remarks"] == []  # no batch statistics
    saved = [p.name for p in checkpoint.checkpoints(tmp_path / "work")]
    assert saved == ["iter_10.pth", "iter_15.pth"]
    made = json.loads((tmp_path / "gradients.json").read_text())
    assert made["iterations"] == 15


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=slow)])
def test_resumed_amid_accumulation_to_the_same_bytes(tmp_path, ranks):
    options = dict(batch=4, ranks=ranks, images_per_gpu=1)
    assert attempt(tmp_path / "whole", **options) == 0
    folder = tmp_path / "cut"
    assert attempt(folder, hooks=fault(8), **options) == -9
    assert attempt(folder, hooks=fault(11, "term"), **options) == 75
    assert checkpoint.iteration(checkpoint.newest(folder / "work")) == 12
    assert attempt(folder, **options) == 0
    assert results(folder) == results(tmp_path / "whole")
    facts = json.loads((folder / "facts.0").read_text())
    assert norms(facts["remarks"]) == [["BN", "1", "4"]]


def test_batch_statistics_of_fewer_images_are_remarked():
    """Frozen ones, and those that are over the whole batch, are not."""

    class Model(torch.nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[1].eval()
            return self

    synced, frozen = torch.nn.SyncBatchNorm(2), torch.nn.BatchNorm2d(2)
    model = Model(synced, frozen).eval()
    assert norms(_remarks(model, images=1, gpus=8, batch=16)) == [["SyncBN", "8", "16"]]
    assert _remarks(model, images=2, gpus=8, batch=16) == []
    model[1] = torch.nn.Identity()
    model[0] = frozen
    assert norms(_remarks(model, images=2, gpus=8, batch=16)) == [["BN", "2", "16"]]


@slow
def test_a_config_may_bound_the_images_of_a_gpu(tmp_path):
    options = dict(batch=4, bound=2, interval=15)
    for given, accumulated in ((None, 1), (4, 2), (1, 4)):
        folder = tmp_path / str(given)
        assert attempt(folder, images_per_gpu=given, **options) == 0
        assert json.loads((folder / "facts.0").read_text())["accumulated"] == accumulated
