"""Tests that need a CUDA device; without one they are skipped with one sentence.

``make test-gpu`` runs them, and so does tools/gpu_first_light.sh on a bare node.
"""

import sys
from pathlib import Path

import pytest
import torch
from gpu_device import GPU

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))  # the tiny detectors


def pytest_collection_modifyitems(items):
    skip = pytest.mark.skip(reason="no CUDA device is visible; run `make test-gpu` on a GPU node")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if GPU == "cuda" and not torch.cuda.is_available():
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def full_precision():
    """Parity with the CPU is tested without TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before
