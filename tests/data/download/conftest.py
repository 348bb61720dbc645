import hashlib
import sys
from pathlib import Path

import pytest
import yaml
from repository import copied

sys.path.insert(0, str(Path(__file__).parent))
from downloads_cases import FILES, MORE, WEIGHTS
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


@pytest.fixture
def small(root, server):
    """A repository whose table of downloads points at the server."""
    copied(root, "configs")
    server.files |= FILES
    rows = {
        name: {
            "address": "loopback",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            **MORE[name],
        }
        for name, content in FILES.items()
    }
    pretrained = {"resnet50.pth": rows.pop("resnet50.pth")}
    content = {
        "addresses": {"loopback": [server.url]},
        "sets": {"lvis_v1": rows, "pretrained": pretrained},
    }
    (root / "configs/downloads.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return root


@pytest.fixture
def named(small, server):
    """A file of which only the digits in its name are known."""
    name = f"w-{hashlib.sha256(WEIGHTS).hexdigest()[:8]}.pth"
    path = small / "configs/downloads.yaml"
    table = yaml.safe_load(path.read_text())
    table["sets"]["zoo"] = {name: {"address": "loopback"}}
    path.write_text(yaml.safe_dump(table, sort_keys=False))
    server.files[name] = WEIGHTS
    return name
