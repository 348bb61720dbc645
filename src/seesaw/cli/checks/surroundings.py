"""Checks of the cluster, the disk, accounts and data."""

from __future__ import annotations

import getpass
import locale
import os
import re
import shutil
import subprocess
import sys

from seesaw.cli.checks.report import Finding
from seesaw.core import paths
from seesaw.data.download.obtain import space
from seesaw.spec import downloads, site
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.training import runs

SECONDS = 20


def settings() -> Finding:
    """Check site.yaml."""
    site.load()
    if site.FILE.is_file():
        return Finding("ok", f"{site.FILE} is well formed")
    fix = "on a cluster: cp site.yaml.example site.yaml, then edit"
    return Finding("remark", f"no {site.FILE}: defaults", fix)


def slurm(scale: Scale) -> Finding:
    """Check that jobs can be submitted to an existing partition and stay listed when they end."""
    if scale.overlay.backbones:
        return Finding("not needed", "this scale runs here")
    if not shutil.which("sbatch"):
        fix = f"snakemake --profile local all --config scale={scale.name}"
        if scale.name == "single_gpu":  # whose profile runs one training at a time
            fix = snakemake_command(scale, "all")
        return Finding("remark", "no sbatch", f"without SLURM: {fix}")
    try:
        # also those that the site hides, which sbatch takes
        partitions = sorted(set(_output("sinfo", "-h", "--all", "-o", "%R").split()))
        config = _output("scontrol", "show", "config")
    except OSError as error:
        fix = "is this a login node? SLURM's commands do not work here"
        return Finding("missing", str(error), fix)
    here = site.load()
    for name in filter(None, f"{here.partition},{here.cpu_partition}".split(",")):
        if name not in partitions:
            fix = f"sinfo has {', '.join(partitions)}: correct {site.FILE}"
            return Finding("missing", f"no partition {name}", fix)
    age = re.search(r"MinJobAge\s*=\s*(\d+)", config)
    if age and int(age[1]) < 120:
        fix = "ask for 120 s or more, or jobs may end unseen (docs/cluster.md)"
        return Finding("remark", f"sbatch works; MinJobAge is {age[1]} s", fix)
    return Finding("ok", f"partitions {', '.join(partitions)}")


def user() -> Finding:
    """Check that the user has a name, which Snakemake and DVC want, and text is UTF-8."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return Finding("missing", f"the user id {os.getuid()} has no name", "export USER=someone")
    if (coding := locale.getpreferredencoding()).upper().replace("-", "") != "UTF8":
        return Finding("missing", f"text is read as {coding}", "export PYTHONUTF8=1")
    return Finding("ok", f"{name}; text is UTF-8")


def folders(scale: Scale) -> Finding:
    """Check that the folders in which the workflow writes can be written."""
    written = [scale.results, scale.work, paths.ROOT / "logs", paths.ROOT / ".snakemake"]
    written += [scale.entry.root] if not os.path.isfile(scale.entry.manifest) else []
    for folder in written:
        # os.path, as pathlib raises an error about what lies in a folder that is shut to the user
        there = next(p for p in (folder, *folder.parents) if os.path.exists(p))
        if not os.access(there, os.W_OK | os.X_OK):
            fix = "give this user the permission, or use a copy elsewhere"
            return Finding("missing", f"{there} cannot be written", fix)
    return Finding("ok", "results, work, logs and data can be written")


def disk(scale: Scale) -> Finding:
    """Check the disk space for everything that is still to be downloaded and unpacked."""
    files = [f for name in scale.downloads for f in downloads.load().find(name)]
    need = space(files, site.load().coco_folder) + (50e9 if not scale.overlay.backbones else 3e9)
    free = shutil.disk_usage(paths.ROOT).free
    found = f"{free / 1e9:.0f} GB free, about {need / 1e9:.0f} GB needed to begin"
    fix = "make room; `seesaw plan` adds up what results take"
    return Finding("ok", found) if free > need else Finding("missing", found, fix)


def wandb() -> Finding:
    """Check whether runs can be logged to W&B, which is optional."""
    mode = runs.mode()
    if mode == "off":
        return Finding("not needed", f"off; `wandb: offline` in {site.FILE} mirrors the logs")
    if mode == "online" and not os.environ.get("WANDB_API_KEY"):
        return Finding("remark", "online", "`wandb login` once, if that is not done")
    return Finding("ok", mode)


def dvc() -> Finding:
    """Check where DVC would push large results."""
    if not (paths.ROOT / ".dvc").is_dir():
        return Finding("remark", "no .dvc here", "`dvc init`, to share results")
    try:
        remotes = _output(sys.executable, "-m", "dvc", "remote", "list").split()
    except OSError as error:
        return Finding("remark", str(error), "only sharing results needs it (docs/dvc.md)")
    if remotes:
        return Finding("ok", " ".join(remotes[:2]))
    fix = "to share results: dvc remote add -d NAME URL"
    return Finding("remark", "no remote", fix)


def dataset(scale: Scale) -> Finding:
    """Check that the scale's dataset is there."""
    entry = scale.entry
    if entry.manifest.is_file():
        return Finding("ok", f"{entry.manifest}")
    wanted = [entry.root / name for name in (entry.train, entry.val)]
    if entry.generate is not None or all(path.is_file() for path in wanted):
        return Finding("remark", f"{entry.manifest} is not made yet", scale.data_command)
    lost = ", ".join(str(path) for path in wanted if not path.is_file())
    return Finding("missing", f"no {lost}", scale.data_command)


def weights(scale: Scale) -> Finding:
    """Check the pre-trained backbones, which compute nodes cannot download."""
    if "pretrained" not in scale.downloads:
        return Finding("not needed", "stand-ins are trained here")
    files = downloads.load().find("pretrained")
    lost = [f.name for f in files if not f.path.is_file()]
    if lost:
        return Finding("missing", f"no {', '.join(lost)}", "seesaw download pretrained")
    return Finding("ok", ", ".join(f.name for f in files))


def _output(*command: str) -> str:
    """Return what a command prints in the repository; an OSError if it fails or is too slow."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            cwd=paths.ROOT,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"{' '.join(command)}: no answer in {SECONDS} s") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise OSError(f"{' '.join(command)}: {last}")
    return done.stdout
