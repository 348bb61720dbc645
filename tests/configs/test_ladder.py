"""Ladder lint: each rung changes exactly what the paper says that rung changes.

Every rung and every cell of the figure, resolved at paper scale, differs from the one before at
the dotted paths listed here and at no other.
"""

import pytest
from config_cases import PRINTED, expand, lint, resolved
from repository import copied

from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale

BOX, MASK = "model.roi_head.bbox_head.{0,1,2}", "model.roi_head.mask_head.{0,1,2}"
TRAIN, TEST = "train_dataloader.dataset.pipeline", "test_dataloader.dataset.pipeline"
# the class loss is replaced as a whole; the default of each loss_weight is 1
LOSS = "loss_cls.{type,num_classes,use_sigmoid"
COUNTED = f"{LOSS},loss_weight,category_counts"
SEESAW = expand(f"{BOX}.{{cls_predictor_cfg.type,{LOSS},p,q}}}}")
EQL = expand(f"{BOX}.{{type,{COUNTED},lambda_}}}}")
BAGS = expand(f"{BOX}.{COUNTED},edges,beta}}")
RFS = expand("train_dataloader.repeat.{type,oversample_thr}")
R101 = expand("model.backbone.{depth,init_cfg.checkpoint}")
SCHEDULE = expand("schedule.{epochs,milestones}")
CONTEXT = expand(
    "model.roi_head.glbctx_head."
    "{type,num_convs,in_channels,conv_out_channels,num_classes,loss_weight,conv_to_res}"
)
LOW_QUALITY = "model.train_cfg.rcnn.{0,1,2}.assigner.match_low_quality"
HTC_LITE = CONTEXT | {"model.roi_head.type"}

# experiment -> (the one before, the paths at which they differ)
GRADIENTS = expand("custom_hooks.0.{type,category_counts}")
DROPPED = GRADIENTS | {"custom_hooks"}
CHANGES = {
    "a02_syncbn": (
        "a01_mask_rcnn",
        expand(
            "model.backbone.{norm_cfg.type,norm_eval}",
            f"{BOX}.{{type,num_shared_convs,num_shared_fcs,conv_out_channels}}",
            f"{BOX}.norm_cfg.{{type,requires_grad}}",
            f"{MASK}.norm_cfg.{{type,requires_grad}}",
        ),
    ),
    "a03_carafe": (
        "a02_syncbn",
        expand(
            f"{MASK}.upsample_cfg.{{type,scale_factor,up_kernel,up_group}}",
            f"{MASK}.upsample_cfg.{{encoder_kernel,encoder_dilation,compressed_channels}}",
        ),
    ),
    "a04_htc_lite": (
        "a03_carafe",
        HTC_LITE
        | expand(
            "model.type",
            "model.roi_head.{num_stages,stage_loss_weights}",
            f"{BOX}.{{reg_class_agnostic,loss_bbox.{{type,beta}}}}",
            "model.roi_head.bbox_head.{1,2}.bbox_coder.target_stds",
            "rpn",
            "model.rpn_head.loss_bbox.{type,beta}",
            "model.train_cfg.{rpn.allowed_border,rpn_proposal.max_per_img}",
            "model.train_cfg.rcnn.{1,2}.assigner.{pos,neg}_iou_thr",
            "model.train_cfg.rcnn.{1,2}.assigner.min_pos_iou",
        ),
    ),
    "a05_tsd": (
        "a04_htc_lite",
        expand(
            f"{BOX}.{{type,num_shared_convs,num_shared_fcs,conv_out_channels}}",
            f"{BOX}.norm_cfg.{{type,requires_grad}}",
            f"{BOX}.{{delta_channels,gamma,pc_cls,pc_loc}}",
            "model.roi_head.{type,bbox_roi_extractor.roi_layer.sampling_ratio}",
            "optim_wrapper.clip_grad.{max_norm,norm_type}",
        ),
    ),
    "a06_mask_scoring": (
        "a05_tsd",
        expand(
            "model.roi_head.mask_iou_head.{type,num_convs,num_fcs,roi_feat_size,in_channels}",
            "model.roi_head.mask_iou_head.{conv_out_channels,fc_out_channels,num_classes}",
        ),
    ),
    "a07_augmentation": (
        "a06_mask_scoring",
        SCHEDULE
        | expand(
            f"{TRAIN}.RandomChoiceResize.{{type,scales,keep_ratio}}",
            f"{TRAIN}.RandomResize.{{type,scale,ratio_range,keep_ratio}}",
            f"{TRAIN}.SafeInstaBoost.type",
            f"{TRAIN}.RandomCrop.{{type,crop_size,crop_type,allow_negative_crop}}",
            f"{TRAIN}.FilterAnnotations.{{type,min_gt_bbox_wh}}",
        ),
    ),
    "a08_stronger_neck": (
        "a07_augmentation",
        expand("model.{data_preprocessor.pad_size_divisor,neck.{type,stack_times}}"),
    ),
    "a09_stronger_backbone": (
        "a08_stronger_neck",
        R101
        | expand(
            "model.data_preprocessor.{mean,std}",
            "model.backbone.{type,stem_channels,radix,reduction_factor,avg_down_stride,with_cp}",
            "model.backbone.{stage_with_dcn,dcn.{type,deform_groups,fallback_on_stride}}",
        ),
    ),
    "a10_seesaw": ("a09_stronger_backbone", SEESAW | expand(f"{BOX}.pc_cls")),
    "a11_dual_head": (
        "a10_seesaw",
        SCHEDULE | RFS | expand(f"{BOX}.type", "model.{type,roi_head.type}"),
    ),
    "a12_test_time_augmentation": (
        "a11_dual_head",
        expand(
            "edge",
            "tta_model.type",
            f"{TEST}.Resize.{{type,scale,keep_ratio}}",
            f"{TEST}.TestTimeAug.{{type,transforms.0.{{0,1,2,3,4}}.{{type,scale,keep_ratio}}}}",
            f"{TEST}.TestTimeAug.transforms.1.{{0,1}}.{{type,prob}}",
            f"{TEST}.TestTimeAug.transforms.2.0.{{type,meta_keys}}",
            f"{TEST}.PackDetInputs.{{type,meta_keys}}",
        ),
    ),
    "b02_htc_without_semantic": (
        "b01_cascade_mask_rcnn",
        expand(
            "model.type",
            "model.roi_head.{type,interleaved,mask_info_flow,mask_stages}",
            f"{MASK}.{{type,with_conv_res}}",
            LOW_QUALITY,
        ),
    ),
    "b03_htc_lite": ("b01_cascade_mask_rcnn", HTC_LITE | expand(LOW_QUALITY)),
    "mask_rcnn_random_ce": ("a01_mask_rcnn", R101 | GRADIENTS),
    "mask_rcnn_rfs_ce": ("mask_rcnn_random_ce", RFS),
    "cascade_rfs_ce": ("b01_cascade_mask_rcnn", R101 | SCHEDULE),
}
FEWER = (("mask_rcnn", "eql"), ("mask_rcnn", "bags"))
for framework in ("mask_rcnn", "cascade"):
    for loss, change in (("eql", EQL), ("bags", BAGS), ("seesaw", SEESAW)):
        for sampler in ("random", "rfs"):
            # Figure A1 is of Mask R-CNN with the other two losses.
            fewer = DROPPED if (framework, loss) in FEWER else set()
            CHANGES[f"{framework}_{sampler}_{loss}"] = (f"{framework}_{sampler}_ce", change | fewer)
