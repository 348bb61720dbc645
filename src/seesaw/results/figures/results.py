"""Access of figure notebooks to results: live ones or, in a clone without any, committed ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seesaw.core import hashing
from seesaw.core.files import sha256_file
from seesaw.core.integrity import corrupted, read_output
from seesaw.core.records import failure_path
from seesaw.errors import UserError
from seesaw.spec import figures
from seesaw.spec.outputs import Counts, Errors, Gradients, Metrics
from seesaw.spec.scales import Scale, snakemake_command

KINDS: dict[str, Any] = {"metrics.json": Metrics, "gradients.json": Gradients}
KINDS |= {"errors.json": Errors, "category_counts.json": Counts}
# Two figures compare two trainings, whose labels give the colours.
COMPARING = ("figure_a1", "error_analysis")
LOSSES = ("Cross-Entropy Loss", "Seesaw Loss")


@dataclass(frozen=True)
class Category:
    """A category of the training set."""

    id: int  # category id in the annotations
    name: str
    group: str  # "r", "c" or "f", by LVIS's rule
    instances: int  # number of annotated instances in the training set


def categories(counts: dict) -> list[Category]:
    """Return the categories in the content of ``category_counts.json``."""
    rows = counts.get("categories", ())
    return [Category(c["id"], c["name"], c["frequency"], c["instance_count"]) for c in rows]


class Results:
    """The results that one figure shows at one scale.

    Live and committed results are never mixed: if any live result exists, no committed one is used.
    ``dataset`` is a name or a folder; by default it is that of the scale.

    Attributes:
        files: name -> path, for the results that exist.
        names: name -> path relative to the folder of live or committed results, for all results.
        shown: names of the results that the figure is about, computed or not.

    Raises:
        UserError: none of the results that the figure shows exists, or a label does not fit it.
    """

    def __init__(self, figure: str, scale: str = "mini", dataset: str | None = None):
        self.figure, self.scale = figure, Scale(scale, dataset)
        self.table = self.scale.table
        labels = [cell.label for cell in self.table.place_cells(figure)]
        odd = [label for label in labels if label not in LOSSES or labels.count(label) > 1]
        if odd and figure in COMPARING:
            raise UserError(
                f"{self.table.path}: {figure} has the label {odd[0]!r}, but it compares one cell "
                f"{LOSSES[0]!r} with one {LOSSES[1]!r}; correct its cells."
            )
        live = figures.files(figure, self.scale)
        committed = {name: figures.frozen(path, self.scale) for name, path in live.items()}
        self.shown = figures.results(figure, self.scale).keys() or live.keys()
        below = self.scale.reference  # the same for live and committed results
        self.names = {n: path.relative_to(below).as_posix() for n, path in committed.items()}
        only = os.environ.get(figures.COMMITTED)
        for place in (committed,) if only else (live, committed):
            self.files = {name: path for name, path in place.items() if path.is_file()}
            if self.shown & self.files.keys():
                return
        command = snakemake_command(self.scale, figure)
        first = next(live[name] for name in self.shown)
        raise UserError(f"{first} is missing, and {figure} shows it; run `{command}`.")

    def read(self, name: str) -> dict | None:
        """Return the content of the named result; None if it has not been computed.

        Raises:
            UserError: the file is damaged.
        """
        if name not in self.files:
            return None
        path = self.files[name]
        return read_output(path, KINDS[path.name])

    def of(self, evaluation: str) -> list[dict]:
        """Return the computed results of an evaluation, one for each seed."""
        seeds = [f"{evaluation}/seed{seed}" for seed in self.table.seeds(evaluation)]
        return [found for name in seeds if (found := self.read(name)) is not None]

    def state(self, evaluation: str) -> str:
        """Return why an evaluation is not shown, in the tables' words; "" if it is shown."""
        if not self.table.built(evaluation):
            return "not built"
        seeds = self.table.seeds(evaluation)
        chain = [made for seed in seeds for made in self._chain(evaluation, seed)]
        if any(failure_path(made).exists() for made in chain) or corrupted(chain):
            return "failed"
        return "" if len(self.of(evaluation)) == len(seeds) else "not run"

    def _chain(self, evaluation: str, seed: int) -> list[Path]:
        """Return the files from which a result was made, and the result itself."""
        row, name = self.table.evaluations[evaluation], f"{evaluation}/seed{seed}"
        made = [self.scale.model(row.training, seed)]
        made += [self.scale.detections(row, seed)] if self.figure != "figure_a1" else []
        live = figures.results(self.figure, self.scale)[name]
        return [*made, live, self.files.get(name, live)]

    @cached_property
    def categories(self) -> list[Category]:
        """Return the categories by descending number of training instances, ties by id.

        Raises:
            UserError: the category counts are missing, or lack a name, group or number.
        """
        content = self.read("category_counts")
        path, again = self.scale.entry.category_counts, f"run `{self.scale.data_command}`"
        if content is None:
            raise UserError(f"{path} is missing; {again}.")
        try:
            return sorted(categories(content), key=lambda c: (-c.instances, c.id))
        except KeyError as error:
            path = self.files["category_counts"]
            raise UserError(f"{path} has a category without {error}; {again} again.") from None

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Return name -> first 16 hex digits of the file's sha256."""
        return {name: sha256_file(path)[:16] for name, path in self.files.items()}

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits of a hash over the content of all files."""
        return hashing.fingerprint(**self.hashes)

    @property
    def caption(self) -> str:
        """Return a line that names the scale and the kind of results."""
        text = f"{self.scale.full_name} scale, results {self.fingerprint}"
        lacking = len(self.shown - self.files.keys())
        return f"{text} · not run: {lacking} of {len(self.shown)}" if lacking else text

    def markdown(self) -> str:
        """Return a Markdown table of the shown results with the first digits of their sha256."""
        rows = [
            [f"`{path}`", f"`{self.hashes[name]}`" if name in self.files else "*not run*"]
            for name, path in self.names.items()
        ]
        return table(["result", "sha256"], rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; columns of numbers, except the first, are right-aligned."""
    numeric = [all(r[i].strip(" *+-–.,%0123456789e") == "" for r in rows) for i in range(len(head))]
    lines = [head, ["---:" if n else ":---" for n in numeric], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
