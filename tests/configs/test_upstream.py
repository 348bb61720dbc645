"""The configs against those that mmdet ships for the same modules.

Every value that differs, defaults of the classes included, is explained by a row of
docs/ambiguities.md or by LVIS itself. What other configs add to these is linted in test_ladder.py.
"""

import copy
import inspect
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import mmdet
import pytest
from config_cases import STAGES, expand
from mmdet.registry import DATASETS, MODELS, TASK_UTILS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import MODELS as ENGINE_MODELS
from repository import copied
from test_ambiguities import ROWS

from seesaw.core import paths
from seesaw.spec.config import flatten, resolve
from seesaw.spec.scales import Scale

SHIPPED = Path(mmdet.__file__).parent / ".mim/configs"
REGISTRIES = (MODELS, TRANSFORMS, DATASETS, TASK_UTILS, ENGINE_MODELS)
SEESAW = "seesaw_loss/{}_fpn_seesaw-loss{}_{}-ms-2x_lvis-v1.py".format
RESNEST = "resnest/{}_fpn_syncbn-backbone+head_ms-1x_coco.py".format
HTC, SCNET = "htc/htc-without-semantic_r50_fpn_1x_coco.py", "scnet/scnet_r50_fpn_1x_coco.py"
CASCADE = (
    "model.{rpn_head.*,train_cfg.*,roi_head.stage_loss_weights}",
    "model.roi_head.bbox_head.*.{bbox_coder.*,loss_*,reg_class_agnostic}",
)
CONTEXT = "model.roi_head.glbctx_head.*"
# our config, mmdet's, and the parts that they share
COMPARED = [
    ("mask_rcnn_random_seesaw", SEESAW("mask-rcnn_r101", "", "random"), "*"),
    ("mask_rcnn_rfs_seesaw", SEESAW("mask-rcnn_r101", "", "sample1e-3"), "*"),
    ("cascade_random_seesaw", SEESAW("cascade-mask-rcnn_r101", "", "random"), "*"),
    ("cascade_rfs_seesaw", SEESAW("cascade-mask-rcnn_r101", "", "sample1e-3"), "*"),
    ("a01_mask_rcnn", "lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py", "model.*"),
    (
        "a02_syncbn",
        RESNEST("mask-rcnn_s50"),
        "model.{roi_head.*,backbone.norm*,backbone.frozen_stages}",
    ),
    ("a03_carafe", "carafe/mask-rcnn_r50_fpn-carafe_1x_coco.py", "*mask_head.*.upsample_cfg.*"),
    ("a04_htc_lite", HTC, *CASCADE),
    ("a04_htc_lite", SCNET, CONTEXT),
    ("a06_mask_scoring", "ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py", "*{mask_iou_head.*,thr_binary}"),
    ("a07_augmentation", "instaboost/mask-rcnn_r50_fpn_instaboost-4x_coco.py", "*.InstaBoost.*"),
    (
        "a08_stronger_neck",
        "fpg/mask-rcnn_r50_fpg_crop640-50e_coco.py",
        "model.{data_preprocessor.pad*,neck.{in_channels,out_channels,num_outs,stack_times}}",
    ),
    (
        "a09_stronger_backbone",
        RESNEST("cascade-mask-rcnn_s101"),
        "model.{backbone.*,data_preprocessor.{mean,std}}",
    ),
    (
        "a09_stronger_backbone",
        "dcnv2/mask-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py",
        "model.backbone.*dcn*",
    ),
    (
        "a10_seesaw",
        SEESAW("cascade-mask-rcnn_r101", "", "random"),
        "model.roi_head.bbox_head.*.loss_*",
    ),
    ("b01_cascade_mask_rcnn", "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py", "model.*"),
    (
        "b01_cascade_mask_rcnn",
        "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py",
        "{schedule,optim_wrapper}.*",
    ),
    ("b02_htc_without_semantic", HTC, "model.*"),
    ("b03_htc_lite", HTC, *CASCADE),
    ("b03_htc_lite", SCNET, CONTEXT),
] + [
    (f"{ours}_seesaw{mask}", SEESAW(shipped, "-normed-mask" if mask else "", "random"), "model.*")
    for ours, shipped in (
        ("mask_rcnn_r50", "mask-rcnn_r50"),
        ("mask_rcnn_r101", "mask-rcnn_r101"),
        ("cascade_r101", "cascade-mask-rcnn_r101"),
    )
    for mask in ("", "_normed_mask")
]
SAME = "the numbers are the same"
PAPER = "the paper names it"
LVIS = "LVIS has 1,203 categories and takes 300 detections an image"
TARGET = "Threshold of the predicted mask in the mask IoU target"
DCN = "DCNv2 stages and groups of ResNeSt-200"
# path=value of ours -> the first cell of a row of docs/ambiguities.md, or one of these
EXPLAINED = {
    "model._scope_=mmdet": SAME,
    "model.data_preprocessor.pad_mask=True": SAME,  # targets are cut from the masks' own pixels
    "model.roi_head.type={ClassIndexed{Standard,Cascade}RoIHead,HTCRoIHeadFixed}": SAME,
    "model.roi_head.mask_head.*.predictor_cfg.*=None": SAME,  # absent, which is a convolution
    "model.roi_head.mask_head.*predictor_rate=1.0": SAME,  # that of every other layer
    "test.LoadAnnotations.*=None": SAME,  # detection needs none
    "train.pipeline.InstaBoost.type=SafeInstaBoost": SAME,
    "model.backbone.with_cp=True": "Recomputation of ResNeSt-200's activations",
    "model.backbone.depth=200": PAPER,
    "model.backbone.init_cfg.checkpoint=open-mmlab://resnest200": PAPER,
    "model.*.num_classes=1203": LVIS,
    "model.test_cfg.rcnn.max_per_img=300": LVIS,
    "model.test_cfg.rcnn.score_thr=0.0001": (
        "Score threshold at test: 1e-3 in the main paper's text, 1e-4 in released configs"
    ),
    "model.roi_head.bbox_head.*.type=LazyNMS{Shared2FC,ConvFC}BBoxHead": "Class-wise NMS",
    # those of mmdet's Shared4Conv1FCBBoxHead, which fixes them
    "model.roi_head.bbox_head.*.{num_shared_convs=4,num_shared_fcs=1}": SAME,
    "model.roi_head.mask_head.*.type=ClassIndexed{FCN,HTC}MaskHead": "Mask channels computed",
    "model.roi_head.bbox_head.*.loss_cls.{type=SyncedSeesawLoss,sync=True}": (
        "Which ranks' samples N_j counts in distributed training"
    ),
    "model.roi_head.mask_stages=mean": "Masks that HTC averages at inference (Table A2)",
    "model.roi_head.mask_iou_head.type=SeparateMaskIoUHead": "Score of boxes under mask scoring",
    "model.roi_head.mask_iou_head.target_threshold=prob05": TARGET,
    "model.train_cfg.rcnn.*.mask_thr_binary=None": TARGET,
    "train.pipeline.InstaBoost.fallback=False": (
        "Behaviour if the instaboostfast package is missing"
    ),
    "model.backbone.dcn.{type=DCNv2,deform_groups=1,fallback_on_stride=False}": DCN,
    "model.backbone.dcn.{bias=True,groups=1,dilation=1,stride=1,padding=0}": DCN,  # its defaults
    "model.backbone.stage_with_dcn=*": DCN,
}


