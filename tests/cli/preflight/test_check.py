"""Models on shapes, memory against mmdet's published maxima, weights, and the page."""

import pytest
import torch
from facts import lacks
from mmengine.hub import get_config
from rich.console import Console

from seesaw.cli.checks import preflight_check
from seesaw.cli.checks.preflight_report import Check, Report, Row, print_report
from seesaw.core import paths
from seesaw.models import meta, sizes
from seesaw.models.sizes import Size, Sizes
from seesaw.spec import expected
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.spec.site import Site

EXPECTED = expected.load()


def one(training="mask_rcnn_rfs_seesaw", scale="single_gpu"):
    """A scale for one training alone."""
    scale = Scale(scale)
    scale.overlay = scale.overlay.model_copy(update={"only": [training]})
    return scale


def test_the_size_of_mask_rcnn():
    scale = Scale("paper")
    size = Sizes().measure(resolve(scale.table.trainings["a01_mask_rcnn"].config, scale))
    assert (size.parameters, size.train_px) == (50440322, (800, 1344))
    # 12544 x 1024 + 1024 x 1024 + 1024 x (1204 + 4 x 1203), and 14 x 14 x 4 x 9 x 256 x 256,
    # deconvolution 28 x 28 x 256 x 256, one class 28 x 28 x 256
    assert size.macs["box"] == 12544 * 1024 + 1024**2 + 1024 * (1204 + 4812)
    assert size.macs["mask"] == 196 * 4 * 9 * 65536 + 784 * 65536 + 784 * 256
    assert size.training_bytes(2) == 4 * (size.parameters + 3 * size.trainable) + 2 * size.kept


@pytest.mark.parametrize(
    ("name", "px", "images", "published"),
    [  # GB in mmdet's metafiles
        ("mask_rcnn/mask-rcnn_r50_fpn_1x_coco", (800, 1344), 2, 4.4),
        ("mask_rcnn/mask-rcnn_r101_fpn_1x_coco", (800, 1344), 2, 6.4),
        ("cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco", (800, 1344), 2, 6.0),
        ("fpg/mask-rcnn_r50_fpg_crop640-50e_coco", (640, 640), 8, 23.2),
    ],
)
def test_memory_against_what_mmdet_published(name, px, images, published):
    cfg = get_config(f"mmdet::{name}.py")
    cfg.model.roi_head.type = f"ClassIndexed{cfg.model.roi_head.type}"
    model = meta.build(cfg)
    parameters = [p.numel() for p in model.parameters()]
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    size = Size(sum(parameters), trainable, {}, sizes._kept(model, *px, 512), px)
    assert 1.05 < published / (size.training_bytes(images) / 1e9) < EXPECTED.memory.factor


def test_recomputed_blocks_keep_their_inputs_and_the_largest_block():
    meter = sizes._Meter(torch.nn.Module())
    x = torch.zeros(10, requires_grad=True)
    y = meter.block(lambda t: t.exp().exp(), x)  # two results of 40 bytes, kept while it is redone
    assert (meter.bytes, meter.again, y.shape) == (40, 80, (10,))


def test_a_green_scale():
    report = preflight_check.preflight(one(), EXPECTED, Site())
    (row,) = report.rows
    assert report.green and not row.faults
    assert (row.iterations, row.images, row.passes) == (30696, 2, 8)
    assert 2 < row.gigabytes < 6


def test_every_fault_is_named_and_the_page_is_red(capsys):
    wrong = EXPECTED.model_copy(update={"iterations": {"single_gpu": {"rfs": {"2x": 1}}}})
    site = Site(gpu_model="t4", gpus={"single_gpu": 1}, images_per_gpu=16)
    report = preflight_check.preflight(one(), wrong, site, memory=8)
    ((iterations, memory),) = [row.faults for row in report.rows]
    assert not lacks(iterations, "30,696", "2x, rfs", "configs/preflight.yaml says 1")
    need = f"{report.rows[0].gigabytes:.0f} GB"
    assert not lacks(memory, need, "GPU's 8", "images_per_gpu: 1 in site.yaml")
    print_report(report, one(), Console(width=100))
    said = capsys.readouterr().out
    assert "✗ mask_rcnn_rfs_seesaw: 30,696" in said
    assert said.splitlines()[-1].startswith("red: 2 wrong, ")


def test_a_batch_that_gpus_cannot_share_is_red():
    report = preflight_check.preflight(one(), EXPECTED, Site(gpus={"single_gpu": 3}))
    assert not lacks(report.rows[0].faults[0], "site.yaml", "gpus.single_gpu", "16", "3")


