"""The claims' results as a page, CSV, JSON and terminal text; the output is deterministic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seesaw.core import paths
from seesaw.core.borders import csv_text
from seesaw.core.files import write_atomic
from seesaw.core.integrity import read_output
from seesaw.results.claims.measure import report
from seesaw.results.claims.result import Found, Report
from seesaw.results.claims.runs import Results
from seesaw.results.claims.texts import HEAD, LENGTHS, RULES
from seesaw.results.figures.results import table
from seesaw.results.tables.collect import DIGITS
from seesaw.results.tables.recorded import write_texts
from seesaw.results.tables.verdicts import FACTOR
from seesaw.spec import paper
from seesaw.spec.claims import Claims, outputs
from seesaw.spec.scales import Scale

PAGE = paths.ROOT / "docs/claims.md"
HEADS = ("claim", "where", "kind", "seeds", "paper", "effect", "SE", "95 % interval", "verdict")
MARKS = {"supported": "✓", "not shown": "≈", "contradicted": "✗"}


def markdown(made: Report) -> str:
    """Return the content of docs/claims.md."""
    asked = sorted({len(f.asked) for f in made.claims if f.asked})
    seeds = f"{' or '.join(map(str, dict.fromkeys([*asked[:1], *asked[-1:]])))} seeds"
    parts = [HEAD.format(scale=made.scale, seeds=seeds), f"{state(made)}\n\n{_summary(made)}\n\n"]
    parts += [table([*HEADS], each(made)), "\n"]
    if notes := [f"- {f.claim.id}: {f.note}\n" for f in made.claims if f.note]:
        parts += ["\n", *notes]
    if made.curves:
        parts += [LENGTHS, _curves(made), "\n"]
    runs = [
        [f.claim.id, f"`{f.claim.pair[0]}`", f"`{f.claim.pair[1]}`", _asked(f), *_runs(f)]
        for f in made.claims
    ]
    parts += ["\n## Each run\n\nOf speed the runs are rounds of one timing.\n\n"]
    parts += [table(["claim", "a", "b", "of", "runs of a", "runs of b", "b against a"], runs), "\n"]
    parts += [RULES.format(factor=FACTOR, scale=made.scale), "\n## Designs that were tried\n\n"]
    designs = [
        [d.name, d.change, str(d.seed), _numbers(d.results), "chosen" if d.chosen else ""]
        for d in made.designs
    ]
    head = ["design", "what it was", "seed", "AP in percent", ""]
    parts += [table(head, designs) if designs else "None.", "\n"]
    return "".join(parts)


def each(made: Report) -> list[list[str]]:
    """Return a row of cells for each claim, under `HEADS`."""
    values = paper.load()
    rows = []
    for f in made.claims:
        seeds, *numbers = _cells(f)
        row = [f.claim.says, f.claim.where, f.claim.kind.replace("_", " "), seeds]
        rows.append([*row, _paper(f, values), *numbers, _verdict(f, made)])
    return rows


def as_csv(made: Report) -> str:
    """Return the claims as CSV, one line for each claim."""
    numbers = ("effect", "se", "low", "high")
    head = ["id", "kind", "a", "b", "of", "unit", "runs", "asked", *numbers]
    rows: list[list[Any]] = [[*head, "state", "verdict", "exploratory"]]
    for f in made.claims:
        row: list[Any] = [f.claim.id, f.claim.kind, *f.claim.pair, _asked(f), f.unit]
        row += [len(f.runs), len(f.asked), *(getattr(f, name) for name in numbers)]
        rows.append([*row, f.state, f.verdict, made.exploratory])
    return csv_text(rows)


FORMATS = {
    "json": lambda made: made.model_dump_json(indent=1) + "\n",
    "md": markdown,
    "csv": as_csv,
}


def write(scale: Scale, claims: Claims, fingerprints: Mapping[str, str]) -> tuple[Report, dict]:
    """Measure all claims on the runs here and in the reference, and write what was found.

    Returns:
        The report, and format -> file. While runs are missing here, the files lie in a folder of
        their own, since the workflow would take them for finished in the usual place.
    """
    made = report(scale, claims, fingerprints["design"], fingerprints)
    read = Results(scale, claims, fingerprints).files
    written = outputs(scale)
    if not made.complete or any(scale.reference in path.parents for path in read.values()):
        written = {kind: path.parent / "partial" / path.name for kind, path in written.items()}
    texts = {written[kind]: render(made) for kind, render in FORMATS.items()}
    write_texts(texts, read | {"claims": paths.CLAIMS, "paper": paths.PAPER_VALUES})
    return made, written


def lines(made: Report) -> list[str]:
    """Return the lines that the terminal shows."""
    rows = [f"{_verdict(f, made):28} {' '.join(_cells(f)):44} {f.claim.says}" for f in made.claims]
    notes = [f"{f.claim.id}: {f.note}" for f in made.claims if f.note]
    return [*rows, *notes, *said(made)]


def said(made: Report) -> tuple[str, str]:
    """Return as plain text whether the design is the frozen one, and the verdicts' counts."""
    return state(made).replace("**", "").replace("`", ""), _summary(made)


def state(made: Report) -> str:
    """Return a sentence that says whether the design is the frozen one."""
    if made.frozen is None:
        return "**No design is frozen yet: every verdict is exploratory.**"
    if made.design is None:
        return f"The design is frozen at `{made.frozen}`; its seeds have no results here yet."
    if made.exploratory:
        return (
            f"**The design is `{made.design}`, not the frozen one, `{made.frozen}`: every verdict "
            "is exploratory.**"
        )
    return f"The design is the one that was frozen at `{made.frozen}`."


