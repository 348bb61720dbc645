"""Reference results: the committed small files of a finished scale, for comparison with reruns.

``reference/<scale>/`` has the layout of ``results/<scale>/``, without weights and detections, and
without anything that differs between reruns except speed and processors. For the report it has the
losses of each training, and pictures of the example detections. ``claims/runs/`` has this layout,
too: it holds the runs that only claims use.
"""

from __future__ import annotations

import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seesaw.core import attempts, paths
from seesaw.core.files import write_atomic
from seesaw.core.integrity import read_output
from seesaw.core.records import failure_path, record_of
from seesaw.errors import UserError
from seesaw.evaluation.submission import receipt
from seesaw.results import metafile
from seesaw.results.claims import page
from seesaw.results.claims.runs import Results
from seesaw.results.tables.collect import collect, means
from seesaw.results.tables.recorded import write_recorded
from seesaw.results.tables.render import FORMATS, differing
from seesaw.spec import claims as claim_table
from seesaw.spec.outputs import Metrics
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.workflow import dependencies, jobs, metadata
from seesaw.workflow import reference_files as kept
from seesaw.workflow.jobs import Job

# Rules whose outputs lie elsewhere, or are drawn again.
ELSEWHERE = ("download", "data", "figure", "report")
LARGEST = 1_000_000
WHOLE = 8_000_000


def freeze(scale: Scale) -> Path:
    """Copy the small results of a scale to ``reference/<scale>/``, all or none.

    Runs that only claims use are kept if the reference has them of the present code and configs.

    Raises:
        UserError: a job failed, or a file is outdated, not made by the workflow, or too large.
    """
    trained, known = scale.table.trainings, dependencies.cached(scale)
    made = _finished(scale)
    made = [job for job in made if not job.training or job.seed in trained[job.training].seeds]
    if not any(job.rule == "evaluate" for job in made):
        raise UserError(
            f"{scale.results} holds no metrics of the tables; run the workflow first, or add the "
            f"claims' runs alone: `{scale.freeze_command} --claims`."
        )
    with _renewed(scale.reference) as new:
        frozen = scale.frozen(new)
        _copy(made, scale, new)
        kept.keep_losses(made, scale, new, known)
        kept.keep_examples(scale, new, known["report"])
        _copy_claims(scale, new)
        _say_lost(scale, new)
        _summarise(made, scale, new)
        tables = [job.name for job in made if job.rule == "table"]
        for place in tables:
            table = collect(place, frozen)
            if odd := differing(table, scale.tables):
                fault = "is not what the metrics give; run the workflow again first"
                raise UserError(f"{odd[0]} {fault}.")
            for suffix, render in FORMATS.items():
                write_atomic(frozen.tables / f"{place}.{suffix}", render(table))
        metadata.write(made, new / metadata.NAME)
    return scale.reference


def freeze_claims(scale: Scale) -> Path:
    """Add to the reference the runs of claims that are here, and what the claims give then.

    Its tables are written anew from their metrics, as paper values or verdicts may have changed.

    Raises:
        UserError: the scale tests no claim, there is no reference, or as in `freeze`.
    """
    if claim_table.of(scale) is None:
        raise UserError(claim_table.elsewhere(scale))
    places = frozen_places(scale)
    _finished(scale)
    with _renewed(scale.reference) as new:
        shutil.copytree(scale.reference, new, ignore=shutil.ignore_patterns("claims"))
        _copy_claims(scale, new)
        _say_lost(scale, new)
    frozen = scale.frozen()
    for place in places:
        for path in write_recorded(collect(place, frozen), frozen).values():
            kept.copy_record(path, path)
    return scale.reference


def rebuilt(scale: Scale) -> dict[str, list[str]]:
    """Return table -> formats whose committed file differs from the one the metrics give."""
    frozen, found = scale.frozen(), {}
    for place in frozen_places(scale):
        other = differing(collect(place, frozen), frozen.tables)
        found[place] = [path.suffix[1:] for path in other]
    return found


def frozen_tables(scale: Scale) -> list[Path]:
    """Return the tables of the reference, as their CSV files.

    Raises:
        UserError: there is no reference at this scale.
    """
    tables = sorted((scale.reference / "tables").glob("*.csv"))
    if not tables:
        raise UserError(
            f"{scale.reference} holds no tables; make one with `{scale.freeze_command}`."
        )
    return tables


def frozen_places(scale: Scale) -> list[str]:
    """Return the names of the reference's tables.

    Raises:
        UserError: there is no reference at this scale, or the experiment table lacks one of them.
    """
    tables = frozen_tables(scale)
    if gone := [path for path in tables if path.stem not in scale.table.places]:
        raise UserError(
            f"{gone[0]} is of a table that {scale.table.path} does not have; put it back under "
            f"places, or make the reference again with `{scale.freeze_command}`."
        )
    return [path.stem for path in tables]


def _finished(scale: Scale) -> list[Job]:
    """Return the jobs whose outputs exist; raises an error if one of them is not up to date.

    Claims are left out: they are measured again, also on runs that are in the reference alone.
    """
    graph = jobs.workflow(scale)
    made = [job for job in graph.paper.values() if job.rule != "claims" and _made(job)]
    done = jobs.finished(graph.paper, dependencies.cached(scale))
    if stale := [job.id for job in made if job.id not in done]:
        # Snakemake does not miss weights that were removed after their metrics were made.
        first = next(job for i, job in graph.needed(stale[:1]).items() if i not in done)
        again = snakemake_command(scale, str(first.outputs[0]))
        raise UserError(
            f"{first.id} is missing or not up to date; run `{again}`, then the workflow, and "
            "freeze again."
        )
    return made


