"""Every operator and module on the GPU against its CPU twin: values and gradients."""

import copy

import detector_cases
import pytest
import torch
import tsd_cases
from category_counts import counts
from gpu_device import GPU
from mmdet.models.layers import NormedConv2d, NormedLinear
from mmdet.registry import MODELS

from seesaw.models.bbox_heads.tsd_bbox_head import TSDBBoxHead
from seesaw.models.mask_heads.class_indexed import ClassIndexedConv2d, ClassIndexedNormedConv2d
from seesaw.models.ops.carafe import CARAFEAny
from seesaw.models.ops.carafe_down import CARAFEDown
from seesaw.models.ops.deform_conv import DeformConvAny
from seesaw.models.ops.deform_roi_pool import DeformRoIPoolAny
from seesaw.models.ops.multiclass_nms import lazy_multiclass_nms
from seesaw.models.sampler import RandomSamplerAny
from seesaw.training.gradients import absolute_gradients

CLASSES = 1203
INSTANCES, IMAGES = ([1 + (7919 * i) % most for i in range(CLASSES)] for most in (4000, 1500))
COUNTS = counts(INSTANCES, IMAGES, annotated=99388)
ROIS = torch.tensor(
    [[0, 8, 4, 50, 40], [1, 2, 9, 60, 50], [0, 30, 20, 35, 50], [1, 5, 5, 70.5, 60.2]]
)


def assert_same(make, *inputs):
    """``make`` gives a module or function; values and all gradients agree on both devices."""
    torch.manual_seed(0)
    here = make()
    there = copy.deepcopy(here).to(GPU) if isinstance(here, torch.nn.Module) else here
    results = []
    for run, device in ((here, "cpu"), (there, GPU)):
        given = [x.to(device).requires_grad_(x.is_floating_point() and x.dim() > 1) for x in inputs]
        out = run(*given)
        outs = [out] if isinstance(out, torch.Tensor) else [o for o in out if o is not None]
        weights = [torch.linspace(-1, 1, o.numel()).view_as(o).to(device) for o in outs]
        leaves = [x for x in given if x.requires_grad]
        if isinstance(run, torch.nn.Module):
            leaves += [p for p in run.parameters() if p.requires_grad]
        total = sum((o * w).sum() for o, w in zip(outs, weights, strict=True))
        grads = torch.autograd.grad(total, leaves, allow_unused=True)
        results.append([t.detach() for t in (*outs, *grads) if t is not None])
    assert len(results[0]) == len(results[1]) > 1
    for cpu, gpu in zip(*results, strict=True):
        assert gpu.device.type == GPU
        atol = 2e-5 * (1 + cpu.abs().max().item())
        torch.testing.assert_close(gpu.cpu(), cpu, rtol=2e-4, atol=atol)


def noisy(module):
    """Weights that are not near zero, so that gradients say something."""
    for p in module.parameters():
        if p.dim() > 1:
            torch.nn.init.normal_(p, std=(1 / p[0].numel()) ** 0.5)
    return module


class Called(torch.nn.Module):
    """A module that is called in another way than by itself."""

    def __init__(self, module, call):
        super().__init__()
        self.module, self.call = module, call

    def forward(self, x):
        return self.call(self.module, x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: noisy(CARAFEAny(16, 2)),
        lambda: noisy(CARAFEDown(16)),
        lambda: noisy(DeformConvAny(16, 8, 3, padding=1)),
        lambda: noisy(DeformConvAny(16, 8, 3, padding=1, stride=2, deform_groups=2)),
        lambda: NormedConv2d(16, 5, 1),
    ],
    ids=["carafe", "carafe_down", "dcn", "dcn_stride_2", "normed_conv"],
)
def test_on_a_map(make):
    torch.manual_seed(1)
    assert_same(make, torch.randn(2, 16, 13, 11))


@pytest.mark.parametrize("ratio", [0, 2])
def test_deformable_roi_pooling(ratio):
    torch.manual_seed(1)
    # So small that no sample leaves the map's outer cell centres, beyond which mmcv's gradient of
    # the offset is another than ours; see seesaw.models.ops.roi_pool.
    features, offset = torch.randn(2, 6, 20, 24), 0.1 * torch.randn(len(ROIS), 2, 7, 7)
    pool = DeformRoIPoolAny(7, 0.25, ratio, 0.1)
    assert_same(lambda: lambda f, o: pool(f, ROIS.to(f), o), features, offset)


@pytest.mark.parametrize("kind", [ClassIndexedConv2d, ClassIndexedNormedConv2d])
def test_class_indexed_predictor(kind):
    torch.manual_seed(1)
    layer, labels = kind(16, CLASSES, 1), torch.tensor([0, 1202, 7, 7])

    def call(layer, x):
        layer.labels = labels.to(x.device)
        return layer(x)

    assert_same(lambda: Called(layer, call), torch.randn(4, 16, 28, 28))


def test_normalised_linear_predictor():
    torch.manual_seed(1)
    assert_same(lambda: NormedLinear(64, CLASSES + 2), torch.randn(50, 64))


