"""Figure A3: a cascade detector's parts as boxes, all of them taken from the built model."""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from seesaw.models.architecture import Architecture, Part
from seesaw.results.figures.style import INK, SOFT

WIDTH, HEIGHT, GAP = 1.42, 0.72, 0.38  # of a box, and the gap between columns; in inches
ROWS = {"box": 1.92, "mask": 0.84, "branch": -0.24}  # height of each row's centre, in inches
SHARED = {"RPN": "box", "neck": "mask", "backbone": "branch"}  # part of the first column -> its row
FACES = {
    "box": "#DCE9F5",
    "mask": "#FBE3D3",
    "context": "#D8EFE5",
    "semantic": "#F3E3EE",
    "mask IoU": "#FBF1CF",
}
FLOWS: dict[str, tuple[str, str, Any]] = {
    "features": ("features", SOFT, "-"),
    "boxes": ("boxes", INK, "-"),
    "masks": ("mask features", "#D55E00", "-"),
    "context": ("added to RoI features", "#009E73", (0, (3, 1.5))),
}
TITLES = {
    "backbone": "Backbone",
    "neck": "Neck",
    "context": "Global context encoder",
    "semantic": "Semantic segmentation branch",
}


class Box(NamedTuple):
    """The position of a part: centre and size in inches."""

    x: float
    y: float
    width: float = WIDTH
    height: float = HEIGHT


def boxes(model: Architecture) -> dict[tuple[str, int | None], Box]:
    """Return the position of each part of the model."""
    step = WIDTH + GAP
    places: dict[tuple[str, int | None], Box] = {}
    for part in model.parts:
        if part.name in SHARED:
            box = Box(WIDTH / 2, ROWS[SHARED[part.name]])
        elif part.stage is None:
            first, last = step + WIDTH / 2, step * model.stages + WIDTH / 2
            box = Box((first + last) / 2, ROWS["branch"], last - first + WIDTH, HEIGHT * 0.72)
        else:
            beside = 0 if part.name in ROWS else 1  # mask IoU: right of its mask head
            x = step * (1 + part.stage + beside) + WIDTH / 2
            box = Box(x, ROWS.get(part.name, ROWS["mask"]))
        places[part.name, part.stage] = box
    return places


def draw(axes: Axes, model: Architecture, title: str, largest: float) -> None:
    """Draw a detector as a diagram.

    Args:
        axes: empty axes in which one unit is one inch.
        model: the detector.
        title: its name, drawn above the boxes.
        largest: number of multiplications at which a part's cost bar is full.
    """
    places = boxes(model)
    left = min(box.x - box.width / 2 for box in places.values())
    right = max(box.x + box.width / 2 for box in places.values())
    low = min(box.y - box.height / 2 for box in places.values())
    top = max(box.y + box.height / 2 for box in places.values())
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(left - 0.02, right + 0.02)
    axes.set_ylim(low - 0.02, top + 0.3)
    total = f"{_millions(model.parameters)} parameters · {model.macs / 1e9:.0f} G multiplications"
    axes.text(left, top + 0.26, title, weight="bold", va="top", fontsize=9)
    axes.text(right, top + 0.26, total, va="top", ha="right", fontsize=8)
    for part in model.parts:
        _box(axes, places[part.name, part.stage], part, largest)
    for edge in model.edges:
        _arrow(axes, places[edge.source], places[edge.target], edge.flow)


def legend(axes: Axes) -> None:
    """Draw a row that explains the arrows."""
    axes.set_axis_off()
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=1.1, label=name)
        for name, colour, dashes in FLOWS.values()
    ]
    axes.legend(handles=handles, ncols=len(handles), loc="center", fontsize=7)


def label(part: Part) -> list[str]:
    """Return the lines in a part's box: name, class, output shapes, parameters and cost."""
    name = TITLES.get(part.name, part.name)
    if part.stage is not None:
        name = f"{part.name[0].upper()}{part.name[1:]} head {part.stage + 1}"
    cost = f"{_millions(part.parameters)} · {part.macs / 1e9:.1f} G"
    return [name, _class(part.type), _shape(part), cost]


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M"


def _class(name: str) -> str:
    """Return a class name without prefixes that only mark a faster computation of the same."""
    for prefix in ("ClassIndexed", "LazyNMS"):
        name = name.removeprefix(prefix)
    return name


def _shape(part: Part) -> str:
    def spelled(shape: tuple[int, ...]) -> str:
        return "×".join(f"{n:,}" for n in shape)

    outputs = part.outputs
    if part.name in ("backbone", "neck"):
        channels = [shape[1] for shape in outputs]
        wide = f"{channels[0]}" if len(set(channels)) == 1 else f"{channels[0]:,}–{channels[-1]:,}"
        return f"{wide} channels"
    if part.name == "RPN":
        return f"{len(outputs) // 2} levels, {outputs[0][1]} anchors"
    if part.name == "mask":
        outputs = outputs[:1]  # the second output is the input of the next mask head
    return " + ".join(spelled(shape) for shape in outputs)


def _box(axes: Axes, box: Box, part: Part, largest: float) -> None:
    left, low = box.x - box.width / 2, box.y - box.height / 2
    face = FACES.get(part.name, "#EEF0F2")
    axes.add_patch(
        FancyBboxPatch(
            (left, low),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=face,
            edgecolor=SOFT,
            linewidth=0.7,
        )
    )
    name, kind, shape, cost = label(part)
    wide = box.width > 2 * WIDTH
    texts = [(name, 8, "bold", INK), (kind, 7, "normal", SOFT), (shape, 7, "normal", INK)]
    texts += [(cost, 7, "normal", INK)]
    if wide:
        texts = [texts[0], (f"{kind}: {shape}", 7, "normal", INK), texts[3]]
    space = (box.height - 0.13) / len(texts)
    for line, (text, size, weight, colour) in enumerate(texts):
        axes.text(
            box.x,
            low + box.height - 0.03 - space * (line + 0.5),
            text,
            ha="center",
            va="center",
            fontsize=size,
            weight=weight,
            color=colour,
        )
    full = box.width - 0.16
    for width, colour in ((full, "#FFFFFF"), (full * part.macs / largest, INK)):
        axes.add_patch(Rectangle((left + 0.08, low + 0.045), width, 0.03, facecolor=colour))


def _arrow(axes: Axes, source: Box, target: Box, flow: str) -> None:
    _, colour, dashes = FLOWS[flow]
    up, down = source.height / 2, target.height / 2
    if source.width > target.width:  # from a branch straight up, beside the arrows between boxes
        x = target.x - target.width * 0.38
        corners = [(x, source.y + up), (x, target.y - down)]
    elif source.x == target.x:
        sign = 1 if target.y > source.y else -1
        corners = [(source.x, source.y + sign * up), (target.x, target.y - sign * down)]
    else:
        start = (source.x + source.width / 2, source.y)
        end = (target.x - target.width / 2, target.y)
        middle = start[0] + GAP / 2
        bend = [(middle, start[1]), (middle, end[1])] if start[1] != end[1] else []
        corners = [start, *bend, end]
    axes.add_patch(
        FancyArrowPatch(
            path=Path(corners),
            arrowstyle="-|>",
            mutation_scale=7,
            linewidth=0.9,
            linestyle=dashes,
            color=colour,
            zorder=0.5 if flow == "context" else 2,  # behind the boxes that it passes
        )
    )
