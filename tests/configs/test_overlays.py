"""Overlay lint: a scale changes sizes, lengths and what depends on the dataset, nothing else."""

import re
import shutil
from fnmatch import fnmatchcase
from itertools import pairwise

import numpy as np
import pytest
from config_cases import BUILT, TABLE, resolved
from facts import lacks, refusal

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.spec.config import difference, flatten, resolve
from seesaw.spec.overlay import SETTINGS
from seesaw.spec.scales import Scale
from seesaw.training.schedule import iterations

SCALES = ("mini", "smoke")
ALIASES = "".join(f", &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefghij"))
# what each overlay is laid over
PAIRS = [
    *((scale, experiment) for scale in SCALES for experiment in BUILT),
    *(("single_gpu", training) for training in Scale("single_gpu").table.trainings),
]
# Freezing, norms, the scheduler's kind, learning rates and losses are not among them.
ALLOWED = [
    # the stand-in backbone
    "model.backbone.depth",
    "model.backbone.base_channels",
    "model.backbone.stem_channels",
    "model.backbone.with_cp",
    "model.backbone.init_cfg.checkpoint",
    # classes, widths, depths
    "model.roi_head.*num_classes",
    "model.*in_channels",
    "model.*out_channels",
    "model.*feat_channels",
    "model.*delta_channels",
    "model.*compressed_channels",
    "model.neck.stack_times",
    "model.roi_head.bbox_head.*num_shared_convs",
    # length
    "schedule.epochs",
    "schedule.milestones",
    "schedule.warmup_iters",
    "batch_size",
    "model.roi_head.mask_head.*predictor_rate",
    # image sizes
    "*_dataloader.dataset*pipeline.*.scale",
    "*_dataloader.dataset*pipeline.*.scales",
    "*_dataloader.dataset*pipeline.*.crop_size",
    # RoI numbers
    "model.train_cfg.*sampler.num",
    "model.*_cfg.*.nms_pre",
    "model.*_cfg.*.max_per_img",
    # thresholds that depend on the number of images
    "train_dataloader.dataset.oversample_thr",
    "model.roi_head.bbox_head.*loss_cls.lambda_",
    "model.roi_head.bbox_head.*loss_cls.edges",
    # the dataset
    "model.roi_head.bbox_head.*loss_cls.category_counts",
    "custom_hooks.*.category_counts",
    "*_dataloader.dataset*.data_root",
    "*_dataloader.dataset*.ann_file",
]
# at mini scale and in these experiments alone; why stands in the overlay
OWN = {
    # a smaller learning rate in the cells of Figure A2
    "optim_wrapper.optimizer.lr": {c.evaluation for c in TABLE.place_cells("figure_a2")},
    # a ResNeSt that starts as mmdet's ResNet does; a test of it tells that its weights' names stay
    "model.backbone.type": {e for e in BUILT if resolved(e).model.backbone.type == "ResNeSt"},
    # the context encoder's loss, a mean over 36 categories instead of 1,203
    "model.roi_head.glbctx_head.loss_weight": {
        e for e in BUILT if resolved(e).model.roi_head.get("glbctx_head")
    },
}
EPOCHS = {"1x": 12, "2x": 24, "45e": 45}


def strays(paper, scaled):
    """Paths that a scale changes and must not."""
    changed = [path for path, _, _ in difference(paper, scaled)]
    return [path for path in changed if not any(fnmatchcase(path, p) for p in ALLOWED)]


@pytest.mark.parametrize(("scale", "experiment"), PAIRS)
def test_changes_only_what_is_listed(scale, experiment):
    own = {path for path, of in OWN.items() if scale == "mini" and experiment in of}
    assert set(strays(resolved(experiment), resolved(experiment, scale))) == own


