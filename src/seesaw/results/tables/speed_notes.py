"""The notes below Table A2, from the content of speed.json about its column fps."""

from __future__ import annotations

import datetime

from pydantic import BaseModel, Field, model_validator

from seesaw.core import paths
from seesaw.core.yaml import read_model

PAPER = "The paper: 0.1, 0.1 and 2.8 fps (one V100), with three mask heads, three and one."
MODES = ("ours", "mmdet", "old")


class _Mode(BaseModel):
    fps: float = Field(gt=0)


class _Row(BaseModel):
    """The measurements of one framework, or why it failed."""

    failed: str | None = None
    ours: _Mode | None = None
    mmdet: _Mode | None = None
    old: _Mode | None = None

    @model_validator(mode="after")
    def _whole(self) -> _Row:
        if self.failed is None and None in (self.ours, self.mmdet, self.old):
            raise ValueError(f"a row has {', '.join(MODES)}, or failed")
        return self


class _File(BaseModel):
    """What a note says about measurements on a GPU; somebody may have edited the file."""

    device: str
    date: str | datetime.date
    memory_gigabytes: float | None = None
    fps: dict[str, _Row] | None = None


def speed_note(measured: dict, labels: dict[str, str], scale: str) -> str:
    """Return a note on what was measured, on which machine, and in which mode.

    ``measured`` is the content of speed.json; ``labels``: evaluation id -> label of its row.
    """
    height, width = measured["resolution"]
    found = sorted(map(round, measured["detections_per_image"]["ours"].values()))
    many = " to ".join(map(str, dict.fromkeys([found[0], found[-1]])))
    rounds = len(next(iter(measured["rounds"]["ours"].values())))
    return (
        f"fps ({scale} scale, {width} x {height} px, {measured['classes']} classes, "
        f"{many} detections an image, {measured['device']}, "
        f"{_count(measured['threads'], 'thread')}, median of {rounds} rounds), "
        f"ours / as mmdet 3 ships / the old way (mmdet 1 and 2, which average the masks of all "
        f"classes on the host if there are several mask heads): {_modes(measured['fps'], labels)}. "
        "What a GPU did at the paper's size is in docs/gpu.md."
    )


def gpu_notes(labels: dict[str, str]) -> list[str]:
    """Return a note for each GPU on which a table's rows were timed at the paper's size.

    ``labels``: evaluation id -> label of its row.

    Raises:
        UserError: a file of the paper scale is damaged; the message names file, key and fix.
    """
    notes = []
    for path in paths.gpu_measurements():
        found = read_model(path, _File)
        timed = {n: row for n, row in (found.fps or {}).items() if n in labels}
        measured = {n: row for n, row in timed.items() if row.failed is None}
        if found.memory_gigabytes and measured:
            fps = {
                mode: {name: getattr(row, mode).fps for name, row in measured.items()}
                for mode in MODES
            }
            notes.append(
                f"fps at the paper's size on one {found.device} ({found.date}, random "
                f"weights), ours / as mmdet 3 ships / the old way: {_modes(fps, labels)}. {PAPER}"
            )
    return notes or [
        "fps at the paper's size was not measured on any GPU (`seesaw preflight --scale paper "
        f"--measure fps`). {PAPER}"
    ]


def _modes(fps: dict[str, dict[str, float]], labels: dict[str, str]) -> str:
    """Return ``label ours / mmdet / old`` for every row that was measured."""
    return "; ".join(
        f"{label} {' / '.join(_number(fps[mode][name]) for mode in MODES)}"
        for name, label in labels.items()
        if name in fps["ours"]
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
