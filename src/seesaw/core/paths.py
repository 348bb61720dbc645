"""Paths of all files, relative to the repository's root (the working directory)."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("SEESAW_ROOT", "."))

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
