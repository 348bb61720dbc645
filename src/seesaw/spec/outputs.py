"""The types of the JSON files that verbs write and other verbs read.

Further keys are allowed: each type names those without which a reader cannot work.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, FiniteFloat, with_config
from typing_extensions import NotRequired, TypedDict

from seesaw.spec.metrics import METRICS

_open = with_config(ConfigDict(extra="allow"))


@_open
class _Metrics(TypedDict):
    """``metrics.json``: AP as fractions by kind; None where the annotations have no such object."""

    segm: dict[str, float | None]
    bbox: dict[str, float | None]
    per_category: NotRequired[dict[str, dict[str, float | None]]]
    standard_errors: NotRequired[dict[str, dict[str, Any]]]


def _scored_whole(content: _Metrics) -> _Metrics:
    for kind, key in METRICS.values():
        value = content[kind].get(key, nan)  # type: ignore[literal-required]
        if value is not None and not isfinite(value):
            raise ValueError(f"{kind} has no {key}")
    return content


Metrics = Annotated[_Metrics, AfterValidator(_scored_whole)]


class Errors(TypedDict):
    """``errors.json``: where AP50 of masks is lost, as fractions (`seesaw.evaluation.errors`).

    ``cost`` and ``number`` are by type, then, as AP50, by group: all, r, c, f. ``called`` has for
    each object of a rare category the category of the best-scored detection on it, or none:
    category id -> category id or "none" -> number of objects.
    """

    AP50: dict[str, float | None]
    cost: dict[str, dict[str, float | None]]
    number: dict[str, dict[str, float | None]]
    called: dict[str, dict[str, int]]


@_open
class Replicates(TypedDict):
    """``replicates.json``; beside these keys it has one list of replicates for each metric."""

    annotations: str
    unit: Annotated[float, Field(gt=0)]
    estimate: dict[str, int | None]


_Rate = Annotated[FiniteFloat, Field(gt=0)]  # images/s
_Size = Annotated[list[int], Field(min_length=2, max_length=2)]  # height, width in px


@_open
class _Timed(TypedDict, total=False):
    fps: dict[str, dict[str, _Rate] | float]  # by evaluation alone in old files
    resolution: _Size
    classes: int


@_open
class _Speed(_Timed, total=False):
    """``speed.json``: images/s by mode and evaluation, and how they were measured."""

    rounds: dict[str, dict[str, list[_Rate]]]
    device: str
    threads: int
    detections_per_image: dict[str, dict[str, FiniteFloat]]


def _timed_whole(content: _Speed) -> _Speed:
    """Require all that the notes need, if there is a measurement of ours: old files have none."""
    if content.get("fps", {}).get("ours", {}) == {}:
        return content
    _need(content, "rounds", "detections_per_image", "device", "threads")
    for modes in (content["rounds"], content["detections_per_image"]):
        _need(modes, "ours")
    _need(content, "fps", "resolution", "classes")
    _need(content["fps"], "ours", "mmdet", "old")
    ours = content["fps"]["ours"]
    for mode in ("ours", "mmdet", "old"):
        _need(content["fps"][mode], *(ours if isinstance(ours, dict) else ()))
    return content


def _need(content: Any, *names: str) -> None:
    if not isinstance(content, Mapping):
        raise ValueError(f"it has {content} in place of rates")
    if lost := next((name for name in names if not content.get(name)), None):
        raise ValueError(f"it lacks {lost}")


Speed = Annotated[_Speed, AfterValidator(_timed_whole)]


@_open
class _Gradients(TypedDict):
    """``gradients.json``: cumulative gradients in the order of the categories' ids."""

    categories: list[int]
    positive: list[float]
    negative_foreground: list[float]
    negative_background: list[float]


def _aligned(content: _Gradients) -> _Gradients:
    fields = ("categories", "positive", "negative_foreground", "negative_background")
    if len({len(content[name]) for name in fields}) > 1:  # type: ignore[literal-required]
        raise ValueError("its lists differ in length")
    return content


Gradients = Annotated[_Gradients, AfterValidator(_aligned)]


@_open
class CategoryCount(TypedDict):
    """The training images and instances of a category."""

    id: int
    image_count: NotRequired[int]
    instance_count: NotRequired[int]
    name: NotRequired[str]
    frequency: NotRequired[str]


@_open
class Counts(TypedDict):
    """``category_counts.json``."""

    annotated_images: NotRequired[int]
    categories: list[CategoryCount]


@_open
class HashedFiles(TypedDict):
    """The size and hash of an annotation file, or of all images of a split."""

    bytes: int
    sha256: str
    file: NotRequired[str]
    count: NotRequired[int]


@_open
class Split(TypedDict):
    """A split of a dataset."""

    annotations: HashedFiles
    images: HashedFiles


@_open
class Manifest(TypedDict):
    """``manifest.json`` of a dataset."""

    categories: int
    hash: str
    splits: dict[str, Split]


@_open
class _Submitted(TypedDict):
    """What became of the package with this hash; the AP, if there is one, is in percent."""

    kind: str
    AP: float | None
    sha256: str
    time: NotRequired[str]


def _scored(entry: _Submitted) -> _Submitted:
    lacks = entry["AP"] is None or (entry["kind"] == "server" and "time" not in entry)
    if entry["kind"] in ("server", "graded") and lacks:
        raise ValueError(f"an entry {entry['kind']!r} has an AP, and a server's its time")
    return entry


Submitted = Annotated[_Submitted, AfterValidator(_scored)]


@_open
class Receipt(TypedDict):
    """The receipt beside a package."""

    package: HashedFiles
    records: list[Submitted]