def reference(scale: Scale) -> Report | None:
    """Read claims.json of the reference; None if the reference holds no run of any claim."""
    source = scale.reference / "claims" / "claims.json"
    if source.is_file():
        return read_output(source, Report)
    return None


def judged(scale: Scale, claims: Claims) -> Report | None:
    """Return the reference's claims as they stand now; None if it holds no run of any claim.

    Where another design has been frozen since, the reference's verdicts are exploratory.
    """
    made = reference(scale)
    return made and made.model_copy(update={"frozen": claims.frozen})


def brief(made: Report) -> str:
    """Return the number of claims by verdict or state, and which are not supported, as a list."""
    found: dict[str, list[str]] = {}
    for f in sorted(made.claims, key=lambda f: f.verdict is None):
        found.setdefault(_verdict(f, made), []).append(f.claim.says)
    lines = []
    for verdict, says in found.items():
        which = "" if verdict.startswith(MARKS["supported"]) else f" ({'; '.join(says)})"
        lines.append(f"- {verdict}: {len(says)}{which}\n")
    return "".join(lines)


def committed(scale: Scale, claims: Claims) -> str:
    """Return docs/claims.md made from the reference; claims without any run are "not run"."""
    made = judged(scale, claims) or report(scale.frozen(scale.reference / "none"), claims, None)
    return markdown(made)


def commit(scale: Scale, claims: Claims) -> Path:
    """Write docs/claims.md."""
    write_atomic(PAGE, committed(scale, claims))
    return PAGE


def _curves(made: Report) -> str:
    pairs = {f.claim.id: f.claim.pair for f in made.claims}
    rows = []
    for curve in made.curves:
        a, b = pairs[curve.claim]
        for epochs, one, other in zip(curve.epochs, curve.a, curve.b, strict=True):
            numbers = f"{one:.1f}", f"{other:.1f}", f"{other - one:+.1f}"
            of = [curve.claim, f"`{a}`, `{b}`", curve.design, str(curve.seed)]
            rows.append([*of, f"{epochs:g}", *numbers])
    head = ["claim", "a, b", "design", "seed", "epochs", "AP of a", "AP of b", "b - a"]
    return table(head, rows)


def _verdict(f: Found, made: Report) -> str:
    if f.verdict is None:
        return f.state
    exploratory = " (exploratory)" if made.exploratory else ""
    return f"{MARKS[f.verdict]} {f.verdict}{exploratory}"


def _summary(made: Report) -> str:
    counts = Counter(f.verdict or f.state for f in made.claims)
    return f"Verdicts: {', '.join(f'{n} {word}' for word, n in counts.items())}."


def _cells(f: Found) -> list[str]:
    """Return the cells with seeds, effect, SE and interval."""
    seeds = f"{len(f.runs)} of {len(f.asked)}" if f.asked else f"{len(f.runs)} rounds"
    if f.spread is not None:
        seeds += f", spread {f.spread:.2g} {'assumed' if f.assumed else 'pooled'}"
    if f.effect is None or f.low is None or f.high is None:
        return [seeds, "–", "–", "–"]
    effect, low, high = (_effect(f, v) for v in (f.effect, f.low, f.high))
    return [seeds, effect, f"{f.se:.2f}", f"{low} to {high}"]


def _effect(f: Found, value: float) -> str:
    """Return an effect with as many digits as show on which side of none it lies."""
    none, shown, fewest = (0.0, "{:+.{}f}", 2) if f.unit == "AP" else (1.0, "×{:.{}g}", 3)
    texts = [shown.format(value or 0.0, n) for n in range(fewest, DIGITS + 2)]  # no -0.00
    sides = (t for t in texts if (float(t.strip("×")) == none) == (value == none))
    return next(sides, texts[-1])


def _paper(f: Found, values: paper.PaperValues) -> str:
    """Return the paper's b against a; a dash where it prints no such numbers."""
    a, b = (values.row(name) or {} for name in f.claim.pair)
    if (metric := f.claim.metric) in a and metric in b:
        return f"{b[metric] - a[metric]:+.1f}"
    if f.claim.kind == "faster" and "fps" in a and "fps" in b:
        return f"×{b['fps'] / a['fps']:.2g}"
    return "–"


def _asked(f: Found) -> str:
    """Return the metric, the groups of the gradients, or the inference mode that is compared."""
    c = f.claim
    margin = f", margin {c.margin:g}" if c.margin else ""
    bands = " against ".join(dict.fromkeys(c.bands or ()))
    return f"{c.metric}{margin}" if c.metric else bands or f"fps, {c.mode}"


def _runs(f: Found) -> list[str]:
    """Return a, b and the effect for every run."""
    if not f.runs:
        return ["–", "–", "–"]
    sides = (", ".join(f"{getattr(run, side):.3g}" for run in f.runs) for side in "ab")
    return [*sides, ", ".join(_effect(f, run.effect) for run in f.runs)]


def _numbers(results: Mapping[str, Mapping[Any, float]]) -> str:
    return "; ".join(
        f"{name}: {', '.join(f'{metric} {value:g}' for metric, value in row.items())}"
        for name, row in results.items()
    )
