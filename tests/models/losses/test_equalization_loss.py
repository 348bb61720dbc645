"""EQL against its formula and plain BCE."""

import json

import pytest
import torch
import torch.nn.functional as F
from category_counts import counts

from seesaw.errors import UserError
from seesaw.models.losses.common import load_category_counts
from seesaw.models.losses.equalization_loss import EqualizationLoss

# Frequencies 0.5, 0.1, 0.01, 0.001 of 1,000 annotated images.
COUNTS = counts((1500, 300, 30, 3), images=(500, 100, 10, 1), annotated=1000)


def by_formula(z, labels, frequencies, lambda_):
    """1/N sum_r sum_j w_rj BCE(z_rj, t_rj), entry by entry."""
    total = 0.0
    for r, label in enumerate(labels.tolist()):
        for j, f in enumerate(frequencies):
            t = float(j == label)
            w = 1 - float(label < len(frequencies)) * float(f < lambda_) * (1 - t)
            s = torch.sigmoid(z[r, j].double()).item()
            total += w * -torch.tensor(s if t else 1 - s, dtype=torch.float64).log().item()
    return total / len(labels)


@pytest.mark.parametrize("lambda_,tail", [(0.0, 0), (5e-3, 1), (0.1, 2), (1.0, 4)])
def test_formula_and_closed_form_gradient(lambda_, tail):
    torch.manual_seed(0)
    z = torch.randn(20, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 5, (20,))
    loss = EqualizationLoss(4, COUNTS, lambda_=lambda_, loss_weight=0.5)
    value = loss(z, labels, torch.rand(20) + 0.1, avg_factor=3.0)
    assert loss.tail.sum() == tail
    frequencies = [0.5, 0.1, 0.01, 0.001]
    assert value.item() == pytest.approx(0.5 * by_formula(z, labels, frequencies, lambda_))
    t = F.one_hot(labels, 5)[:, :4].double()
    foreground = (labels < 4).double()[:, None]
    w = 1 - foreground * (torch.tensor(frequencies) < lambda_) * (1 - t)
    gradient = torch.autograd.grad(value, z)[0]
    assert (gradient - 0.5 * w * (z.sigmoid() - t) / 20).abs().max() < 1e-15


def test_ignored_rois_are_left_out():
    torch.manual_seed(2)
    z, loss = torch.randn(4, 4), EqualizationLoss(4, COUNTS)
    labels, weights = torch.tensor([0, -1, 4, 2]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    kept = loss(z[[0, 2]], labels[[0, 2]])
    assert loss(z, labels, weights).item() == pytest.approx(kept.item())
    rows = loss(z, labels, weights, reduction_override="none")
    assert (rows[[1, 3]] == 0).all() and rows.sum().item() == pytest.approx(2 * kept.item())
    assert loss(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)) == 0


def test_activation_accuracy_and_channels():
    loss = EqualizationLoss(4, COUNTS)
    z = torch.tensor([[0.0, 2.0, -1.0, 1.0], [3.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    scores = loss.get_activation(z)
    assert scores.shape == (3, 5) and (scores[:, 4] == 0).all()
    assert torch.equal(scores[:, :4], torch.sigmoid(z))
    assert loss.get_accuracy(z, torch.tensor([1, 2, 4]))["acc_classes"].tolist() == [50.0]
    assert loss.get_cls_channels(4) == 4
    with pytest.raises(UserError, match=r"\b80\b.*EqualizationLoss .*\b4\b"):
        loss.get_cls_channels(80)


def test_default_lambda_is_the_lvis_v1_value():
    counts = {"annotated_images": 99_388, "categories": COUNTS["categories"]}
    assert EqualizationLoss(4, counts).lambda_ == 1.1e-3
    assert EqualizationLoss(4, counts).tail.tolist() == [0, 1, 1, 1]  # 109.3 images


def test_counts_from_a_file(tmp_path):
    path = tmp_path / "category_counts.json"
    rows = list(reversed(COUNTS["categories"]))
    path.write_text(json.dumps({**COUNTS, "categories": rows}))
    loss = EqualizationLoss(4, str(path), lambda_=0.05)
    assert loss.tail.tolist() == [0, 0, 1, 1]
    assert "tail" not in loss.state_dict()
    assert loss.counts.instances == (1500, 300, 30, 3)


@pytest.mark.parametrize(
    "content,message",
    [
        (None, "missing"),
        ("{", "JSON"),
        ("[]", "damaged"),
        ('{"annotated_images": 3}', r"\bcategories\b"),
        (json.dumps({**COUNTS, "categories": [{"id": 1, "image_count": 2}]}), "instance_count"),
        (json.dumps({**COUNTS, "categories": COUNTS["categories"][:3]}), r"3 categories.*1\.\.4"),
        (json.dumps({**COUNTS, "annotated_images": 499}), "annotated_images is 499"),
    ],
)
def test_bad_counts_are_one_sentence(content, message, tmp_path):
    path = tmp_path / "counts.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message) as error:
        load_category_counts(str(path), 4)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
