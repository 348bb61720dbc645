"""The paper's numbers against an independent transcription of its tables."""

import itertools

import pytest
import yaml
from facts import lacks, refusal

from seesaw.core import paths
from seesaw.spec import experiments, paper

COLUMNS = ("AP", "AP_r", "AP_c", "AP_f", "AP_box")

# Supplementary, Tables A1 and A2, as printed.
TABLE_A1 = """
Mask R-CNN                    2x   18.7         1.0   16.1  29.4  20.1
+ SyncBN                      2x   18.9 (+0.2)  0.7   16.0  30.3  20.2 (+0.1)
+ CARAFE Upsample             2x   19.4 (+0.5)  0.7   16.5  30.9  20.4 (+0.2)
+ HTC-Lite                    2x   21.9 (+2.5)  1.1   19.8  33.5  23.6 (+3.2)
+ TSD                         2x   23.5 (+1.6)  2.3   22.3  34.0  25.5 (+1.9)
+ Mask scoring                2x   23.9 (+0.4)  2.8   22.4  35.0  25.6 (+0.1)
+ Training-time augmentation  45e  26.5 (+2.6)  3.6   25.7  37.4  28.1 (+2.5)
+ Stronger neck               45e  27.0 (+0.5)  3.5   25.8  38.6  29.1 (+1.0)
+ Stronger backbone           45e  29.9 (+2.9)  4.2   29.4  41.8  32.1 (+3.0)
+ Seesaw Loss                 45e  36.8 (+6.9)  25.5  35.6  42.9  39.8 (+7.7)
+ Dual Head Classification    1x   37.3 (+0.5)  26.4  36.3  43.1  40.6 (+0.8)
+ Test-time augmentation      -    38.8 (+1.5)  26.4  38.3  44.9  41.5 (+0.9)
"""
TABLE_A2 = """
Cascade Mask R-CNN  24.3  13.7  23.8  29.6  27.2  0.1
HTC w/o semantic    24.8  14.5  24.1  30.2  27.0  0.1
HTC-Lite            25.5  15.0  25.4  30.3  28.0  2.8
"""
# Main paper, Table 1: CE, EQL, BAGS, Seesaw (without Norm Mask), AP / AP_r / AP_c / AP_f / AP_box.
TABLE_1 = {
    "mask_rcnn_random": "20.6 0.8 19.3 30.7 21.7|22.7 3.7 23.3 30.4 24.0|"
    "25.6 17.3 25.0 30.1 26.4|26.6 18.1 25.8 31.2 27.4",
    "mask_rcnn_rfs": "25.5 16.6 24.5 30.6 26.6|26.2 17.0 26.2 30.2 27.6|"
    "25.8 16.5 25.7 30.1 26.5|27.6 20.6 27.3 31.1 28.9",
    "cascade_random": "22.6 2.4 22.0 32.2 25.5|24.3 5.1 25.3 31.7 27.3|"
    "27.9 19.6 27.7 31.6 31.5|29.0 21.1 28.6 33.0 32.8",
    "cascade_rfs": "27.0 16.6 26.7 32.0 30.3|27.1 17.0 27.2 31.4 30.4|"
    "27.0 16.9 26.9 31.7 30.2|29.3 21.7 29.2 32.8 32.8",
}


@pytest.fixture(scope="module")
def values():
    return paper.load()


@pytest.fixture(scope="module")
def table():
    return experiments.load()


def test_table_a1_is_the_printed_one(values, table):
    cells = [c for c in table.place_cells("table_a1") if c.evaluation in values.table_a1]
    lines = TABLE_A1.strip().splitlines()
    assert len(lines) == 12
    assert list(values.table_a1) == [cell.evaluation for cell in cells]
    for cell, line in zip(cells, lines, strict=True):
        label, schedule, ap, *rest = [part.strip() for part in line.split("  ") if part.strip()]
        assert (cell.label, cell.schedule) == (label, schedule)
        row = values.row(cell.evaluation)
        printed = [ap, *rest]
        assert [row[c] for c in COLUMNS] == [float(p.split()[0]) for p in printed]
        steps = [float(p.split()[1].strip("()")) for p in printed if "(" in p]
        assert list(row["increments"].values()) == steps
        assert len(steps) == (0 if line is lines[0] else 2)