@cache
def registered(word):
    """The class of a type of ours or OpenMMLab's, or None."""
    made = (registry.get(word) for registry in REGISTRIES)
    found = next((t for t in made if inspect.isclass(t)), None)
    return found if found and not found.__module__.startswith("torch") else None


def explicit(node):
    """A config with the default of every argument that its classes take by name."""
    if isinstance(node, (list, tuple)):
        return [explicit(item) for item in node]
    if not isinstance(node, dict):
        return node
    defaults = {}
    made = registered(node["type"]) if isinstance(node.get("type"), str) else None
    for parent in reversed(made.__mro__ if made else ()):
        if "__init__" in vars(parent):
            taken = inspect.signature(parent).parameters.values()
            defaults |= {p.name: explicit(p.default) for p in taken if p.default is not p.empty}
    return defaults | {key: explicit(value) for key, value in node.items()}


def values(config):
    """The dotted paths and values of what makes the results, spelled alike for ours and mmdet's."""
    config = copy.deepcopy(config.to_dict())
    model, train = config["model"], config["train_dataloader"]["dataset"]
    for owner, key in (("roi_head", "bbox_head"), ("roi_head", "mask_head"), ("train_cfg", "rcnn")):
        if isinstance(model[owner][key], dict):
            model[owner][key] = [model[owner][key]] * STAGES
    parts = {"model": model, "optim_wrapper": config["optim_wrapper"]}
    if "oversample_thr" in train:
        parts["repeat"], train = train, train.pop("dataset")
    parts["train"] = train
    train["pipeline"] = steps(train["pipeline"])
    parts["test"] = steps(config["test_dataloader"]["dataset"]["pipeline"])
    parts["schedule"] = config.get("schedule") or schedule(config)
    return {path: value for path, value in flatten(explicit(parts)).items() if value is not None}


def steps(pipeline):
    return {step["type"].removeprefix("Safe"): step for step in pipeline}


def schedule(config):
    warmup, decay = config["param_scheduler"]
    return dict(
        epochs=config["train_cfg"]["max_epochs"],
        milestones=decay["milestones"],
        gamma=decay["gamma"],
        warmup_iters=warmup["end"],
        warmup_start=warmup["start_factor"],
    )


@cache
def differences(name, shipped, *parts):
    """The path=value of ours below ``parts`` at which the config of a name differs from mmdet's."""
    (path,) = paths.CONFIGS.rglob(f"{name}.py")
    ours = values(resolve(path, Scale("paper")))
    theirs = values(Config.fromfile(SHIPPED / shipped))
    return {
        f"{path}={ours.get(path)}"
        for path in ours.keys() | theirs.keys()
        if ours.get(path) != theirs.get(path) and matches(path, parts)
    }


def matches(path, patterns):
    return any(fnmatchcase(path, pattern) for pattern in expand(*patterns))


@pytest.mark.parametrize("compared", COMPARED, ids=lambda c: f"{c[0]}-{c[1]}")
def test_every_value_that_is_not_mmdets_is_explained(compared):
    assert [p for p in sorted(differences(*compared)) if not matches(p, EXPLAINED)] == []


def test_every_explanation_is_a_row_and_needed():
    assert set(EXPLAINED.values()) - {SAME, PAPER, LVIS} <= {row[0] for row in ROWS[1:]}
    found = set().union(*(differences(*compared) for compared in COMPARED))
    assert [p for p in EXPLAINED if not any(matches(path, [p]) for path in found)] == []


def test_a_value_that_drifts_is_found(tmp_path, monkeypatch):
    planted = copied(tmp_path, "configs") / "configs/table_a2/b02_htc_without_semantic.py"
    line = "model.train_cfg.rcnn[1].assigner.ignore_iof_thr = 0.5\n"
    planted.write_text(planted.read_text() + line)
    monkeypatch.setattr(paths, "CONFIGS", tmp_path / "configs")
    found = differences.__wrapped__("b02_htc_without_semantic", HTC, *CASCADE)
    assert found == {"model.train_cfg.rcnn.1.assigner.ignore_iof_thr=0.5"}
