"""The repository, copies of some of its files for a test's own clone, and the verbs in one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# What Snakemake reads of a clone.
WORKFLOW = ("Snakefile", "workflow", "configs", "profiles", "local", "slurm", "environment.yml")


def copied(root: Path, *names: str) -> Path:
    """Copy files, folders and links of the repository into a folder, and return it."""
    for name in names:
        source, target = REPOSITORY / name, root / name
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return root


def content(root: Path) -> dict[Path, bytes]:
    """Return the bytes of every file below a folder, by its path in there."""
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def replace(path: Path, old: str, new: str, count: int = -1) -> None:
    """Replace a text in a file, which must be there, everywhere or so many times."""
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new, count))


def python(
    root: Path, *words: object, code: int | None = 0, **variables: str
) -> subprocess.CompletedProcess:
    """Run Python in a folder, on the repository's code; it must end with this code, if not None."""
    command = [sys.executable, *map(str, words)]
    # a bare GPU node has the libraries in a folder that PYTHONPATH names
    path = [str(REPOSITORY / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)} | variables
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert code in (done.returncode, None), done.stdout[-2000:] + done.stderr[-4000:]
    return done


def snakemake(root: Path, *words: str, code: int = 0, **variables: str) -> str:
    """Return what Snakemake says in a clone; it must end with this exit code."""
    done = python(root, "-m", "snakemake", *words, code=code, **variables)
    return done.stdout + done.stderr


def planned(said: str) -> dict[str, int]:
    """Rule -> jobs that a dry run of Snakemake would run; rules of two words are left out."""
    from snakemake.common import NOTHING_TO_BE_DONE_MSG

    if NOTHING_TO_BE_DONE_MSG in " ".join(said.split()):
        return {}
    rows = re.findall(r"^ *(\w+) +(\d+) *$", said[said.index("Job stats") :], re.MULTILINE)
    return {rule: int(jobs) for rule, jobs in rows if rule != "total"}


def seesaw(root: Path, *words: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess:
    """Run a verb at smoke scale in a clone, in a process that must end with this exit code."""
    return python(root, "-m", "seesaw.cli", *words, "--scale", "smoke", code=code, **variables)