SAMPLERS = [
    (f"{framework}_random_{loss}", f"{framework}_rfs_{loss}")
    for framework in ("mask_rcnn", "cascade")
    for loss in ("ce", "eql", "bags", "seesaw")
]
FIRST = {"a01_mask_rcnn", "b01_cascade_mask_rcnn", "cascade_random_ce"}


def test_every_rung_of_the_paper_is_linted():
    assert set(PRINTED) == CHANGES.keys() | FIRST


@pytest.mark.parametrize("experiment", CHANGES)
def test_changes_what_the_paper_says(experiment):
    before, allowed = CHANGES[experiment]
    assert lint(resolved(before), resolved(experiment), allowed) == ""


@pytest.mark.parametrize(("random", "rfs"), SAMPLERS)
def test_samplers_differ_in_the_sampler_alone(random, rfs):
    assert lint(resolved(random), resolved(rfs), RFS) == ""


def test_cascade_shares_data_and_schedule_with_mask_rcnn():
    """The first cell of the figure's second framework: only the model is another."""
    before, after = resolved("mask_rcnn_random_ce").copy(), resolved("cascade_random_ce").copy()
    backbone = before.model.backbone
    assert backbone == after.model.backbone
    before.model = after.model
    assert lint(before, after, GRADIENTS) == ""


def test_the_switch_of_the_rpn_keeps_that_of_the_rung_before(tmp_path):
    path = copied(tmp_path, "configs") / "configs/table_a1/a04_htc_lite.py"
    path.write_text(path.read_text().replace('rpn = "htc"', 'rpn = "mask_rcnn"'))
    allowed = CHANGES["a04_htc_lite"][1]
    kept = {p for p in allowed if "rpn_head" in p or "train_cfg.rpn" in p}
    switched = resolve(path, Scale("paper"))
    assert len(kept) == 4 and lint(resolved("a03_carafe"), switched, allowed - kept) == ""


@pytest.fixture
def planted(tmp_path):
    """Resolves a rung from a copy of configs/ in which one more line was added to its file."""

    def plant(stem, line):
        path = copied(tmp_path, "configs") / f"configs/table_a1/{stem}.py"
        path.write_text(path.read_text() + line)
        return resolve(path, Scale("paper"))

    return plant


@pytest.mark.parametrize(
    ("stem", "line", "path"),
    [
        (
            "a07_augmentation",
            "optim_wrapper = dict(optimizer=dict(lr=0.01))\n",
            "optim_wrapper.optimizer.lr",
        ),
        # what a rung turns into lists or wraps hides no stray value
        (
            "a04_htc_lite",
            "model.roi_head.bbox_head[1].roi_feat_size = 14\n",
            "model.roi_head.bbox_head.1.roi_feat_size",
        ),
        (
            "a11_dual_head",
            "train_dataloader['dataset']['dataset']['data_prefix'] = dict(img='x')\n",
            "train_dataloader.dataset.data_prefix.img",
        ),
    ],
)
def test_a_stray_value_is_found(planted, stem, line, path):
    before, allowed = CHANGES[stem]
    assert lint(resolved(before), planted(stem, line), allowed) == f"stray {path}"


def test_a_missing_change_is_found():
    before, allowed = CHANGES["a10_seesaw"]
    found = lint(resolved(before), resolved(before), allowed)
    assert found.startswith("unchanged ") and "pc_cls" in found


def test_values_that_the_paper_states():
    """Supplementary, section 4.2.

    Its image sizes: tests/data/test_training_pipeline.py and tests/models/tta/test_tta_config.py;
    its schedules: test_overlays.py.
    """
    a10, a12 = (resolved(i) for i in ("a10_seesaw", "a12_test_time_augmentation"))
    assert all(
        (head.loss_cls.p, head.loss_cls.q, head.pc_cls) == (0.8, 2.0, None)
        for head in a10.model.roi_head.bbox_head
    )
    assert a12.train_dataloader.dataset.oversample_thr == 1e-3
