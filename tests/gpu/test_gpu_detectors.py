"""Detectors of every kind on the GPU against the CPU: detections, views, memory, training steps."""

import copy

import detector_cases
import pytest
import torch
from gpu_device import GPU
from mmengine.dataset import pseudo_collate

from seesaw.evaluation import measure, synthetic
from seesaw.evaluation.paste import rle_masks
from seesaw.models.meta import with_counts
from seesaw.models.precision import PRECISIONS, Switches
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale

SMOKE = Scale("smoke")
TRAININGS = {t.id: t for t in SMOKE.table.trainings.values() if t.config}


def config(name):
    cfg = resolve(TRAININGS[name].config, SMOKE)
    with_counts(cfg, None, SMOKE.entry.classes)
    return cfg


@pytest.mark.parametrize("kind", detector_cases.KINDS)
def test_detections_are_the_cpus(kind):
    model = detector_cases.build(kind)
    data = pseudo_collate([detector_cases.view(detector_cases.picture())])
    found = []
    with torch.no_grad():
        for net in (model, copy.deepcopy(model).to(GPU)):
            with rle_masks(net):
                found.append(net.test_step(copy.deepcopy(data))[0].pred_instances)
    cpu, gpu = found
    assert len(cpu) > 0 and abs(len(gpu) - len(cpu)) <= 2
    # A box whose score ties with another's may change places: most agree, in order.
    count = min(len(cpu), len(gpu))
    near = (gpu.bboxes.cpu()[:count] - cpu.bboxes[:count]).abs().amax(1) < 0.05
    same = near & (gpu.labels.cpu()[:count] == cpu.labels[:count])
    assert same.float().mean() > 0.9
    gap = (gpu.scores.cpu()[:count] - cpu.scores[:count]).abs()
    assert gap.max() < 1e-3


@pytest.mark.parametrize("precision", [p for p in PRECISIONS if p != "tf32"])
@pytest.mark.parametrize("name", TRAININGS)
def test_one_training_step(name, precision):
    switches = Switches(precision, channels_last=precision == "bf16", fused=precision == "bf16")
    made = measure.Trainer(config(name), switches).measure(steps=1)
    assert 0 < made["loss"] < 1000  # nan and inf fail
    assert made["gigabytes"] < 4
    torch.backends.cudnn.allow_tf32 = False


def test_step_losses_are_the_cpus_where_nothing_is_drawn():
    """RPN losses and the backbone's gradient do not depend on the sampler's random numbers."""
    cfg = config("a01_mask_rcnn")
    cfg.model.train_cfg.rpn.sampler.num = 1 << 20  # takes every anchor
    model = synthetic.build(cfg)
    losses = []
    for net in (copy.deepcopy(model).cpu(), model):
        device = next(net.parameters()).device
        batch = net.data_preprocessor.to(device)(synthetic.batch(cfg, 2, (72, 96)), True)
        x = net.extract_feat(batch["inputs"])
        rpn = copy.deepcopy(batch["data_samples"])
        for sample in rpn:
            sample.gt_instances.labels = torch.zeros_like(sample.gt_instances.labels)
        loss = net.rpn_head.loss(x, rpn)
        total = sum(sum(v) for v in loss.values())
        grad = torch.autograd.grad(total, net.neck.lateral_convs[0].conv.weight)[0]
        losses.append((total.detach().cpu(), grad.cpu()))
    (cpu, cpu_grad), (gpu, gpu_grad) = losses
    torch.testing.assert_close(gpu, cpu, rtol=1e-3, atol=1e-4)
    assert (gpu_grad - cpu_grad).norm() < 0.01 * cpu_grad.norm()


@pytest.mark.parametrize("name", ["a01_mask_rcnn", "a11_dual_head"])
def test_memory_is_freed_between_images(name):
    cfg = config(name)
    model = synthetic.build(cfg, train=False)
    held = []
    with torch.no_grad(), rle_masks(model):
        for number in range(4):
            model.test_step(synthetic.view(cfg, number))
            held.append(torch.cuda.memory_allocated() if GPU == "cuda" else 0)
    assert held[3] <= held[1]


def test_views_are_merged_on_the_gpu():
    evaluation = SMOKE.table.evaluations["a12_test_time_augmentation"]
    cfg = resolve(evaluation.config_path, SMOKE)
    with_counts(cfg, None, SMOKE.entry.classes)
    made = measure.detection(cfg, 1)
    assert made["detections"] > 0