def test_table_a2_is_the_printed_one(values, table):
    cells = [c for c in table.place_cells("table_a2") if c.evaluation in values.table_a2]
    assert list(values.table_a2) == [cell.evaluation for cell in cells]
    for cell, line in zip(cells, TABLE_A2.strip().splitlines(), strict=True):
        label, *printed = [part.strip() for part in line.split("  ") if part.strip()]
        assert cell.label == label
        row = values.row(cell.evaluation)
        assert [row[c] for c in (*COLUMNS, "fps")] == [float(p) for p in printed]
        assert row["increments"] == {}


def test_figure_a2_is_table_1_of_the_main_paper(values, table):
    expected = {
        f"{setting}_{loss}": [float(x) for x in cell.split()]
        for setting, line in TABLE_1.items()
        for loss, cell in zip(("ce", "eql", "bags", "seesaw"), line.split("|"), strict=True)
    }
    assert {k: [values.row(k)[c] for c in COLUMNS] for k in values.figure_a2} == expected
    assert set(expected) == {cell.evaluation for cell in table.place_cells("figure_a2")}


def test_test_dev(values):
    assert values.test_dev.AP == 38.92


def test_printed_increments_are_differences_of_printed_values(values):
    """Without exception, so the paper rounds its increments as it prints its levels."""
    rows = list(values.table_a1.values())
    for above, row in itertools.pairwise(rows):
        for column in ("AP", "AP_box"):
            step = round(getattr(row, column) - getattr(above, column), 1)
            assert step == row.increments[column]


