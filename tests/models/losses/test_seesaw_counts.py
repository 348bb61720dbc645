"""Seesaw Loss's counts: in training, after a resume, on two ranks, and without a device sync."""

import pytest
import torch
from largest_tensor import LargestTensor
from mmdet.models.losses import SeesawLoss
from torch import multiprocessing

from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss


def test_counts_only_in_training_and_beyond_float32():
    loss = SyncedSeesawLoss(num_classes=3)
    x, labels = torch.randn(4, 5), torch.tensor([0, 3, 3, 2])
    loss.eval()(x, labels)
    assert loss.cum_samples.sum() == 0
    loss.train()(x, labels)
    assert loss.cum_samples.tolist() == [1, 0, 1, 2]
    loss.cum_samples[0] = 2.0**24
    loss(x, labels)
    assert loss.cum_samples[0].item() == 2**24 + 1


def batch(step, rank):
    generator = torch.Generator().manual_seed(10 * step + rank)
    labels = torch.randint(0, 8, (32,), generator=generator)
    return torch.randn(32, 9, generator=generator), labels


def losses_of(loss, steps, rank=0):
    return [loss(*batch(step, rank))["loss_cls_classes"] for step in steps]


def test_resume_is_exact_to_the_bit(tmp_path):
    whole, first = SyncedSeesawLoss(num_classes=7), SyncedSeesawLoss(num_classes=7)
    expected = losses_of(whole, range(4))
    losses_of(first, range(2))
    torch.save(first.state_dict(), tmp_path / "half.pth")
    second = SyncedSeesawLoss(num_classes=7)
    second.load_state_dict(torch.load(tmp_path / "half.pth"))
    assert torch.equal(torch.stack(losses_of(second, range(2, 4))), torch.stack(expected[2:]))
    assert torch.equal(second.cum_samples, whole.cum_samples)


def test_public_checkpoints_load():
    """mmdet's key and shape; its float32 counts arrive unchanged."""
    theirs, ours = SeesawLoss(num_classes=7), SyncedSeesawLoss(num_classes=7)
    theirs.cum_samples += torch.arange(8) * 1e6
    assert ours.load_state_dict(theirs.state_dict(), strict=True)
    assert torch.equal(ours.cum_samples, torch.arange(8).double() * 1e6)
    assert theirs.load_state_dict(ours.state_dict(), strict=True)


def rank_counts(rank, folder, sync):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    loss = SyncedSeesawLoss(num_classes=7, sync=sync)
    values = torch.stack(losses_of(loss, range(3), rank))
    torch.save((loss.cum_samples, values), f"{folder}/{rank}.pth")
    torch.distributed.barrier()  # the other one may still be connecting
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("sync", [True, False])
def test_two_ranks(sync, tmp_path):
    """sync: both hold the histogram of all samples; else each its own, as mmdet."""
    multiprocessing.start_processes(
        rank_counts, (str(tmp_path), sync), nprocs=2, start_method="fork"
    )
    own = [sum(torch.bincount(batch(s, r)[1], minlength=8) for s in range(3)) for r in range(2)]
    expected = [own[0] + own[1]] * 2 if sync else own
    for rank in range(2):
        counts, values = torch.load(tmp_path / f"{rank}.pth")
        assert torch.equal(counts, expected[rank].double())
        alone = torch.stack(losses_of(SeesawLoss(num_classes=7), range(3), rank))
        assert torch.allclose(values, alone, atol=1e-6) != sync


def test_no_device_sync_and_no_class_matrix():
    """A meta tensor has no values: reading one (.item, unique, boolean index) raises."""
    labels = torch.tensor([3, 400, 3, 1])

    def step(device):
        loss = SyncedSeesawLoss(num_classes=400).to(device)
        x = torch.randn(4, 402, device=device, requires_grad=True)
        sum(loss(x, labels.to(device), torch.ones(4, device=device), 4.0).values()).backward()
        loss.get_accuracy(x, labels.to(device))
        return x.grad.shape

    with LargestTensor() as largest:
        step("cpu")
    assert largest.elements == 4 * 402
    assert step("meta") == (4, 402)
