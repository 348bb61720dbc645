"""Every training and some detections on a pretended GPU: no device mix, no unknown wait."""

import json
from pathlib import Path

import pytest
from repository import REPOSITORY, python

from seesaw.spec.scales import Scale

pytestmark = pytest.mark.slow
# A training step's operations for which a GPU's host waits -> why they stay.
KNOWN = {
    "mmcv/ops/nms.py": "the kernel's result is read on the host",
    "mmdet/models/dense_heads/anchor_head.py": "anchors inside of the image are selected",
    "mmdet/models/dense_heads/rpn_head.py": "the test for no proposals",
    "mmdet/models/losses/cross_entropy_loss.py": "one-hot labels of the RPN",
    "mmdet/models/losses/smooth_l1_loss.py": "the test for no positive",
    "mmdet/models/roi_heads/bbox_heads/bbox_head.py": "positives are counted and selected",
    "mmdet/models/roi_heads/mask_heads/global_context_head.py": "the categories of an image",
    "mmdet/models/roi_heads/mask_heads/maskiou_head.py": "the objects' masks are on the host",
    "mmdet/models/roi_heads/roi_extractors/single_level_roi_extractor.py": "the RoIs of a level",
    "mmdet/models/task_modules/assigners/max_iou_assigner.py": "positives are selected",
    "mmdet/models/task_modules/samplers/base_sampler.py": "the sampled set is sorted",
    "mmdet/models/task_modules/samplers/random_sampler.py": "positives and negatives are selected",
    "mmdet/models/utils/misc.py": "targets of the anchors inside of the image",
    "mmdet/structures/mask/mask_target.py": "the objects' masks are on the host",
    "mmdet/structures/mask/structures.py": "the objects' masks are on the host",
    "mmengine/optim/optimizer/optimizer_wrapper.py": "the norm of clipped gradients is logged",
    "mmengine/structures/instance_data.py": "proposals are selected",
    "seesaw/models/bbox_heads/tsd_bbox_head.py:extra_losses": "positives, once a stage",
    "seesaw/models/losses/group_softmax_loss.py:draw": "the checkpoint's step seeds the draw",
    "seesaw/models/ops/deform_roi_pool.py:deform_roi_extract": "the RoIs of a level, as in mmdet",
}


def walk(*arguments) -> dict:
    script = Path(__file__).with_name("gpu_walk.py")
    done = python(REPOSITORY, script, *arguments)
    return json.loads(done.stdout.splitlines()[-1])


def test_what_fails_on_a_gpu_fails_here():
    found = walk("faults")
    faults = {name for name, facts in found.items() if "fault" in facts}
    assert faults == {"mixed", "numpy", "cpu_only_kernel"}
    waits = {name for name, facts in found.items() if facts["waits"]}
    assert waits == {"item", "if", "tolist", "to_cpu", "mask", "nonzero"}


def test_a_step_of_every_training():
    found = walk("training")
    assert found.keys() == {t.id for t in Scale("smoke").table.trainings.values() if t.config}
    assert not {name: facts["fault"] for name, facts in found.items() if "fault" in facts}
    waits = {wait for facts in found.values() for wait in facts["waits"]}
    assert not {wait for wait in waits if not wait.startswith(tuple(KNOWN))}
    assert not {known for known in KNOWN if not any(wait.startswith(known) for wait in waits)}


def test_detections():
    names = ["a01_mask_rcnn", "a06_mask_scoring", "a11_dual_head", "a12_test_time_augmentation"]
    found = walk("detection", *names, "b02_htc_without_semantic")
    assert not {name: facts["fault"] for name, facts in found.items() if "fault" in facts}
