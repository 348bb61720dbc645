"""Runs the benchmarks of this folder and writes their rows as one table (see README.md here).

    python benchmarks/report.py [--full] [NAME ...]

Without names all run, and docs/benchmarks.md is written.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seesaw.core.versions import processor

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "benchmarks.md"
ROWS = "SEESAW_BENCHMARK_ROWS"  # names the file that collects the rows of a run
ONE = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")
ONE_THREAD = dict.fromkeys(ONE, "1")
HEADER = ("what", "ours", "peer", "ratio", "target", "")


def median_cpu_seconds(function: Callable[[], object], repeats: int) -> float:
    """Median CPU seconds of ``repeats`` calls after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times[1:])


def child(name: str, code: str, **values: Path | str | int) -> tuple[float, float, Any]:
    """CPU seconds and peak MB of ``code`` in a new process, imports included, and its ``said``.

    Args:
        name: What is measured, for the message if it fails.
        code: Python code that may set ``said`` to what JSON can hold.
        values: Variables that it finds.
    """
    before = "import json, logging, resource; logging.disable(30)\n"
    before += "from pathlib import Path, PosixPath\nsaid = None\n"
    before += "".join(f"{key} = {value!r}\n" for key, value in values.items())
    after = "\nusage = resource.getrusage(resource.RUSAGE_SELF)\n"
    # VmHWM, not ru_maxrss: that one starts from the size of the parent process.
    after += "peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]\n"
    after += "print(); print(json.dumps([usage.ru_utime + usage.ru_stime, int(peak), said]))"
    command = [sys.executable, "-c", before + code + after]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ONE_THREAD)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    cpu, peak, said = json.loads(done.stdout.splitlines()[-1])
    return cpu, peak * 1024 / 1e6, said


def row(
    what: str,
    ours: float,
    unit: str,
    peer: float | None = None,
    peer_name: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    """Print one measurement and add it to the table of the run, if there is one.

    Args:
        what: What was measured, with its size.
        ours: Our number, in ``unit``.
        unit: s, ms, CPU s, MB, kB or %.
        peer: The peer's number on the same input in the same run, in ``unit``.
        peer_name: Who the peer is.
        at_least: Target for the ratio: how many times better than the peer.
        at_most: Target for ``ours``, in ``unit``.
    """
    ratio = None if peer is None else peer / ours
    targets = []
    if at_least is not None:
        targets.append((f"ratio ≥ {at_least:.3g}", ratio is not None and ratio >= at_least))
    if at_most is not None:
        targets.append((f"≤ {number(at_most)} {unit}", ours <= at_most))
    cells = {
        "what": what,
        "ours": f"{number(ours)} {unit}",
        "peer": "" if peer is None else f"{peer_name} {number(peer)} {unit}",
        "ratio": "" if ratio is None else f"{ratio:.3g} ×",
        "target": ", ".join(text for text, _ in targets),
        "": "" if not targets else "met" if all(met for _, met in targets) else "missed",
    }
    print("  ".join(filter(None, cells.values())), flush=True)
    if path := os.environ.get(ROWS):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(cells) + "\n")


def arguments(doc: str, full: str) -> argparse.ArgumentParser:
    """A script's parser, with ``--full``; ``full`` says what that measures."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=full)
    return parser


def number(value: float) -> str:
    """Three significant digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: list[dict]) -> str:
    """The rows as Markdown that also reads well in a terminal."""
    lines = [HEADER, *(tuple(cells[name] for name in HEADER) for cells in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * max(3, width) for width in widths))
    padded = [[c.ljust(w) for c, w in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def run(name: str, full: bool) -> tuple[list[dict], float]:
    """Run one script in a process of its own; its rows and seconds.

    A script that fails gives what it measured before, and a row that says so.
    """
    print(f"== {name}", flush=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        command = [sys.executable, str(FOLDER / f"{name}.py"), *(["--full"] if full else [])]
        code = subprocess.run(command, env=os.environ | ONE_THREAD | {ROWS: str(file)}).returncode
        rows = [json.loads(r) for r in file.read_text().splitlines()] if file.exists() else []
    if code:
        failed = {"what": f"{name} (exit code {code})", "": "failed"}
        rows.append(dict.fromkeys(HEADER, "") | failed)
    return rows, time.perf_counter() - start


def main() -> int:
    """Run, print the table and write the page; 1 if a script failed."""
    known = sorted(p.stem for p in FOLDER.glob("*.py") if p != Path(__file__))
    parser = arguments(__doc__, "the sizes of LVIS v1")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"{min(unknown)} is no benchmark; choose of {', '.join(known)}")
    rows, minutes = [], 0.0
    for name in options.names or known:
        found, seconds = run(name, options.full)
        rows, minutes = rows + found, minutes + seconds / 60
    print(f"\n{table(rows)}")
    if not options.names:
        size = "`make bench SIZE=full`" if options.full else "`make bench` (quick sizes)"
        PAGE.write_text(
            "# Benchmarks\n\n"
            f"Written by the run that measured it: {size}, {minutes:.0f} minutes, one thread on "
            f"{processor()} ({os.cpu_count()} cores), {time.strftime('%Y-%m-%d')}. A ratio says "
            "how many times better ours is than the peer on the same input in the same run. What "
            "each script does is described in `benchmarks/`.\n\n"
            f"{table(rows)}\n\nThe last run at full sizes drew this:\n\n"
            "![Growth with the number of images](growth.png)\n",
            encoding="utf-8",
        )
        print(f"{PAGE.relative_to(FOLDER.parent)} is written")
    return int(any(cells[""] == "failed" for cells in rows))


if __name__ == "__main__":
    sys.exit(main())
