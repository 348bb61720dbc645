import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from server import serve


@pytest.fixture
def server():
    with serve() as running:
        yield running


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty repository: paths are relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path