def test_a_training_set_too_small_for_an_iteration_is_red():
    scale, row = one(), Row("mask_rcnn_rfs_seesaw")
    cfg = resolve(scale.table.trainings[row.name].config, scale)
    found = {"epoch": {"rfs": 0, "random": 0}}
    preflight_check._check_schedule(row, "2x", cfg, scale, EXPECTED, found, None)
    assert row.iterations is None and not lacks(row.faults[0], "0 images", "16")


def test_a_wrong_parameter_count_and_a_broken_config_are_red(tmp_path, monkeypatch):
    scale = one("a01_mask_rcnn", "paper")
    row = Row("a01_mask_rcnn", Size(50_000_000, 0, dict.fromkeys(
        ("backbone", "neck", "box", "mask"), 1e9), 0, (1, 1)))  # fmt: skip
    preflight_check._check_size(row, scale, EXPECTED)
    assert not lacks(row.faults[0], "50.0 M parameters", paths.PAPER_VALUES, "50.44")
    assert not lacks(row.faults[1], "1 GMAC in backbone", "configs/preflight.yaml", "79.24")
    config = tmp_path / "a01_mask_rcnn.py"
    text = (paths.CONFIGS / "table_a1/a01_mask_rcnn.py").read_text()
    text = text.replace('"../', f'"{paths.CONFIGS.resolve()}/')
    config.write_text(text + 'model = dict(neck=dict(type="FPM"))\n')
    training = scale.table.trainings["a01_mask_rcnn"]
    scale.table.trainings["a01_mask_rcnn"] = training.model_copy()
    scale.table.trainings["a01_mask_rcnn"].__dict__["config"] = config
    (fault,) = preflight_check.preflight(scale, EXPECTED, Site()).rows[0].faults
    assert not lacks(fault, config, "FPM")


def test_memory_of_a_gpu_by_name():
    of = EXPECTED.memory.of
    names = ("a100", "NVIDIA A100-SXM4-80GB", "a10", "V100", "nvidia_geforce_rtx_3090", "", "other")
    assert [of(n) for n in names] == [40, 40, 24, 16, 24, None, None]


@pytest.fixture
def backbone():
    """A config with a small backbone, and weights for it as a classifier has them."""
    scale = Scale("smoke")
    cfg = resolve(scale.table.trainings["a01_mask_rcnn"].config, scale)
    state = {k: torch.empty_like(v, device="cpu") for k, v in
             meta.build(cfg).backbone.state_dict().items()}  # fmt: skip
    return cfg, state | {"fc.weight": torch.zeros(2, 2)}


def test_weights_that_fit_and_that_do_not(backbone, tmp_path):
    cfg, state = backbone
    path = tmp_path / "weights.pth"

    def compared(content):
        torch.save(content, path)
        return preflight_check.compare_weights("w", path, cfg)

    assert compared(state) == Check("w", True, f"{len(state)} tensors fit")
    assert compared({"state_dict": state}).ok
    short = {k: v for k, v in state.items() if k != "layer1.0.conv1.weight"}
    missing = compared(short | {"head.weight": torch.zeros(1), "conv1.weight": torch.zeros(1)})
    assert missing.ok is False
    counts = ("1 tensors missing", "1 unexpected", "1 of another")
    assert not lacks(missing.text, path, *counts, "layer1.0.conv1.weight", "download")
    assert "1 unexpected" in compared(state | {0: torch.zeros(1)}).text
    path.write_bytes(path.read_bytes()[:500])
    cut = preflight_check.compare_weights("w", path, cfg)
    assert cut.ok is False and str(path) in cut.text


def test_green_is_only_what_has_no_fault():
    row = Row("x", faults=["wrong"])
    assert Report([Check("a", None, "")], [], 0, None).green
    assert not Report([Check("a", False, "")], [], 0, None).green
    assert not Report([], [row], 0, None).green


@pytest.mark.parametrize(
    ("fits", "fix"), [(2, ["images_per_gpu: 2", "site.yaml"]), (1, ["larger GPU"])]
)
def test_the_hint_about_memory_keeps_the_images_that_split_attention_needs(fits, fix):
    """One image a pass has no batch statistics in ResNeSt."""
    scale = Scale("smoke")
    cfg = resolve(scale.table.trainings["a09_stronger_backbone"].config, scale)
    preflight_check.with_counts(cfg, None, scale.entry.classes)
    cfg.batch_size = 16
    row = preflight_check.Row("a09", size=sizes.Sizes().measure(cfg))
    memory = preflight_check.gigabytes(row.size, fits, EXPECTED)
    site = Site(gpus={"smoke": 1}, images_per_gpu=4)
    preflight_check._check_batch(row, cfg, scale, EXPECTED, site, memory)
    (fault,) = row.faults
    assert not lacks(fault, *fix) and ("images_per_gpu" in fault) == (fits > 1)
