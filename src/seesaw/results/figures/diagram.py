"""Figure A3: cascade detectors drawn for one column of a paper, from the models that are built.

As in HTC's own figures, stages run from left to right. The pyramid's features enter every head from
below, boxes flow along the row of box heads and up to mask heads, and mask features flow along the
row of mask heads. What a branch adds to the pooled features arrives on a rail, with a + for each
head.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from seesaw.models.architecture import Architecture, Edge
from seesaw.models.meta import Key, Part
from seesaw.results.figures.style import COLUMN, INK, SOFT

SMALL = 6.2  # points, the smallest print
WIDTH, STEP = 0.62, 0.86  # of a head, and from one stage to the next; in inches
ROWS = {"backbone": 0.0, "neck": 0.36, "branch": 0.86, "box": 1.56, "mask": 2.24}  # centres
RAIL = 1.2  # height at which branches add to the features
ASIDE = 0.17  # mask heads stand this far to the right of their box heads
FACES = {
    "box": "#DCE9F5",
    "mask": "#FBE3D3",
    "context": "#D8EFE5",
    "semantic": "#F3E3EE",
    "mask IoU": "#FBF1CF",
}
FLOWS: dict[str, tuple[str, str, Any]] = {
    "features": ("image features", SOFT, "-"),
    "boxes": ("boxes", INK, "-"),
    "masks": ("mask features", "#D55E00", "-"),
    "context": ("added to pooled features", "#009E73", (0, (3, 1.2))),
}
TITLES = {"context": "Global\ncontext", "semantic": "Semantic\nbranch"}


class Box(NamedTuple):
    """The position of a part: centre and size in inches."""

    x: float
    y: float
    width: float = WIDTH
    height: float = 0.42


def boxes(model: Architecture) -> dict[Key, Box]:
    """Return the position of each part of the model."""
    places: dict[Key, Box] = {}
    wide = STEP * model.stages + WIDTH + ASIDE
    for part in model.parts:
        key = part.name, part.stage
        if part.name in ("backbone", "neck"):
            places[key] = Box(wide / 2, ROWS[part.name], wide, 0.2)
        elif part.name == "RPN":
            places[key] = Box(WIDTH / 2, ROWS["box"])
        elif part.stage is None:  # right of the features' way to the RPN
            places[key] = Box(WIDTH / 2 + 0.1, ROWS["branch"], height=0.5)
        else:
            x = STEP * (1 + part.stage) + WIDTH / 2
            aside = {"box": 0.0, "mask": ASIDE}.get(part.name, ASIDE + STEP)
            places[key] = Box(x + aside, ROWS.get(part.name, ROWS["mask"]))
    return places


def compare(figure: Figure, models: dict[str, Architecture]) -> None:
    """Draw detectors below each other, with a legend and the sizes that the costs refer to.

    ``models``: title -> detector. The figure gets its size here.
    """
    first = next(iter(models.values()))
    largest = max(part.macs for model in models.values() for part in model.parts)
    figure.set_size_inches(COLUMN - 0.04, 2.76 * len(models) + 0.58)
    axes = figure.subplots(
        len(models) + 1, 1, height_ratios=[2.76] * len(models) + [0.58], squeeze=False
    )[:, 0]
    figure.subplots_adjust(0, 0, 1, 1, hspace=0)
    for ax, (name, model) in zip(axes[:-1], models.items(), strict=True):
        draw(ax, model, name, largest)
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=1.1, label=name)
        for name, colour, dashes in FLOWS.values()
    ]
    axes[-1].set_axis_off()
    axes[-1].legend(handles=handles, ncols=2, loc="upper center", fontsize=7, borderpad=0)
    note = (
        f"paper scale · M parameters, G multiplications (bar: of {largest / 1e9:.0f} G)\n"
        f"for {first.image[1]:,} × {first.image[0]} pixels, {first.proposals:,} proposals and "
        f"{first.detections} detections"
    )
    axes[-1].text(0.5, 0, note, ha="center", va="bottom", fontsize=SMALL, color=SOFT)


def draw(axes: Axes, model: Architecture, title: str, largest: float) -> None:
    """Draw a detector as a diagram.

    One unit of the axes is one inch; a part's cost bar is full at ``largest`` multiplications.
    """
    places = boxes(model)
    right = max(box.x + box.width / 2 for box in places.values())
    top = max(box.y + box.height / 2 for box in places.values())
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-0.02, right + 0.02)
    axes.set_ylim(-0.12, top + 0.28)
    total = f"{_millions(model.parameters)} parameters, {model.macs / 1e9:.0f} G multiplications"
    axes.text(0, top + 0.22, title, weight="bold", va="top", fontsize=8)
    axes.text(right, top + 0.22, total, va="top", ha="right", fontsize=7)
    for part in model.parts:
        _box(axes, places[part.name, part.stage], part, largest)
    for edge in model.edges:
        if edge.flow != "context":
            _arrow(axes, places, edge)
    _rail(axes, places, [edge for edge in model.edges if edge.flow == "context"])


def label(part: Part) -> list[str]:
    """Return the lines in a part's box: its name, its parameters and its multiplications."""
    cost = [_millions(part.parameters), f"{part.macs / 1e9:.1f} G"]
    if part.name in ("backbone", "neck"):
        channels = [shape[1] for shape in part.outputs]
        spelled = "–".join(f"{c:,}" for c in dict.fromkeys([channels[0], channels[-1]]))
        name = f"{part.name.title()} ({part.type}), {spelled} channels"
        return [f"{name}: {', '.join(cost)}"]
    name = TITLES.get(part.name, part.name)
    if part.stage is not None:
        name = f"{part.name[0].upper()}{part.name[1:]} {part.stage + 1}"
    return [*name.split("\n"), *cost]


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M"


