"""Checks of Python, compiler, packages, PyTorch, operators and communication."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from importlib import metadata

from seesaw.cli.checks.report import SETUP, Finding
from seesaw.core import paths
from seesaw.spec.scales import Scale

REBUILD = "with CUDA's compiler (environment.yml): rm -rf .venv && FORCE_CUDA=1 tools/setup.sh"


PYTHONS = ("3.11", "3.12", "3.13")  # tools/setup.sh has them, too


def python() -> Finding:
    """Check Python's version against those that the lock file is for."""
    found = f"{platform.python_version()} ({sys.executable})"
    if found.startswith(PYTHONS):
        return Finding("ok", found)
    fix = (
        f"install Python {', '.join(PYTHONS)} (conda: environment.yml), set PYTHON to it and run "
        "tools/setup.sh"
    )
    return Finding("missing", found, fix)


def compiler() -> Finding:
    """Check for a compiler, which only the compilation of mmcv needs."""
    name = os.environ.get("CXX", "g++")
    if where := shutil.which(name):
        return Finding("ok", where)
    return Finding("remark", f"no {name}", "only a new set-up needs it: apt install g++")


def lock() -> Finding:
    """Compare the installed packages with requirements.lock."""
    wanted = dict(re.findall(r"^([\w.-]+)==(\S+)", paths.LOCK.read_text(), re.MULTILINE))
    differ = []
    for name, version in wanted.items():
        try:
            found = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            found = "missing"
        if found != version:
            differ.append(f"{name} {found} for {version}")
    if not differ:
        return Finding("ok", f"{len(wanted)} packages as in {paths.LOCK}")
    fix = "rm -f .venv/.lock && tools/setup.sh"  # without its stamp, which set-up would trust
    return Finding("missing", f"{len(differ)} differ: {', '.join(differ[:5])}", fix)


def gpu(scale: Scale) -> Finding:
    """Check PyTorch, its CUDA version and this machine's GPUs."""
    import torch

    built = f"torch {torch.__version__}, built for {_cuda() or 'CPUs'}"
    if scale.overlay.backbones:
        return Finding("ok", f"{built}; this scale needs no GPU")
    if not torch.cuda.is_available():
        if _cuda() is None:
            fix = "install the CUDA build of the locked torch (docs/cluster.md)"
            return Finding("missing", built, fix)
        if shutil.which("sbatch"):
            fix = f"see those of jobs: srun --gres=gpu:1 seesaw doctor {scale.options}"
            return Finding("remark", f"{built}; no GPU on this node", fix)
        return Finding("missing", f"{built}; no GPU", "check the driver with nvidia-smi")
    major, minor = torch.cuda.get_device_capability()
    found = f"{built}; {torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    if not runs_on(major, minor, torch.cuda.get_arch_list()):
        fix = "make .venv anew with the locked torch's build for another CUDA (docs/cluster.md)"
        why = f"{found} (sm_{major}{minor}), for which this torch has no code"
        return Finding("missing", why, fix)
    return Finding("ok", found)


def runs_on(major: int, minor: int, archs: list[str]) -> bool:
    """Return whether a GPU of this compute capability runs code for one of ``archs`` (sm_75, ...).

    A GPU runs code for its own generation up to its own number, and any compute_* by translation.
    """
    known = (re.fullmatch(r"(sm|compute)_(\d+)(\d)", arch) for arch in archs)
    numbers = [(m[1] == "compute", int(m[2]), int(m[3])) for m in known if m]
    return any(
        (a, b) <= (major, minor) and (translated or a == major) for translated, a, b in numbers
    )


def operators(scale: Scale) -> Finding:
    """Check mmcv's operators, and our replacements of those that mmcv has for GPUs only.

    PyPI's torch is built for CUDA, and laptops without a GPU have it, too.
    """
    import torch
    from mmcv.ops import get_compiling_cuda_version

    from seesaw.cli.checks import operators

    device = "cuda" if torch.cuda.is_available() else "cpu"
    faults = operators.broken(device)
    names = ", ".join(operators.operators(device))
    needed = device == "cuda" or not scale.overlay.backbones
    if needed and _cuda() and "not available" in get_compiling_cuda_version():
        return Finding("missing", "mmcv has no CUDA operators", REBUILD)
    if not faults:
        return Finding("ok", f"on {device}: {names}")
    listed = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
    # compiled for other GPUs, perhaps, and kept by set-up
    again = f"rm -rf ~/.cache/seesaw/wheels/torch-*/cuda-*, then {REBUILD}"
    return Finding("missing", listed, again if device == "cuda" else SETUP)


def nccl(scale: Scale) -> Finding:
    """Check communication between GPUs by one sum over all of them, if there are at least two."""
    import torch

    if scale.overlay.backbones:
        return Finding("not needed", "this scale runs on CPUs")
    if not torch.distributed.is_nccl_available():
        fix = "install the CUDA build of the locked torch; one GPU trains without it"
        return Finding("missing", "this torch has no NCCL", fix)
    version = ".".join(map(str, torch.cuda.nccl.version()))
    if (count := torch.cuda.device_count()) < 2:
        return Finding("ok", f"{version}; {count} GPU here, so nothing was sent")
    values = [torch.ones(4, device=f"cuda:{i}") for i in range(count)]
    torch.cuda.nccl.all_reduce(values)
    if all(float(v[0]) == count for v in values):
        return Finding("ok", f"{version}; {count} GPUs added up")
    return Finding(
        "missing", f"{version}; a wrong sum", "try NCCL_P2P_DISABLE=1, then NCCL_DEBUG=INFO"
    )


def _cuda() -> str | None:
    import torch

    return f"CUDA {torch.version.cuda}" if torch.version.cuda else None
