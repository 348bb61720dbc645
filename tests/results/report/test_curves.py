"""Training curves: means and sums by hand, places in the panel in closed form."""

import numpy as np
import pytest

from seesaw.results.report.curves import BINS, HEIGHT, LEFT, RATE, WIDTH, binned, kind, panels


def test_terms_are_sorted_by_what_they_are_about():
    assert {term: kind(term) for term in TERMS} == TERMS


TERMS = {
    "loss": "total",
    "loss_rpn_cls": "rpn",
    "loss_rpn_bbox": "rpn",
    "s2.loss_cls": "cls",
    "loss_cls_objectness": "cls",
    "s0.loss_bbox": "bbox",
    "loss_mask_iou": "mask",
    "loss_glbctx": "other",
    "s0.acc": None,
    "lr": None,
    "memory": None,
}


def test_a_point_is_the_sum_of_means_and_skips_what_is_no_number():
    losses = [1.0, 3.0, None, 5.0]
    steps = [
        {"iter": i + 1, "lr": 0.1 * i, "loss": loss, "s0.loss_cls": 2.0 * i, "s1.loss_cls": 1.0}
        for i, loss in enumerate(losses * BINS)
    ]
    iterations, sums, rate = binned(steps)  # four steps a point
    assert iterations.tolist() == [2.5 + 4 * n for n in range(BINS)]
    assert sums["total"].tolist() == [3.0] * BINS
    assert sums["cls"] == pytest.approx([3.0 + 8 * n + 1 for n in range(BINS)])
    assert rate == pytest.approx([0.15 + 0.4 * n for n in range(BINS)])
    _, sums, _ = binned([{"iter": 1, "lr": 1.0, "loss": None}])
    assert np.isnan(sums["total"]).all()


def test_panels_share_a_logarithmic_axis():
    one = [{"iter": 10, "lr": 0.5, "loss": 10.0}, {"iter": 20, "lr": 1.0, "loss": 0.1}]
    two = [{"iter": 1, "lr": 0.0, "loss": 0.001}]
    (a, b), ticks = panels([("one", one), ("none", []), ("two", two)])
    top, bottom = 4.0, HEIGHT - RATE - 8.0
    step = (bottom - top) / 3  # decades from 0.01 to 10
    assert [text for text, _ in ticks] == ["0.01", "0.1", "1", "10"]
    assert [y for _, y in ticks] == pytest.approx([bottom - i * step for i in range(4)], abs=0.05)
    right, middle = WIDTH - 4.0, (LEFT + WIDTH - 4) / 2
    assert a.lines == {"total": f"{middle:.1f},{top:.1f} {right:.1f},{bottom - step:.1f}"}
    assert (a.iterations, a.peak) == (20, 1.0)
    low, high = HEIGHT - 2 - (RATE - 4) / 2, HEIGHT - 2 - (RATE - 4)
    assert a.rate == f"{middle:.1f},{low:.1f} {right:.1f},{high:.1f}"
    # below the axis: drawn at its foot
    assert (b.name, b.lines) == ("two", {"total": f"{right:.1f},{bottom:.1f}"})