def _made(job: Job) -> bool:
    """Whether a job's outputs exist; raises an error for a failed job instead of ignoring it."""
    failed = failure_path(job.outputs[0])
    if failed.exists():
        raise UserError(f"{failed} records a failure; a reference holds none: run that job again.")
    return all(path.is_file() for path in job.outputs)


def _copy(made: list[Job], scale: Scale, new: Path) -> None:
    known = dependencies.cached(scale)
    # The properties of the data that figures need, because a clone has no data.
    new.mkdir(parents=True)
    counts = scale.entry.category_counts
    shutil.copyfile(counts, new / counts.name)
    kept.copy_record(counts, new / counts.name)
    for job in made:
        beside = [path for output in job.outputs for path in output.parent.glob("*.json")]
        for path in {*job.outputs, *beside} if job.rule not in ELSEWHERE else ():
            kept.copy_file(path, new / path.relative_to(scale.results), known.get(job.key))
        if job.rule == "submit" and (record := receipt.lasting(job.outputs[0])):
            sent = receipt.receipt_path(job.outputs[0]).relative_to(scale.results)
            kept.write(new / sent, record)


def _summarise(made: list[Job], scale: Scale, new: Path) -> None:
    """Write each evaluation's AP for ``dvc metrics`` (reference/dvc.yaml) and model indexes."""
    found = {}
    for name in {job.experiment for job in made if job.rule == "evaluate"}:
        files = [job.outputs[0] for job in made if (job.rule, job.experiment) == ("evaluate", name)]
        found[name] = means([read_output(path, Metrics) for path in files])
        kept.write(new / "summary" / f"{name}.json", found[name])
    write_atomic(new / "metafile.yml", metafile.text(scale, found))


def _copy_claims(scale: Scale, new: Path) -> None:
    """Copy the claims' results, of which some may still lack seeds, and the runs they are from."""
    if (claims := claim_table.of(scale)) is None:
        return
    known = dependencies.cached(scale)
    found, written = page.write(scale, claims, known)
    if not any(claim.runs for claim in found.claims):
        return
    results, folder = Results(scale, claims, known), claim_table.kept_runs(new)
    for run in claims.runs:
        if (place := results.of(*run)) is None:
            continue
        numbers = results.path(place, *run)
        in_tables = new / numbers.relative_to(place.results)
        if in_tables.is_file() and in_tables.read_bytes() == numbers.read_bytes():
            continue
        for path, key in results.made(place, *run).items():
            copy = folder / path.relative_to(place.results)
            kept.copy_file(path, copy, known[key])
            if (record_of(copy) or {}).get("fingerprint") is None:
                again = snakemake_command(scale, str(path))
                raise UserError(
                    f"{path}: neither its record nor Snakemake's in .snakemake/ names the code "
                    f"that made it; delete it, make it again by `{again}`, and freeze again."
                )
    target = new / claim_table.outputs(scale)["json"].relative_to(scale.results)
    write_atomic(target, written["json"].read_text("utf-8"))
    kept.copy_record(written["json"], target)


def _say_lost(scale: Scale, new: Path) -> None:
    """Say how many of the reference's runs of claims are of other code, configs or data."""
    before, now = (
        {path.relative_to(folder) for path in folder.rglob("metrics.json")}
        for folder in map(claim_table.kept_runs, (scale.reference, new))
    )
    if lost := len(before - now):
        print(
            f"{scale.reference}: {lost} runs of claims are of other code, configs or data than "
            f"now, or no longer needed, and are removed; `git checkout -- {scale.reference}` "
            "brings them back.",
            file=sys.stderr,
        )


def _check_sizes(new: Path, final: Path) -> None:
    sizes = {path: path.stat().st_size for path in new.rglob("*") if path.is_file()}
    largest = max(sizes, key=sizes.__getitem__)
    if sizes[largest] > LARGEST or sum(sizes.values()) > WHOLE:
        raise UserError(
            f"{final} would hold {sum(sizes.values())} bytes, {sizes[largest]} of them in "
            f"{largest.relative_to(new)}; the limits are {WHOLE} and {LARGEST}: leave files out."
        )


@contextmanager
def _renewed(reference: Path) -> Iterator[Path]:
    """Yield a folder that takes the reference's place if the block raises no error and it fits."""
    name = f".{reference.name}.{uuid.uuid4().hex}"
    new, away = reference.with_name(name), reference.with_name(f"{name}.old")
    with attempts.alone(paths.ROOT, reference):
        _tidy(reference)
        try:
            yield new
            _check_sizes(new, reference)
            if reference.exists():  # a folder with content, so not by `replacing`
                reference.rename(away)
            new.rename(reference)
        finally:
            _tidy(reference)


def _tidy(reference: Path) -> None:
    """Put back or delete what this process, or one that was killed, has left beside a reference."""
    ours = rf"\.{re.escape(reference.name)}\.[0-9a-f]{{32}}(\.old)?"
    for left in sorted(reference.parent.glob(".*")):
        if not re.fullmatch(ours, left.name):
            continue
        if left.suffix == ".old" and not reference.exists():
            left.rename(reference)
        else:
            shutil.rmtree(left, ignore_errors=True)