@pytest.mark.parametrize("scale", ["mini", "single_gpu"])
def test_a_training_without_crops_shows_images_as_large_as_tests(tmp_path, scale):
    """The setting for crops reduces a step of the same name, and more than tests are."""
    path = tmp_path / "own.py"
    base = str((paths.CONFIGS / "figure_a2/mask_rcnn_random_ce.py").resolve())
    step = "dict(type='Resize', scale=(1333, 800), keep_ratio=True)"
    path.write_text(
        f"_base_ = {base!r}\ntrain_dataloader = dict(dataset=dict(pipeline=[{step}]))\n"
    )
    made = resolve(path, Scale(scale), register=False)
    (train,) = made.train_dataloader.dataset.pipeline
    assert train == next(s for s in made.test_dataloader.dataset.pipeline if s.type == "Resize")


def test_two_stand_ins_of_one_name_are_refused(tmp_path, monkeypatch):
    """Both would be one file, which fits the backbone of one of them."""
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    rows = "".join(
        f"  {of}: {{name: resnet18, set: {{depth: {depth}}}, out_channels: [8]}}\n"
        for of, depth in (("torchvision://resnet50", 18), ("torchvision://resnet101", 34))
    )
    (tmp_path / "own.yaml").write_text(f"dataset: mini_lvis\nbackbones:\n{rows}")
    assert not lacks(refusal(Scale, "own"), "own.yaml", "backbones", "resnet18")


@pytest.mark.parametrize(
    "setting", ["norm_eval", "frozen_stages", "gamma", "score_thr", "lr", "num_classes"]
)
@pytest.mark.parametrize("place", ["set:", "set_in:\n  mask_rcnn_rfs_ce:"])
def test_a_forbidden_setting_is_refused(setting, place, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    path = tmp_path / "mini.yaml"
    path.write_text(f"dataset: mini_lvis\n{place} {{{setting}: 1}}\n")
    with pytest.raises(UserError, match=f"mini.yaml.*{setting} is no setting"):
        Scale("mini")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("image_short_edge", "wide"), ("image_short_edge", "0"), ("crop_edge", "-1"),
        ("channels", "null"), ("channels", ".inf"), ("channels", "true"), ("channels", "false"),
        ("epochs", "12"), ("epochs", "{12: few}"), ("epochs", "{twelve: 1}"), ("bags_edges", "10"),
        ("bags_edges", "[ten]"), ("backbone_checkpoint", "5"), ("learning_rate", "1e-3"),
        ("warmup_iterations", "0"), ("warmup_iterations", "1"), ("warmup_iterations", "2.5"),
        ("channels", f"[&a [x]{ALIASES}]"),  # in full it is a sentence of gigabytes
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["set:", "set_in:\n  mask_rcnn_rfs_ce:"])
def test_a_value_of_another_kind_is_refused(setting, value, place, tmp_path, monkeypatch):
    """YAML reads 1e-3 as a text."""
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    path = tmp_path / "mini.yaml"
    path.write_text(f"dataset: mini_lvis\n{place} {{{setting}: {value}}}\n")
    with pytest.raises(UserError, match=rf"mini\.yaml.*: {setting} is .*, but it "):
        Scale("mini")


