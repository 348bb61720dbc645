"""What a job ran with: git's commit with uncommitted changes, libraries, the processor."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from seesaw.core.files import sha256_file

LIBRARIES = ["torch", "onedl-mmcv", "onedl-mmengine", "onedl-mmdetection"]
LIBRARIES += ["numpy", "snakemake", "seesaw"]
# Untracked files of these kinds count as uncommitted changes; data and images do not.
SOURCES = ("*.py", "*.smk", "*.yaml", "*.toml", "*Snakefile")


def git_state(root: Path) -> dict[str, str] | None:
    """Return the commit and a hash of uncommitted changes (if any); None outside a git checkout."""

    def git(*arguments: str) -> bytes:
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout

    try:
        commit = git("rev-parse", "HEAD").decode().strip()
        top = Path(os.fsdecode(git("rev-parse", "--show-toplevel")).rstrip("\n"))
        dirty = git("diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--no-textconv")
        new = git("ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", *SOURCES)
    except (OSError, subprocess.CalledProcessError):
        return None
    for name in filter(None, new.split(b"\0")):
        with contextlib.suppress(OSError):  # the file was removed meanwhile, or is a dangling link
            dirty += name + b"\0" + sha256_file(top / os.fsdecode(name)).encode() + b"\0"
    return {"commit": commit} | ({"dirty": hashlib.sha256(dirty).hexdigest()} if dirty else {})


def processor() -> str:
    """Return the model of this machine's CPU, or its architecture where Linux names no model."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"(?m)^model name[ \t]*:[ \t]*(\S.*)$", text):
            return found[1].rstrip()
    return platform.machine()


def library_versions() -> dict[str, str | None]:
    """Return the versions of Python and of the libraries that affect results, None if missing."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions
