"""Figure A3: its boxes and numbers are those of the model that the config builds."""

import copy

import matplotlib
import pytest
from facts import lacks
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from seesaw.models.architecture import architecture
from seesaw.results.figures.diagram import boxes, compare, label
from seesaw.results.figures.style import COLUMN, use
from seesaw.spec.config import resolve
from seesaw.spec.experiments import config_file
from seesaw.spec.scales import Scale


def config(name):
    return copy.deepcopy(resolve(config_file(name), Scale("paper")))


def keys(model):
    return [(part.name, part.stage) for part in model.parts]


BOXES = [("backbone", None), ("neck", None), ("RPN", None), ("box", 0), ("box", 1), ("box", 2)]
MASKS = [("mask", 0), ("mask", 1), ("mask", 2)]


@pytest.fixture(scope="module")
def htc():
    return architecture(config("b02_htc_without_semantic"))


@pytest.fixture(scope="module")
def lite():
    return architecture(config("b03_htc_lite"))


def test_the_parts_are_the_models(htc, lite):
    assert keys(htc) == [*BOXES, *MASKS]
    assert keys(lite) == [*BOXES, ("mask", 2), ("context", None)]
    # paper_values.yaml: 81.775 and 78.449 million
    assert (htc.parameters, lite.parameters) == (81_775_248, 78_449_373)
    for model in (htc, lite):
        assert sum(part.parameters for part in model.parts) == model.parameters
        assert set(boxes(model)) == set(keys(model))


def test_removing_mask_heads_from_the_config_removes_their_boxes(htc):
    without = config("b02_htc_without_semantic")
    del without.model.roi_head.mask_head
    found = architecture(without)
    assert list(boxes(found)) == BOXES
    assert not [e for e in found.edges if "mask" in (e.source[0], e.target[0])]

    two = config("b02_htc_without_semantic")
    two.model.roi_head.num_stages = 2
    two.model.roi_head.stage_loss_weights = [1, 0.5]
    two.model.roi_head.bbox_head.pop()
    two.model.roi_head.mask_head.pop()
    assert set(boxes(architecture(two))) == set(boxes(htc)) - {("box", 2), ("mask", 2)}


def test_removing_the_context_encoder_removes_its_box_and_arrows(lite):
    without = config("b03_htc_lite")
    del without.model.roi_head.glbctx_head
    found = architecture(without)
    assert set(boxes(lite)) - set(boxes(found)) == {("context", None)}
    assert {e for e in lite.edges if e not in found.edges} == {
        e for e in lite.edges if "context" in (e.source[0], e.target[0])
    }


def test_mask_features_flow_between_stages_of_htc_only(htc, lite):
    flows = [(e.source, e.target) for e in htc.edges if e.flow == "masks"]
    assert flows == [(("mask", 0), ("mask", 1)), (("mask", 1), ("mask", 2))]
    assert not [e for e in lite.edges if e.flow == "masks"]


def test_costs_by_hand(htc, lite):
    """1,000 proposals through two fc layers; 300 masks through 4 convs, a deconv and one logit."""
    fc = 256 * 49 * 1024 + 1024 * 1024 + 1024 * (1204 + 4)
    assert [htc.part("box", s).macs for s in range(3)] == [1000 * fc] * 3
    convs, deconv, logit = 4 * 256 * 256 * 9 * 14**2, 256 * 256 * 28**2, 256 * 28**2
    mask = 300 * (convs + deconv + logit)
    residual = 300 * 256 * 256 * 14**2
    found = [htc.part("mask", s).macs for s in range(3)]
    assert found == [mask, mask + residual, mask + residual]
    assert lite.part("mask", 2).macs == mask
    assert (htc.proposals, htc.detections, htc.image) == (1000, 300, (800, 1344))


def test_labels_say_what_the_module_is(lite):
    assert label(lite.part("box", 0)) == ["Box 1", "15.1 M", "15.1 G"]
    assert label(lite.part("context")) == ["Global", "context", "2.7 M", "0.6 G"]
    (neck,) = label(lite.part("neck"))
    assert not lacks(neck, "FPN", "256", "3.3 M", "60.9 G")


def test_every_head_gets_image_features_and_no_mask_leads_to_a_box(htc, lite):
    for model in (htc, lite):
        heads = {key for key in keys(model) if key[0] in ("box", "mask")}
        into = {e.target for e in model.edges if e.source == ("neck", None)}
        assert into - {("context", None)} == {*heads, ("RPN", None)}
        assert not [e for e in model.edges if e.source[0] == "mask" and e.target[0] == "box"]


def test_it_is_readable_in_one_column(htc, lite):
    """All print is at least 6 points at 3.25 inches, and inside the box that it describes."""
    figure = Figure()
    with matplotlib.rc_context():
        use()
        compare(figure, {"HTC": htc, "HTC-Lite": lite})
        FigureCanvasAgg(figure).draw()
    printed = figure.get_tightbbox().padded(0.02)
    assert printed.width <= COLUMN
    assert min(t.get_fontsize() for t in figure.findobj(Text) if t.get_text()) * 3.25 / COLUMN >= 6
    for axes, model in zip(figure.axes, (htc, lite), strict=False):
        patches = [p.get_window_extent() for p in axes.patches if isinstance(p, FancyBboxPatch)]
        assert len(patches) == len(model.parts)
        count = sum(len(label(part)) for part in model.parts)
        texts = [text.get_window_extent() for text in axes.texts if text.get_text()]
        inside = [
            t for t in texts if any(p.contains(*t.min) and p.contains(*t.max) for p in patches)
        ]
        assert len(inside) == count == len(texts) - 2  # title and sum stand above


def test_the_entrys_own_parts_have_boxes():
    scored = config("b03_htc_lite")
    iou = dict(type="SeparateMaskIoUHead", num_classes=1203)
    scored.model.roi_head.mask_iou_head = iou
    found = architecture(scored)
    assert found.part("mask IoU", 2).parameters == 17_491_379  # paper_values.yaml
    assert ("mask IoU", 2) in boxes(found)