@pytest.mark.parametrize("given", ["{iterations: few}", "{crops: 48}", "{crop: 0}", "{batch: 1.5}"])
def test_a_pre_training_has_three_whole_numbers(given, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    (tmp_path / "mini.yaml").write_text(f"dataset: mini_lvis\npretrain: {given}\n")
    with pytest.raises(UserError, match=r"mini\.yaml: pretrain: .* whole numbers"):
        Scale("mini")


def test_a_rate_for_all_trainings_is_found_by_the_lint(tmp_path, monkeypatch):
    """`learning_rate` is a setting, but only for single trainings."""
    shutil.copytree(paths.SCALES, tmp_path / "scales")
    mini = tmp_path / "scales" / "mini.yaml"
    mini.write_text(mini.read_text().replace("\nset:\n", "\nset:\n  learning_rate: 0.01\n"))
    monkeypatch.setattr(paths, "SCALES", tmp_path / "scales")
    scaled = resolve(TABLE.evaluations["a01_mask_rcnn"].config_path, Scale("mini"))
    assert strays(resolved("a01_mask_rcnn"), scaled) == ["optim_wrapper.optimizer.lr"]


def places(node, path=""):
    """All dotted paths of a config, also those of its inner nodes."""
    yield path
    if isinstance(node, dict | list | tuple):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            yield from places(value, f"{path}.{key}".lstrip("."))


def test_every_place_of_a_setting_is_in_a_config():
    """A pattern that matches nowhere is misspelt or outdated."""
    every = {place for experiment in BUILT for place in places(resolved(experiment).to_dict())}
    for setting, patterns in SETTINGS.items():
        for pattern in patterns:
            assert any(fnmatchcase(place, pattern) for place in every), (setting, pattern)


@pytest.mark.parametrize("scale", (*SCALES, "single_gpu"))
def test_every_setting_of_an_overlay_changes_something(scale):
    overlay = Scale(scale).overlay
    changed = {
        path
        for of, experiment in PAIRS
        if of == scale
        for path, _, _ in difference(resolved(experiment), resolved(experiment, scale))
    }
    for setting in {*overlay.set, *(name for own in overlay.set_in.values() for name in own)}:
        leaves = [f"{place}*" for place in SETTINGS[setting]]
        assert any(fnmatchcase(path, leaf) for path in changed for leaf in leaves), setting


def test_sizes_lengths_and_numbers_of_mini():
    """By hand: 0.14 of the paper's sizes for tests, a tenth for crops, 2x of 5 epochs."""
    a06, a12 = (resolved(e, "mini") for e in ("a06_mask_scoring", "a12_test_time_augmentation"))
    pipelines = a06.train_dataloader.dataset.pipeline, a06.test_dataloader.dataset.pipeline
    (train,), (test,) = ([t for t in p if t.type.endswith("Resize")] for p in pipelines)
    edges = [640 * 0.14, 672 * 0.14, 704 * 0.14, 736 * 0.14, 768 * 0.14, 112]
    assert [list(s) for s in train.scales] == [[round(1333 * 0.14), round(e)] for e in edges]
    assert list(test.scale) == [187, 112]
    views = a12.test_dataloader.dataset.pipeline[-1].transforms[0]
    assert [view.scale[0] for view in views] == [88, 103, 117, 132, 147]
    schedule = a06.schedule
    assert (schedule.epochs, schedule.warmup_iters) == (5, 50)
    assert schedule.milestones == pytest.approx([16 / 24 * 5, 22 / 24 * 5], abs=1e-6)
    assert {s.sampler.num for s in a06.model.train_cfg.rcnn} == {32}


def test_a_setting_for_one_training_acts_there_alone():
    """The settings of all trainings hold there too."""
    rates = {e: resolved(e, "mini").optim_wrapper.optimizer.lr for e in BUILT}
    lower = {e for e, lr in rates.items() if lr == 0.01}
    assert lower == OWN["optim_wrapper.optimizer.lr"] != set()
    assert {lr for e, lr in rates.items() if e not in lower} == {0.02}
    assert resolved("cascade_rfs_bags", "mini").batch_size == 6


@pytest.mark.parametrize("name", ["mask_rcnn_bags", "mask_rcnn"])  # the latter is in _base_
def test_a_setting_for_an_unknown_training_is_one_sentence(name, tmp_path, monkeypatch):
    shutil.copytree(paths.SCALES, tmp_path / "scales")
    with (tmp_path / "scales" / "smoke.yaml").open("a") as file:
        file.write(f"set_in:\n  {name}: {{learning_rate: 0.005}}\n")
    monkeypatch.setattr(paths, "SCALES", tmp_path / "scales")
    with pytest.raises(UserError, match=f"smoke.yaml: set_in: '{name}' is no config"):
        Scale("smoke").table  # noqa: B018


@pytest.mark.parametrize("backbone", ["dict(init_cfg=None)", "dict(depth=50)"])
def test_a_backbone_without_weights_is_one_sentence(tmp_path, backbone):
    path = tmp_path / "own.py"
    base = (paths.CONFIGS / "_base_/schedule_1x.py").resolve()
    path.write_text(f"_base_ = {str(base)!r}\nmodel = dict(backbone={backbone})\n")
    with pytest.raises(UserError, match=r"own\.py: model\.backbone\.init_cfg names no checkpoint"):
        resolve(path, Scale("smoke"), register=False)


def pixels(config):
    """The largest edge that any step of a config's pipelines makes."""
    flat = flatten(config.train_dataloader.to_dict()) | flatten(config.test_dataloader.to_dict())
    sizes = [v for k, v in flat.items() if re.search(r"\.(scales?|crop_size)$", k)]
    return int(max(np.max(size) for size in sizes))


@pytest.mark.parametrize(("scale", "experiment"), PAIRS)
def test_no_image_size_is_left_at_paper_scale(scale, experiment):
    """A step whose size the overlay forgets would enlarge small images tenfold."""
    largest = {"mini": 256, "smoke": 133, "single_gpu": 800}[scale]
    assert pixels(resolved(experiment)) >= 1333
    assert pixels(resolved(experiment, scale)) <= largest


@pytest.mark.parametrize("training", [t.id for t in TABLE.trainings.values() if t.config])
def test_paper_scale_has_the_schedule_of_the_table(training):
    schedule = resolved(training).schedule
    assert schedule.epochs == EPOCHS[TABLE.trainings[training].schedule]


@pytest.mark.parametrize("scale", ("paper", *SCALES))
def test_schedules_keep_their_order_of_length(scale):
    """1x < 2x < 45e in iterations, over the same images; equal schedules are equally long."""
    images = {"paper": 99388, "mini": 320, "smoke": 40}[scale]
    length = {}
    for t in TABLE.trainings.values():
        if t.config:
            cfg = resolved(t.id, scale)
            total, _ = iterations(cfg.schedule, images, cfg.batch_size)
            assert length.setdefault(t.schedule, total) == total
    assert list(length) and sorted(length, key=length.get) == [s for s in EPOCHS if s in length]
    assert len(set(length.values())) == len(EPOCHS)


@pytest.mark.parametrize(
    ("scale", "experiment"),
    [
        *((s, e) for s in SCALES for e in ("a01_mask_rcnn", "a07_augmentation")),
        *((s, "b01_cascade_mask_rcnn") for s in SCALES),
        ("single_gpu", "mask_rcnn_rfs_seesaw"),
    ],
)
def test_milestones_keep_their_fractions(scale, experiment):
    """2x drops its rate after 16/24 and 22/24 of the training, to within one rounding."""
    paper, scaled = resolved(experiment).schedule, resolved(experiment, scale).schedule
    fractions = [m / paper.epochs for m in paper.milestones]
    assert [m / scaled.epochs for m in scaled.milestones] == pytest.approx(fractions, abs=2e-3)


def test_single_gpu_trains_what_the_paper_trains_only_shorter():
    """Four epochs at batch 16 on all of LVIS: a sixth of 2x, from ResNet-50's own weights."""
    scale = Scale("single_gpu")
    assert list(scale.table.cells) == [
        c for c in TABLE.cells if c.place.startswith("figure") and "mask_rcnn" in c.evaluation
        and c.evaluation.endswith(("_ce", "_seesaw"))
    ]  # fmt: skip
    assert (scale.table.submissions, scale.entry.name) == ([], "lvis_v1")
    for training in scale.table.trainings:
        cfg = resolved(training, "single_gpu")
        assert iterations(cfg.schedule, 99388, cfg.batch_size)[0] == 24848
        assert cfg.model.backbone.init_cfg.checkpoint == "torchvision://resnet50"
        assert cfg.model.neck.in_channels == [256, 512, 1024, 2048]