def _box(axes: Axes, box: Box, part: Part, largest: float) -> None:
    left, low = box.x - box.width / 2, box.y - box.height / 2
    axes.add_patch(
        FancyBboxPatch(
            (left, low),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.04",
            facecolor=FACES.get(part.name, "#EEF0F2"),
            edgecolor=SOFT,
            linewidth=0.6,
        )
    )
    lines, names = label(part), 1 + TITLES.get(part.name, "").count("\n")
    space = (box.height - 0.065) / len(lines)
    for line, text in enumerate(lines):
        axes.text(
            box.x,
            low + box.height - 0.015 - space * (line + 0.5),
            text,
            ha="center",
            va="center",
            fontsize=SMALL,
            weight="bold" if line < names and len(lines) > 1 else "normal",
        )
    full = box.width - 0.08
    for width, colour in ((full, "#FFFFFF"), (full * part.macs / largest, INK)):
        axes.add_patch(Rectangle((left + 0.04, low + 0.02), width, 0.022, facecolor=colour))


def _lane(key: Key, box: Box) -> float:
    """Return where features enter a part from below: mask heads beside the box head below them."""
    if key[0] == "mask":
        return box.x + box.width / 2 - 0.06
    return 0.045 if key[0] == "RPN" else box.x


def _arrow(axes: Axes, places: dict[Key, Box], edge: Edge) -> None:
    source, target = places[edge.source], places[edge.target]
    if source.y == target.y:
        corners = [
            (source.x + source.width / 2, source.y),
            (target.x - target.width / 2, target.y),
        ]
    else:
        start, end = source.y + source.height / 2, target.y - target.height / 2
        if edge.flow == "features":
            x = _lane(edge.target, target)
            corners = [(x, start), (x, end)]
        else:  # boxes rise to a mask head, which is not always that of their stage
            x, middle = target.x - ASIDE, (start + end) / 2
            bend = [(source.x, middle), (x, middle)] if x != source.x else []
            corners = [(source.x, start), *bend, (x, end)]
    _, colour, dashes = FLOWS[edge.flow]
    if edge.flow == "features" and edge.target[0] == "mask":  # a bridge over the row of boxes
        row = ROWS["box"]
        axes.plot([x, x], [row - 0.1, row + 0.1], color="white", linewidth=3, zorder=2.5)
    axes.add_patch(
        FancyArrowPatch(
            path=Path(corners),
            arrowstyle="-|>",
            mutation_scale=5.5,
            linewidth=0.8,
            linestyle=dashes,
            color=colour,
            shrinkA=0,
            shrinkB=0,
            zorder=3 if edge.flow == "features" else 2,
        )
    )


def _rail(axes: Axes, places: dict[Key, Box], edges: list[Edge]) -> None:
    """Draw what a branch adds: out of it, up to the rail, and along the rail to each head's +."""
    if not edges:
        return
    _, colour, dashes = FLOWS["context"]
    source = places[edges[0].source]
    lanes = [_lane(edge.target, places[edge.target]) for edge in edges]
    x, start = source.x, source.y + source.height / 2
    path = [(x, start), (x, RAIL), (max(lanes), RAIL)]
    axes.plot(*zip(*path, strict=True), color=colour, linestyle=dashes, linewidth=1, zorder=2.8)
    for lane in lanes:
        axes.plot(
            [lane],
            [RAIL],
            marker="o",
            markersize=6,
            markerfacecolor="white",
            markeredgecolor=colour,
            markeredgewidth=0.8,
            zorder=4,
        )
        axes.plot(
            [lane], [RAIL], marker="+", markersize=4, color=colour, markeredgewidth=0.8, zorder=5
        )
