"""Small clones of the repository: two rungs at smoke scale, under git and DVC."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from repository import REPOSITORY

SMOKE = ("--config", "scale=smoke")
NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "nobody"), ("EMAIL", "nobody@example.org"))
}


def environment(root: Path, **more: str) -> dict[str, str]:
    """Of a command in a clone: its own code, this environment's programs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | NOBODY | {"PATH": path, "PYTHONPATH": str(root / "src")} | more


def run(root: Path, *command: str, ok: bool = True, **more: str) -> str:
    """A command's output, stdout and stderr together."""
    done = subprocess.run(
        command,
        cwd=root,
        env=environment(root, **more),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode == 0) == ok, f"{command}: {done.stdout[-3000:]}"
    return done.stdout


def small_repository(root: Path) -> Path:
    """This repository as it is on disk, with two rungs, as the only commit of another one."""
    listed = run(REPOSITORY, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        source, target = REPOSITORY / name, root / name
        if source.exists() and not name.startswith(("tests/", "reference/", "docs/")):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    shrink(root / "configs/experiments.yaml")
    for name in ("dvc.yaml", "paper/dvc.yaml"):
        (root / name).unlink()
    run(root, "seesaw", "dvc", "--scale", "smoke")
    run(root, "seesaw", "dvc", "--scale", "mini")
    run(root, "git", "init", "-q", "-b", "main")
    commit(root, "two rungs")
    return root


def shrink(path: Path) -> None:
    """Two rungs of Table A1; the second one's model also makes the submission. No claims."""
    table = yaml.safe_load(path.read_text())
    kept = ("a01_mask_rcnn", "a02_syncbn")
    table["trainings"] = {name: table["trainings"][name] for name in kept}
    table["evaluations"] = {"test_dev_a02": {"training": "a02_syncbn", "split": "test_dev"}}
    table["cells"] = []
    path.write_text(yaml.safe_dump(table, sort_keys=False))
    path.with_name("claims.yaml").unlink()


def commit(root: Path, message: str) -> None:
    """Commit all that git does not ignore."""
    run(root, "git", "add", "-A")
    run(root, "git", "commit", "-q", "-m", message)
