"""Handles what a killed Snakemake leaves behind: Snakemake's lock, and jobs that still run."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import psutil

from seesaw.core.secrets import masked

# Verbs that write results; the other verbs may run beside the workflow.
MAKING = frozenset(
    {
        *("download", "data", "pretrain", "train", "convert", "detect", "evaluate", "errors"),
        *("speed", "submit", "table", "figure", "claims", "zoo", "report"),
    }
)


def unlock(root: Path) -> None:
    """Wait for processes that still work in a directory on this machine; then remove the lock.

    This is for local runs: on a cluster the lock protects jobs that this machine cannot see.
    """
    while working := at_work(root):
        print(f"waiting for {', '.join(map(_named, working))}")
        psutil.wait_procs(working, timeout=60)
        time.sleep(0.2)
    shutil.rmtree(root / ".snakemake/locks", ignore_errors=True)


def at_work(root: Path) -> list[psutil.Process]:
    """Return processes of Snakemake and result-writing verbs in a directory, except our parents."""
    own = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and Path(process.cwd()) == root.resolve():
                names = [Path(word).name for word in process.cmdline()[:4]]
                if "snakemake" in names or _makes(names):
                    found.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or belongs to another user
    return found


def _named(process: psutil.Process) -> str:
    try:
        return f"{' '.join(masked(process.cmdline()[:6]))} (PID {process.pid})"
    except psutil.Error:  # ended meanwhile
        return f"PID {process.pid}"


def _makes(names: list[str]) -> bool:
    verb = next((i + 1 for i, n in enumerate(names) if n in ("seesaw", "seesaw.cli")), len(names))
    return not MAKING.isdisjoint(names[verb : verb + 1])
