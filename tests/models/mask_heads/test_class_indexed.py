"""Class-indexed masks equal the dense form, outputs and gradients (oracle: mmdet's mask heads)."""

import math

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules

from seesaw.errors import UserError
from seesaw.models.mask_heads import class_indexed as ci

register_all_modules(init_default_scope=True)

CLASSES = 6
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
PREDICTORS = [dict(type="Conv"), dict(type="NormedConv2d")]
UPSAMPLES = ["deconv", "bilinear", "nearest"]


def pair(kind="FCNMaskHead", dtype=torch.float64, **kwargs):
    """A dense mmdet head and the class-indexed one with its weights."""
    cfg = dict(num_convs=1, in_channels=8, conv_out_channels=8, num_classes=CLASSES, **kwargs)
    torch.manual_seed(0)
    dense = MODELS.build(dict(type=kind, **cfg)).to(dtype)
    torch.nn.init.normal_(dense.conv_logits.bias)
    indexed = MODELS.build(dict(type=f"ClassIndexed{kind}", **cfg)).to(dtype)
    indexed.load_state_dict(dense.state_dict(), strict=True)
    return dense, indexed


def grads(head, x, logits):
    head.zero_grad()
    weight = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    (gradient_x,) = torch.autograd.grad((logits * weight).sum(), x, retain_graph=True)
    (logits * weight).sum().backward()
    return {"x": gradient_x} | {name: p.grad for name, p in head.named_parameters()}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("upsample", UPSAMPLES)
@pytest.mark.parametrize("predictor", PREDICTORS, ids=lambda cfg: cfg["type"])
def test_logits_and_gradients_equal_dense(dtype, upsample, predictor):
    options = dict(
        upsample_cfg=dict(type=upsample, scale_factor=2),
        predictor_cfg=predictor,
    )
    dense, indexed = pair(dtype=dtype, **options)
    x = torch.randn(5, 8, 14, 14, dtype=dtype, requires_grad=True)
    labels = torch.tensor([4, 0, 4, 1, 5])
    expected = dense(x)[torch.arange(5), labels]
    with indexed.class_indexed(labels):
        actual = indexed(x)
    assert actual.shape == (5, 1, 28, 28)
    tolerance = dict(rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    torch.testing.assert_close(actual[:, 0], expected, **tolerance)
    expected_grads = grads(dense, x, expected)
    actual_grads = grads(indexed, x, actual[:, 0])
    scale = max(g.abs().max() for g in expected_grads.values())
    assert actual_grads.keys() == expected_grads.keys()
    for name, expected_grad in expected_grads.items():
        error = (actual_grads[name] - expected_grad).abs().max() / scale
        assert error <= TOLERANCE[dtype], name
    # classes 2 and 3 were not asked for
    assert actual_grads["conv_logits.weight"][2:4].abs().max() == 0
    assert actual_grads["conv_logits.bias"][2:4].abs().max() == 0


def test_htc_head_equals_dense_with_information_flow():
    dense, indexed = pair("HTCMaskHead")
    x, previous = torch.randn(2, 3, 8, 14, 14, dtype=torch.float64)
    labels = torch.tensor([3, 3, 0])
    expected, expected_feat = dense(x, previous)
    with indexed.class_indexed(labels):
        actual, feat = indexed(x, previous)
    torch.testing.assert_close(actual[:, 0], expected[torch.arange(3), labels], rtol=0, atol=1e-12)
    torch.testing.assert_close(feat, expected_feat, rtol=0, atol=0)


def test_class_agnostic_head_has_one_row_for_every_label():
    dense, indexed = pair(class_agnostic=True)
    x = torch.randn(2, 8, 14, 14, dtype=torch.float64)
    with indexed.class_indexed(torch.tensor([5, 2])):
        torch.testing.assert_close(indexed(x), dense(x), rtol=0, atol=1e-12)


def test_labels_are_needed_and_do_not_outlive_their_block():
    _, indexed = pair()
    x = torch.zeros(1, 8, 14, 14, dtype=torch.float64)
    with indexed.class_indexed(torch.tensor([1])):
        indexed(x)
    with pytest.raises(UserError, match=r"\blabels\b.*ClassIndexedStandardRoIHead"):
        indexed(x)


def test_predictor_without_rows_is_refused():
    with pytest.raises(UserError, match="'DCNv2'"):
        ci.ClassIndexedFCNMaskHead(predictor_cfg=dict(type="DCNv2"))


def test_select_class_reads_dense_and_indexed_logits():
    dense = torch.arange(12.0).view(3, 4, 1, 1)
    labels = torch.tensor([2, 0, 3])
    assert ci.select_class(dense, labels).flatten().tolist() == [2, 4, 11]
    assert ci.select_class(dense[:, :1], labels).flatten().tolist() == [0, 4, 8]


@pytest.mark.parametrize("classes", [CLASSES, ci.LVIS_CLASSES])
@pytest.mark.parametrize("predictor", PREDICTORS, ids=lambda cfg: cfg["type"])
def test_initial_weights_are_the_dense_heads_with_a_predictor_as_small_as_for_lvis(
    predictor, classes
):
    states = []
    for kind in ("FCNMaskHead", "ClassIndexedFCNMaskHead"):
        cfg = dict(type=kind, in_channels=8, conv_out_channels=8, num_classes=classes)
        head = MODELS.build(cfg | dict(predictor_cfg=dict(predictor)))
        torch.manual_seed(3)
        head.init_weights()
        states.append(head.state_dict())
    dense, ours = states
    assert dense.keys() == ours.keys()
    shrunk = "conv_logits.weight"
    torch.testing.assert_close(ours[shrunk], dense[shrunk] * math.sqrt(classes / 1203))
    assert classes < 1203 or torch.equal(ours[shrunk], dense[shrunk])
    assert all(torch.equal(dense[key], ours[key]) for key in dense if key != shrunk)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(rate):
    with pytest.raises(UserError, match="predictor_rate"):
        MODELS.build(dict(type="ClassIndexedFCNMaskHead", predictor_rate=rate))


@pytest.mark.parametrize("rate", [1.0, 9.0])
def test_the_predictors_rate_is_that_of_its_effective_weight(rate):
    torch.manual_seed(0)
    cfg = dict(num_convs=1, in_channels=8, conv_out_channels=8, num_classes=CLASSES)
    head = MODELS.build(dict(type="ClassIndexedFCNMaskHead", **cfg, predictor_rate=rate)).double()
    torch.manual_seed(0)
    head.init_weights()
    torch.manual_seed(0)
    plain = MODELS.build(dict(type="ClassIndexedFCNMaskHead", **cfg)).double()
    torch.manual_seed(0)
    plain.init_weights()
    x, labels = torch.randn(4, 8, 14, 14, dtype=torch.float64), torch.tensor([0, 5, 2, 2])
    changes = []
    for one in (head, plain):
        with one.class_indexed(labels):
            out = one(x)
        if one is head:
            start = out
        else:
            torch.testing.assert_close(out, start)
        layer = one.conv_logits
        (gradient,) = torch.autograd.grad(out.square().sum(), layer.weight)
        changes.append(-0.1 * gradient * layer.gain)
    torch.testing.assert_close(changes[0], rate * changes[1])
