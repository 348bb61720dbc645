"""Follows the records beside the files from an artefact to everything it was made from."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from seesaw.core import paths
from seesaw.core.files import sha256_file
from seesaw.core.records import changed_inputs, provenance_path, record_of
from seesaw.spec.claims import kept_runs
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.workflow import jobs

State = Literal["as recorded", "corrupt", "missing", "no record", "damaged record"]
RECORD = ".provenance.json"
# Inputs that git stores: the fingerprints cover what matters in them, so their bytes may differ.
SOURCES = (".py", ".yaml")


class Input(NamedTuple):
    """A file from which an artefact was made, and its hash at that time."""

    name: str
    path: Path
    sha256: str


@dataclass
class Evidence:
    """The files and records of a scale; each file is hashed at most once."""

    # the scale with live or committed (`Scale.frozen`) results; the latter lack big files
    scale: Scale
    _hashes: dict[Path, str | None] = field(default_factory=dict)

    @cached_property
    def _tracked(self) -> set[Path]:
        """The committed results and figures that git has; none outside of a clone."""
        command = ["git", "ls-files", "-z", "--", "reference", paths.NOTEBOOKS.name]
        try:
            done = subprocess.run(command, cwd=paths.ROOT, capture_output=True)
        except OSError:  # git is not installed
            return set()
        return {paths.ROOT / name for name in os.fsdecode(done.stdout).split("\0") if name}

    @cached_property
    def outputs(self) -> set[Path]:
        """The outputs of all rules except `table`; none if these are the committed results.

        A table's content is checked by building it again.
        """
        made = {} if self.committed else jobs.workflow(self.scale).paper
        return {path for job in made.values() if job.rule != "table" for path in job.outputs}

    @property
    def committed(self) -> bool:
        """Whether these are the committed results."""
        return self.scale.results != self._live

    @property
    def _live(self) -> Path:
        return paths.ROOT / "results" / self.scale.full_name

    def sha256(self, path: Path) -> str | None:
        """Return a file's hash; None if the file does not exist."""
        if path not in self._hashes:
            self._hashes[path] = sha256_file(path) if path.is_file() else None
        return self._hashes[path]

    def record(self, path: Path) -> dict | None:
        """Return a file's record; None if it is missing or damaged."""
        record = record_of(path)
        return record if record and record.get("artefact") else None

    def state(self, path: Path) -> State:
        """Return whether a file is still as its record states."""
        record = self.record(path)
        if record is None:
            there = provenance_path(path).is_file()
            return "damaged record" if there else "no record" if path.is_file() else "missing"
        found = self.sha256(path)
        if found is None:
            return "missing"
        return "as recorded" if found == record["artefact"]["sha256"] else "corrupt"

    def inputs(self, path: Path) -> list[Input]:
        """Return the files from which a file was made, by its record."""
        used = (self.record(path) or {}).get("inputs") or {}
        return [
            Input(name, self._here(file["path"], path), file["sha256"])
            for name, file in used.items()
        ]

    def other_versions(self, path: Path) -> list[Input]:
        """Return the inputs that have changed since the file was made from them."""
        used = {one.name: one for one in self.inputs(path)}
        now = {name: self._now(one.path) for name, one in used.items()}
        return [used[name] for name in changed_inputs(self.record(path) or {}, now)]

    def chain(self, path: Path) -> Iterator[Path]:
        """Yield a file and everything it was made from, each once, the nearest first."""
        todo, seen = [path], set()
        while todo:
            if (now := todo.pop(0)) in seen:
                continue
            seen.add(now)
            yield now
            todo += [used.path for used in self.inputs(now)]

    def repair(self, path: Path) -> str:
        """Return the command that makes a file again, or deletes what no rule makes."""
        scale = self.scale
        if "partial" in (path.parent.name, path.stem):  # it shows what there was
            return f"rm -f {shlex.quote(str(path))}*"
        if self.committed and path in self._tracked:
            return f"git checkout -- {shlex.quote(str(path))}"
        if self.committed and path.is_relative_to(scale.results):
            of_claims = path.is_relative_to(self._runs)
            if path.is_file() and not of_claims:  # frozen, but not committed yet
                return scale.freeze_command
            runs = self._runs if of_claims else scale.results  # large, so git has no copy
            live = self._live / path.relative_to(runs)
            return f"{snakemake_command(scale, str(live))}  (not in git)"
        if path.is_relative_to(scale.entry.root):
            return f"seesaw data {scale.options}"
        return f"rm -f {shlex.quote(str(path))} && {snakemake_command(scale, str(path))}"

    def _now(self, path: Path) -> str | None:
        """Return a file's current hash, by its record if it has one; None for files in git."""
        if record := self.record(path):
            return record["artefact"]["sha256"]
        return None if path.suffix in SOURCES else self.sha256(path)

    @property
    def _runs(self) -> Path:
        """The folder of the committed runs that only claims use."""
        return kept_runs(self.scale.results)

    def _here(self, text: str, made: Path) -> Path:
        """Translate the path of an input of ``made`` to this checkout, or to committed results."""
        path = Path(text)
        live = Path("results") / self.scale.full_name
        parts = path.as_posix().partition(f"{live.as_posix()}/")
        if parts[1]:
            kept = self._runs / parts[2]
            there = kept.is_file() or provenance_path(kept).is_file()
            # A claim also uses runs of the tables, which lie among the other results.
            of_claims = there and made.is_relative_to(self._runs.parent)
            return kept if of_claims else self.scale.results / parts[2]
        return path if path.is_absolute() or path.exists() else paths.ROOT / path
