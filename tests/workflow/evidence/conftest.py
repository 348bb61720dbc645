"""A finished run made by hand, for tests of evidence."""

from pathlib import Path

import pytest
from finished_run import evaluated

from seesaw.core import integrity, paths
from seesaw.spec.scales import Scale


@pytest.fixture
def scale(rules, tmp_path, monkeypatch) -> Scale:
    """Mini, in a clone without results."""
    configs = paths.CONFIGS.resolve()
    monkeypatch.chdir(rules)
    (tmp_path / "configs").symlink_to(configs)
    (tmp_path / "requirements.lock").write_text("torch==2\n")
    monkeypatch.setattr(integrity.paths, "CACHE", tmp_path / ".cache")
    return Scale("mini")


@pytest.fixture
def run(scale) -> dict[str, Path]:
    """a01's files."""
    return evaluated(scale, "a01_mask_rcnn")
