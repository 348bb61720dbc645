"""Example detections on tail categories, selected by a rule that shows losses as well as gains."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from PIL import Image
from pydantic import Field

from seesaw.core.integrity import read_output, refuse
from seesaw.core.yaml import Strict
from seesaw.errors import UserError
from seesaw.results.comparison import categories, pictures
from seesaw.results.comparison.categories import Category, Comparison
from seesaw.spec.experiments import Experiments
from seesaw.spec.scales import Scale

# Candidate pairs (cross-entropy, Seesaw); the first pair that a scale has is shown.
PAIRS = (
    ("a09_stronger_backbone", "a10_seesaw"),
    ("mask_rcnn_random_ce", "mask_rcnn_random_seesaw"),
)
TOP = 2
QUALITY = 80  # of the pictures in the reference: a tenth of the bytes, and labels stay readable
RULE = (
    f"the {TOP} rare categories whose mask AP rises most from cross-entropy to Seesaw Loss, and "
    f"the {TOP} where it falls most; of each, the {pictures.ROWS} validation images in which the "
    "better of the two finds most objects that the other misses. Objects keep their colour; of a "
    "category as many detections are shown as it has objects."
)


@dataclass(frozen=True)
class Examples:
    """Pictures by caption, or a sentence that says why there are none."""

    pair: tuple[str, str] | None = None
    pictures: list[tuple[str, bytes]] = field(default_factory=list)
    note: str = ""
    read: list[Path] = field(default_factory=list)


class Kept(Strict):
    """The index of the pictures in the reference: each one's caption and the name of its file."""

    pair: tuple[str, str]
    note: str
    pictures: list[tuple[str, Annotated[str, Field(pattern=r"^\d+\.webp$")]]]


def pair_of(table: Experiments) -> tuple[str, str] | None:
    """Return the two evaluations that are compared, or None if the scale has none of the pairs."""
    return next((p for p in PAIRS if table.evaluations.keys() >= set(p)), None)


def within(comparison: Comparison, group: str) -> Comparison:
    """Return the comparison restricted to the categories of a frequency group."""
    return replace(comparison, categories=[c for c in comparison.categories if c.group == group])


def examples(scale: Scale, top: int = TOP, least: float = 0.0, group: str = "r") -> Examples:
    """Return the pictures of the scale's pair of evaluations, for the first seed.

    ``top`` and ``least`` are those of `pictures.draw`; ``group`` is a frequency group.
    """
    if (pair := pair_of(scale.table)) is None:
        return Examples(note="This scale has no pair of them.")
    a, b = (scale.table.evaluations[name] for name in pair)
    try:
        found = within(categories.compare(a, b, scale, errors=False), group)
        with TemporaryDirectory() as folder:
            made, missing = pictures.draw(found, top, scale, Path(folder), least)
            shown = [(_caption(c), path.read_bytes()) for path, c in made.items()]
    except UserError as error:
        return Examples(pair, note=f"Not computed: {error}")
    chosen = [c for c in found.largest(top) if c.examples]
    note = missing or _summary(found, chosen)
    seed = found.seeds[0]
    read = [path(e, seed) for e in (a, b) for path in (scale.detections, scale.matches)]
    return Examples(pair, shown, note, [path for path in read if path.is_file()])


def index(scale: Scale) -> Path:
    """Return the path of the index of a reference's pictures, which lie beside it."""
    return scale.results / "examples" / "examples.json"


def small(shown: Examples) -> dict[str, bytes]:
    """Return the files that the reference keeps of the examples: name -> content.

    The pictures are WebP, and their index is the last file. Without any picture there is no file.
    """
    if shown.pair is None or not shown.pictures:
        return {}
    files = {}
    for number, (_, picture) in enumerate(shown.pictures, start=1):
        made = BytesIO()
        with Image.open(BytesIO(picture)) as image:
            image.convert("RGB").save(made, "WEBP", quality=QUALITY, method=6)
        files[f"{number}.webp"] = made.getvalue()
    captions = [caption for caption, _ in shown.pictures]
    pictures = list(zip(captions, files, strict=True))
    content = Kept(pair=shown.pair, note=shown.note, pictures=pictures).model_dump()
    return files | {"examples.json": (json.dumps(content, indent=1) + "\n").encode()}


def kept(scale: Scale) -> Examples:
    """Return the examples in the reference; none, if it was made without them.

    Raises:
        UserError: one of their files is missing or damaged.
    """
    if not (listed := index(scale)).is_file():
        return Examples()
    found: Kept = read_output(listed, Kept)
    files = [listed.with_name(name) for _, name in found.pictures]
    refuse(files)
    if gone := [path for path in files if not path.is_file()]:
        raise UserError(f"{gone[0]}, which {listed} names, is missing; restore it from git.")
    shown = [(c, path.read_bytes()) for (c, _), path in zip(found.pictures, files, strict=True)]
    return Examples(found.pair, shown, found.note, [listed, *files])


def _caption(c: Category) -> str:
    objects = f"{c.objects} object{'' if c.objects == 1 else 's'}"
    images = f"{c.images} validation image{'' if c.images == 1 else 's'}"
    return f"{c.shown}: AP {c.a:.1f} to {c.b:.1f} ({objects} in {images})"


def _summary(found: Comparison, chosen: list[Category]) -> str:
    if not found.categories:
        return "No rare category has an object in the validation images."
    rose, fell = (sum(sign * c.change.value > 0 for c in found.categories) for sign in (1, -1))
    summary = f"Of {len(found.categories)} rare categories {rose} rose and {fell} fell."
    return summary if chosen else f"{summary} No object is found by one alone: nothing to show."
