"""BAGS against its formula and plain softmax."""

import pytest
import torch
import torch.nn.functional as F
from category_counts import counts
from torch import multiprocessing

from seesaw.errors import UserError
from seesaw.models.losses.group_softmax_loss import GroupSoftmaxLoss

COUNTS = counts((5, 2000, 10, 99, 100, 9, 1000))  # groups 0, 3, 1, 1, 2, 0, 3 at the default edges
MEMBERS = ((0, 5), (2, 3), (4,), (1, 6), (7,))


def by_formula(z, labels, kept):
    """Sum over groups of the mean cross-entropy of the kept RoIs, row by row."""
    total, start = 0.0, 0
    for members, rows in zip(MEMBERS, kept, strict=True):
        log_p = z[:, start : start + len(members) + 1].log_softmax(1)
        start += len(members) + 1
        chosen = [r for r in range(len(z)) if rows[r]]
        slots = [members.index(k) + 1 if k in members else 0 for k in labels.tolist()]
        total += sum(-log_p[r, slots[r]].item() for r in chosen) / max(len(chosen), 1)
    return total


def kept_by(loss, labels):
    members = (loss.channels[:, labels] > 0) & (labels >= 0)
    kept = loss.draw(members, ~members)
    kept[-1] = True
    return members, kept


def test_groups_and_label_map():
    loss = GroupSoftmaxLoss(7, COUNTS)
    assert loss.group_sizes == [2, 2, 1, 2, 1]
    assert loss.get_cls_channels(7) == 13
    assert loss.channels.tolist() == [
        [1, 0, 0, 0, 0, 2, 0, 0],
        [0, 0, 1, 2, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 2, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
    ]
    with pytest.raises(UserError, match=r"\b80\b.*GroupSoftmaxLoss .*\b7\b"):
        loss.get_cls_channels(80)


def test_label_map_is_a_bijection():
    """Every label owns exactly one slot that is not "others", and no slot has two labels."""
    torch.manual_seed(0)
    loss = GroupSoftmaxLoss(300, counts(torch.randint(1, 5000, (300,)).tolist()))
    assert ((loss.channels > 0).sum(0) == 1).all()
    for row, size in zip(loss.channels, loss.group_sizes, strict=True):
        assert row[row > 0].sort().values.tolist() == list(range(1, size + 1))


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5, 1e9])
def test_formula(beta):
    torch.manual_seed(1)
    z = torch.randn(60, 13, dtype=torch.float64)
    labels = torch.randint(0, 8, (60,))
    labels[torch.rand(60) < 0.6] = 7
    loss = GroupSoftmaxLoss(7, COUNTS, beta=beta, loss_weight=0.5)
    members, kept = kept_by(loss, labels)
    for k in range(4):
        n, others = int(members[k].sum()), int((~members[k]).sum())
        assert n > 0 and kept[k][members[k]].all()
        assert kept[k].sum() == n + min(int(beta * n), others)
    assert loss(z, labels).item() == pytest.approx(0.5 * by_formula(z, labels, kept))


def test_one_group_is_softmax_with_background_plus_objectness():
    torch.manual_seed(3)
    z, labels = torch.randn(24, 10), torch.randint(0, 8, (24,))
    loss = GroupSoftmaxLoss(7, COUNTS, edges=(), beta=1e9)
    plain = F.cross_entropy(z[:, :8], (labels + 1) % 8)
    objectness = F.cross_entropy(z[:, 8:], (labels == 7).long())
    assert loss(z, labels).item() == pytest.approx((plain + objectness).item(), rel=1e-6)


def test_group_without_members_gets_no_gradient():
    torch.manual_seed(4)
    z = torch.randn(12, 13, requires_grad=True)
    labels = torch.tensor([0, 5, 2, 3, 1, 7, 7, 7, 7, 7, 7, 7])  # none of group 2
    GroupSoftmaxLoss(7, COUNTS)(z, labels).backward()
    assert (z.grad[:, 6:8] == 0).all()
    assert all(part.abs().sum() > 0 for part in (z.grad[:, :6], z.grad[:, 8:11], z.grad[:, 11:]))


def test_empty_group_costs_nothing():
    torch.manual_seed(5)
    z, labels = torch.randn(10, 14), torch.arange(10) % 8
    loss = GroupSoftmaxLoss(7, COUNTS, edges=(10, 100, 1000, 10**6), beta=1e9)
    assert loss.group_sizes == [2, 2, 1, 2, 0, 1]
    kept = torch.cat([z[:, :11], z[:, 12:]], 1)
    without = GroupSoftmaxLoss(7, COUNTS, beta=1e9)(kept, labels)
    assert loss(z, labels).item() == pytest.approx(without.item(), rel=1e-6)


