"""Handles what a killed Snakemake leaves behind: Snakemake's lock, and jobs that still run."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import psutil

from seesaw.core import paths
from seesaw.core.secrets import masked


def making() -> frozenset[str]:
    """Return the names of the workflow's rules; one that calls a verb is named like it.

    The other verbs may run beside the workflow.
    """
    files = (paths.ROOT / "workflow/rules").glob("*.smk")
    texts = (file.read_text(encoding="utf-8") for file in files)
    return frozenset(name for text in texts for name in re.findall(r"(?m)^rule (\w+):", text))


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
    found, verbs = [], making()
    for process in psutil.process_iter():
        try:
            if process.pid not in own and Path(process.cwd()) == root.resolve():
                names = [Path(word).name for word in process.cmdline()[:4]]
                if "snakemake" in names or not verbs.isdisjoint(_verb(names)):
                    found.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or belongs to another user
    return found


def _named(process: psutil.Process) -> str:
    try:
        return f"{' '.join(masked(process.cmdline()[:6]))} (PID {process.pid})"
    except psutil.Error:  # ended meanwhile
        return f"PID {process.pid}"


def _verb(names: list[str]) -> list[str]:
    """Return the verb in the first words of a call of `seesaw`, if they are one."""
    at = next((i + 1 for i, n in enumerate(names) if n in ("seesaw", "seesaw.cli")), len(names))
    return names[at : at + 1]
