"""Common style of all figures: width of a two-column paper, 8-point text, colours by method."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seesaw.core.borders import csv_text, drawing
from seesaw.core.files import write_atomic
from seesaw.errors import UserError
from seesaw.spec.figures import OUTPUT

COLUMN, PAGE = 3.27, 6.88  # inches: width of a column and of the page of the CVPR template

# Okabe and Ito's palette, distinguishable with all kinds of colour vision; dashes for grey print.
COLOURS = {"CE": "#4D4D4D", "EQL": "#56B4E9", "BAGS": "#009E73", "Seesaw": "#D55E00"}
DASHES = {"CE": (4, 1.5), "EQL": (1.2, 1.2), "BAGS": (5, 1.2, 1.2, 1.2), "Seesaw": ()}
NAMES = {"CE": "CE", "EQL": "EQL", "BAGS": "BAGS", "Seesaw": "Seesaw"}
# Rare, common, frequent: from light to dark.
GROUPS = {"r": "#E9EDF2", "c": "#C3CCD6", "f": "#93A1B0"}
GROUP_NAMES = {"r": "rare", "c": "common", "f": "frequent"}
INK, SOFT, LINE = "#1C2024", "#60666C", "#C9CED3"


def use() -> None:
    """Apply the style to all figures drawn afterwards, whatever the user's own settings are."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(
        {
            "font.family": "DejaVu Sans",  # comes with matplotlib, so that all machines have it
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "mathtext.fontset": "dejavusans",
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": SOFT,
            "xtick.color": SOFT,
            "ytick.color": SOFT,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "axes.linewidth": 0.6,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "xtick.minor.width": 0.4,
            "ytick.minor.width": 0.4,
            "xtick.major.size": 2.5,
            "ytick.major.size": 2.5,
            "xtick.minor.size": 1.5,
            "ytick.minor.size": 1.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#ECEEF0",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.2,
            "legend.frameon": False,
            "legend.handlelength": 2.2,
            "figure.dpi": 110,
            "savefig.dpi": 220,
            "savefig.facecolor": "white",
            "pdf.fonttype": 42,  # TrueType, because publishers reject Type 3 fonts
            "svg.fonttype": "path",
            "svg.hashsalt": "seesaw",
        }
    )


def band(axes: Axes, groups: list[str]) -> None:
    """Label the groups "r", "c" and "f" of the sorted categories x = 0, 1, ...

    LVIS groups by images and the figures sort by instances, so groups mix at their borders. The
    strip below the axis shades each category by its own group; lines divide the axis by group size.
    """
    axes.set_xlim(-0.5, len(groups) - 0.5)
    strip = axes.inset_axes((0, -0.055, 1, 0.04), transform=axes.transAxes)
    strip.set_axis_off()
    strip.set_xlim(-0.5, len(groups) - 0.5)
    strip.set_ylim(0, 1)
    stop = 0
    for group, run in groupby(groups):
        start, stop = stop, stop + len([*run])
        strip.axvspan(start - 0.5, stop - 0.5, color=GROUPS[group], linewidth=0)
    stop = 0
    for group in dict.fromkeys(groups):
        start, stop = stop, stop + groups.count(group)
        axes.text(
            (start + stop - 1) / 2,
            1.0,
            GROUP_NAMES[group],
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=6.5,
            color=SOFT,
        )
        if start:
            axes.axvline(start - 0.5, color=LINE, linewidth=0.6, zorder=0.5)
    axes.tick_params(axis="x", pad=8, length=0)


def footnote(figure: Figure, text: str) -> None:
    """Write small print below a figure: which scale and which results it shows."""
    low = -0.04 / figure.get_figheight()
    with drawing():  # a data set's name is part of it
        figure.text(1.0, low, text, ha="right", va="top", fontsize=6, color=SOFT)


def save(name: str, figure: Figure, rows: list[dict]) -> None:
    """Write ``<name>.pdf``, ``.svg``, ``.png`` and the data behind the figure as ``.csv``.

    Does nothing when a reader runs the notebook, because only ``seesaw figure`` sets a folder. Each
    row is a line of the CSV; None is an empty cell.

    Raises:
        UserError: two rows differ in their columns.
    """
    if not (folder := os.environ.get(OUTPUT)):
        return
    columns = list(rows[0]) if rows else []
    if odd := next((row for row in rows if list(row) != columns), None):
        raise UserError(f"{name}.csv: a row has the columns {list(odd)}, the first {columns}.")
    # Neither format may contain the time.
    for kind, time in {"pdf": "CreationDate", "svg": "Date"}.items():
        figure.savefig(
            Path(folder, f"{name}.{kind}"),
            bbox_inches="tight",
            pad_inches=0.02,
            metadata={time: None},
        )
    figure.savefig(Path(folder, f"{name}.png"), bbox_inches="tight", pad_inches=0.02)
    text = csv_text([columns, *(row.values() for row in rows)])
    write_atomic(Path(folder, f"{name}.csv"), text)