def test_parameters_add_up(values, table):
    """Each total from the modules' closed forms (weights + biases or norms), C = 1203."""
    c = 1203

    def fc(n_in, n_out):
        return (n_in + 1) * n_out

    def conv(n_in, n_out, k=3):
        return (n_in * k * k + 1) * n_out

    def conv_norm(n_in, n_out, k=3):
        return n_in * k * k * n_out + 2 * n_out

    def resnet(blocks, bottleneck, stem, out=64):
        total = stem
        for width, n in zip((64, 128, 256, 512), blocks, strict=True):
            for i in range(n):
                total += (
                    conv_norm(out, width, 1) + bottleneck(width) + conv_norm(width, 4 * width, 1)
                )
                total += conv_norm(out, 4 * width, 1) if i == 0 else 0
                out = 4 * width
        return total

    def split_attention_dcn(w):  # 3x3 in two groups per split, DCNv2 offsets from stage 2 on
        hidden = max(w // 2, 32)
        attention = conv(w, hidden, 1) + 2 * hidden + conv(hidden, 2 * w, 1)
        return 9 * w * w + 4 * w + attention + (conv(w, 27) if w > 64 else 0)

    r50 = resnet((3, 4, 6, 3), lambda w: conv_norm(w, w), conv_norm(3, 64, 7))
    r101 = resnet((3, 4, 23, 3), lambda w: conv_norm(w, w), conv_norm(3, 64, 7))
    deep_stem = conv_norm(3, 64) + conv_norm(64, 64) + conv_norm(64, 128)
    s200 = resnet((3, 24, 36, 3), split_attention_dcn, deep_stem, out=128)
    laterals = sum(conv(n, 256, 1) for n in (256, 512, 1024, 2048))
    fpn = laterals + 4 * conv(256, 256)
    carafe_down = conv(256, 16, 1) + conv(16, 25)
    fpg = laterals + 30 * (conv_norm(256, 256) + carafe_down) + 70 * conv_norm(256, 256, 1)
    fpg += 26 * (conv_norm(256, 256) + conv(256, 27)) + 5 * conv(256, 256)
    rpn = conv(256, 256) + conv(256, 3, 1) + conv(256, 12, 1)

    def two_fc(classes=c + 1, boxes=4):
        return fc(12544, 1024) + fc(1024, 1024) + fc(1024, classes) + fc(1024, boxes)

    def four_conv(boxes=4):
        return 4 * conv_norm(256, 256) + fc(12544, 1024) + fc(1024, c + 1) + fc(1024, boxes)

    def tsd(classes):
        deltas = fc(12544, 256) + 2 * fc(256, 256) + fc(256, 2) + fc(256, 2 * 7 * 7)
        branches = 2 * (fc(12544, 1024) + fc(1024, 1024)) + fc(1024, classes) + fc(1024, 4)
        return deltas + branches + two_fc(classes)

    deconv = 256 * 256 * 4 + 256
    carafe = conv(256, 64, 1) + conv(64, 100)
    mask = 4 * conv(256, 256) + deconv + conv(256, c, 1)
    mask_norm = mask + 4 * 256
    context = 4 * conv(256, 256) + fc(256, c)
    mask_iou = conv(257, 256) + 3 * conv(256, 256)
    mask_iou += fc(12544, 1024) + fc(1024, 1024) + fc(1024, c)
    dual = fc(12544, 1024) + fc(1024, 1024) + fc(1024, c + 2)

    a01 = r50 + fpn + rpn + two_fc(boxes=4 * c) + mask
    a02 = r50 + fpn + rpn + four_conv(boxes=4 * c) + mask_norm
    a03 = a02 - deconv + carafe
    a04 = a03 - four_conv(boxes=4 * c) + 3 * four_conv() + context
    a05 = a04 - 3 * four_conv() + 3 * tsd(c + 1)
    a06 = a05 + mask_iou
    a08 = a06 - fpn + fpg
    a09 = a08 - r50 + s200
    a10 = a09 - 3 * tsd(c + 1) + 3 * tsd(c + 2)
    b01 = r50 + fpn + rpn + 3 * (two_fc() + mask)
    expected = {
        "a01_mask_rcnn": a01,
        "a02_syncbn": a02,
        "a03_carafe": a03,
        "a04_htc_lite": a04,
        "a05_tsd": a05,
        "a06_mask_scoring": a06,
        "a07_augmentation": a06,
        "a08_stronger_neck": a08,
        "a09_stronger_backbone": a09,
        "a10_seesaw": a10,
        "a11_dual_head": a10 + 3 * dual,
        "b01_cascade_mask_rcnn": b01,
        "b02_htc_without_semantic": b01 + 2 * conv(256, 256, 1),
        "b03_htc_lite": b01 - 2 * mask + context,
    }
    for loss, extra in {"ce": 0, "eql": -1, "bags": 5, "seesaw": 1}.items():
        for sampler in ("random", "rfs"):
            outputs = extra * fc(1024, 1)
            expected[f"mask_rcnn_{sampler}_{loss}"] = a01 - r50 + r101 + outputs
            expected[f"cascade_{sampler}_{loss}"] = b01 - r50 + r101 + 3 * outputs
    assert values.parameters == {k: round(v / 1e6, 3) for k, v in expected.items()}
    assert set(values.parameters) <= set(table.trainings)


def test_row_of_an_unprinted_evaluation_is_none(values):
    assert values.row("a99_unheard_of") is None


@pytest.mark.parametrize(
    ("edit", "facts"),
    [
        (lambda d: d["table_a1"]["a02_syncbn"].update(AP="x"), ["table_a1.a02_syncbn.AP ", "'x'"]),
        (lambda d: d["table_a1"]["a02_syncbn"].pop("AP_r"), ["table_a1.a02_syncbn.AP_r"]),
        (lambda d: d["table_a2"].update(b=dict(APr=1)), ["table_a2.b"]),
        (lambda d: d.update(figure_9={}), ["figure_9"]),
    ],
)
def test_a_broken_file_is_named_with_the_key(tmp_path, edit, facts):
    data = yaml.safe_load(paths.PAPER_VALUES.read_text(encoding="utf-8"))
    edit(data)
    broken = tmp_path / "paper_values.yaml"
    broken.write_text(yaml.safe_dump(data), encoding="utf-8")
    said = refusal(paper.load, broken)
    assert said.startswith(f"{broken}: ") and not lacks(said, *facts)