def test_activation_in_closed_form():
    torch.manual_seed(6)
    z = torch.randn(5, 13, dtype=torch.float64)
    scores = GroupSoftmaxLoss(7, COUNTS).get_activation(z)
    p_fg = z[:, 11].exp() / z[:, 11:].exp().sum(1)
    assert torch.allclose(scores[:, 7], 1 - p_fg)
    start = 0
    for members in MEMBERS[:4]:
        exp = z[:, start : start + len(members) + 1].exp()
        for slot, label in enumerate(members, 1):
            assert torch.allclose(scores[:, label], exp[:, slot] / exp.sum(1) * p_fg)
        start += len(members) + 1


def test_accuracy_compares_scores_across_groups():
    z = torch.full((2, 13), -9.0)
    z[0, 2], z[1, 4] = 9.0, 9.0  # label 5 (group 0, slot 2), label 2 (group 1, slot 1)
    z[:, 11] = 5.0
    loss = GroupSoftmaxLoss(7, COUNTS)
    assert loss.get_accuracy(z, torch.tensor([5, 3]))["acc_classes"].tolist() == [50.0]


def test_ignored_rois_are_left_out():
    torch.manual_seed(7)
    z, loss = torch.randn(6, 13), GroupSoftmaxLoss(7, COUNTS, beta=1e9)
    labels, weights = torch.tensor([0, -1, 7, 2, 7, 3]), torch.tensor([1.0, 1, 1, 0, 1, 1])
    rows = [0, 2, 4, 5]
    assert loss(z, labels, weights).item() == pytest.approx(
        loss(z[rows], labels[rows]).item(), rel=1e-6
    )
    terms = loss(z, labels, weights, reduction_override="none")
    assert (terms[[1, 3]] == 0).all() and (terms[rows] > 0).all()
    assert loss(torch.zeros(0, 13), torch.zeros(0, dtype=torch.long)) == 0


def series(loss, steps):
    generator = torch.Generator().manual_seed(9)
    data = [torch.randn(40, 13, generator=generator) for _ in range(4)]
    labels = torch.arange(40) % 8
    labels[12:] = 7
    return torch.stack([loss(data[step], labels) for step in steps])


def test_draw_follows_seed_and_step():
    whole = series(GroupSoftmaxLoss(7, COUNTS, beta=1.0), range(4))
    assert torch.equal(whole, series(GroupSoftmaxLoss(7, COUNTS, beta=1.0), range(4)))
    assert not torch.equal(whole, series(GroupSoftmaxLoss(7, COUNTS, beta=1.0, seed=1), range(4)))
    one = GroupSoftmaxLoss(7, COUNTS, beta=1.0)
    first, second = series(one, [0, 0])
    assert first != second  # a new draw each step
    one.eval()
    assert torch.equal(*series(one, [0, 0]))  # none outside training
    assert one.num_steps == 2


def test_resume_draws_what_the_unbroken_run_draws(tmp_path):
    expected = series(GroupSoftmaxLoss(7, COUNTS, beta=1.0), range(4))
    first = GroupSoftmaxLoss(7, COUNTS, beta=1.0)
    series(first, range(2))
    torch.save(first.state_dict(), tmp_path / "half.pth")
    second = GroupSoftmaxLoss(7, COUNTS, beta=1.0)
    second.load_state_dict(torch.load(tmp_path / "half.pth"))
    torch.manual_seed(123)  # the global generator plays no part
    assert torch.equal(series(second, range(2, 4)), expected[2:])


def rank_draw(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    torch.save(
        kept_by(GroupSoftmaxLoss(7, COUNTS, beta=1.0), torch.arange(40) % 8)[1],
        f"{folder}/{rank}.pth",
    )
    torch.distributed.barrier()  # the other one may still be connecting
    torch.distributed.destroy_process_group()


def test_ranks_draw_apart(tmp_path):
    multiprocessing.start_processes(rank_draw, (str(tmp_path),), nprocs=2, start_method="fork")
    first, second = (torch.load(tmp_path / f"{rank}.pth") for rank in range(2))
    alone = kept_by(GroupSoftmaxLoss(7, COUNTS, beta=1.0), torch.arange(40) % 8)[1]
    assert torch.equal(first, alone) and not torch.equal(first, second)


def test_every_other_roi_is_drawn_equally_often():
    """Hypergeometric mean: 2 members, beta 3, 20 others -> each kept with probability 0.3."""
    loss = GroupSoftmaxLoss(7, COUNTS, beta=3.0)
    members = torch.zeros(5, 22, dtype=torch.bool)
    members[:, :2] = True
    total = torch.zeros(20)
    for step in range(400):
        loss.num_steps.fill_(step)
        total += loss.draw(members, ~members)[:, 2:].sum(0)
    assert (total / 2000 - 0.3).abs().max() < 5 * (0.3 * 0.7 / 2000) ** 0.5


@pytest.mark.parametrize("edges", [(100, 10), (10, 10)])
def test_edges_must_ascend(edges):
    with pytest.raises(UserError, match=rf"\bedges .*\({edges[0]}, {edges[1]}\)"):
        GroupSoftmaxLoss(7, COUNTS, edges=edges)