LOSSES = {
    "seesaw": dict(type="SyncedSeesawLoss", p=0.8, q=2.0),
    "eql": dict(type="EqualizationLoss", category_counts=COUNTS, lambda_=1.1e-3),
    "bags": dict(type="GroupSoftmaxLoss", category_counts=COUNTS),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    results = []
    logits = labels = None
    for device in ("cpu", GPU):
        torch.manual_seed(2)
        loss = MODELS.build(LOSSES[name] | dict(num_classes=CLASSES)).to(device).train()
        if logits is None:
            logits = 3 * torch.randn(256, loss.get_cls_channels(CLASSES))
            labels = torch.cat([torch.randint(0, CLASSES, (64,)), torch.full((192,), CLASSES)])
        given = logits.to(device).requires_grad_()
        values = [loss(given, labels.to(device), torch.ones(256, device=device), 256.0)]
        values += [loss(given, labels.to(device), torch.ones(256, device=device), 256.0)]
        flat = [
            v for value in values for v in (value.values() if isinstance(value, dict) else [value])
        ]
        (grad,) = torch.autograd.grad(sum(flat), given)
        results.append((torch.stack([v.detach() for v in flat]).cpu(), grad.cpu()))
        scores = loss.get_activation(given)
        assert torch.isfinite(scores).all()
    if name == "bags":  # each step draws other RoIs of each group
        assert torch.isfinite(results[1][0]).all()
        assert results[1][0].mean() == pytest.approx(results[0][0].mean().item(), rel=0.2)
        return
    for cpu, gpu in zip(*results, strict=True):
        torch.testing.assert_close(gpu, cpu, rtol=1e-4, atol=1e-6)


def test_gradient_sums_of_the_ratio_hook():
    torch.manual_seed(1)
    logits, labels = 3 * torch.randn(128, CLASSES + 1), torch.randint(0, CLASSES + 1, (128,))
    loss = MODELS.build(dict(type="CrossEntropyLoss", use_sigmoid=False))
    both = [
        absolute_gradients(loss, logits.to(d), labels.to(d), torch.ones(128, device=d), 128.0).cpu()
        for d in ("cpu", GPU)
    ]
    torch.testing.assert_close(both[1], both[0], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("class_specific", [False, True])
def test_exact_nms(class_specific):
    gen = torch.Generator().manual_seed(0)
    rows, columns = 1000, 50 if class_specific else 1
    corner = 400 * torch.rand(rows, columns, 2, generator=gen)
    boxes = torch.cat([corner, corner + 60 + 20 * torch.rand(rows, columns, 2, generator=gen)], 2)
    scores = (2 * torch.randn(rows, 51, generator=gen)).softmax(1)
    arguments = (boxes.flatten(1), scores)
    nms = dict(type="nms", iou_threshold=0.5)
    cpu = lazy_multiclass_nms(*arguments, 1e-4, nms, 300, return_inds=True)
    gpu = lazy_multiclass_nms(*(a.to(GPU) for a in arguments), 1e-4, nms, 300, return_inds=True)
    assert gpu[2].cpu().tolist() == cpu[2].tolist()
    assert gpu[1].cpu().tolist() == cpu[1].tolist()


def test_tsd_head():
    torch.manual_seed(1)
    cfg = tsd_cases.bbox_head()
    cfg.pop("type")

    def call(head, feats):
        delta_r, delta_c = head.deltas(feats)
        scores, boxes = head(feats, feats)
        return (delta_r, delta_c, scores, boxes, *head.sibling(feats))

    feats = torch.randn(10, tsd_cases.CHANNELS, 3, 3)
    assert_same(lambda: Called(noisy(TSDBBoxHead(**cfg)), call), feats)


def test_mask_scoring():
    torch.manual_seed(1)
    feats = torch.randn(5, detector_cases.CHANNELS, 4, 4)
    assert_same(lambda: noisy(MODELS.build(detector_cases.MASK_IOU)), feats, torch.randn(5, 8, 8))


def test_context_encoder():
    torch.manual_seed(1)
    cfg, x = tsd_cases.roi_head()["glbctx_head"], torch.randn(2, tsd_cases.CHANNELS, 9, 7)
    assert_same(lambda: Called(noisy(MODELS.build(cfg)), lambda head, x: head([x])), x)


def test_random_sampler_takes_each_entry_equally_often():
    sampler = RandomSamplerAny(num=8, pos_fraction=0.5)
    gallery = torch.arange(5, 25, device=GPU)
    torch.manual_seed(0)
    drawn = torch.stack([sampler.random_choice(gallery, 4) for _ in range(2000)])
    assert drawn.device == gallery.device
    assert all(len(set(row)) == 4 for row in drawn.tolist())
    counts = torch.bincount(drawn.flatten().cpu(), minlength=25)
    assert (counts[:5] == 0).all() and (counts[5:] - 400).abs().max() < 100  # 5 deviations
