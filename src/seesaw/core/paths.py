"""Paths of all files, relative to the repository's root (the working directory)."""

import os
from pathlib import Path

from seesaw.errors import UserError

_named = Path(os.environ.get("SEESAW_ROOT", "."))
# Relative where it can be, because paths are part of fingerprints and of the workflow's targets.
ROOT = Path() if os.path.isdir(_named) and _named.samefile(".") else _named

CONFIGS = ROOT / "configs"
EXPERIMENTS = CONFIGS / "experiments.yaml"
PAPER_VALUES = CONFIGS / "paper_values.yaml"
DATASETS = CONFIGS / "datasets.yaml"
ACCEPTED = CONFIGS / "accepted.yaml"
CLAIMS = CONFIGS / "claims.yaml"
SCALES = CONFIGS / "scales"
NOTEBOOKS = ROOT / "paper_figures"
LOCK = ROOT / "requirements.lock"
CACHE = ROOT / ".cache"


def check_root() -> None:
    """Refuse a root that is no clone of the repository, which every verb reads."""
    if not (EXPERIMENTS.is_file() and SCALES.is_dir()):
        try:
            folder = ROOT.resolve()
        except FileNotFoundError:
            raise UserError(
                "the working directory has been removed; change to the folder of your clone."
            ) from None
        raise UserError(
            f"{folder} is no clone of the repository ({EXPERIMENTS} or {SCALES} is "
            "missing); change to the folder of your clone, or name it in SEESAW_ROOT."
        )


def gpu_measurements() -> list[Path]:
    """Return what `seesaw preflight --scale paper --measure` has written, a file for each GPU."""
    files = (CONFIGS / "costs").glob("*.yaml")
    return sorted(path for path in files if "." not in path.stem)  # else of another scale
