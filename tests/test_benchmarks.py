"""The benchmarks that follow the code's own names run to their end, at a few images."""

import os
import subprocess
import sys

import pytest
from repository import REPOSITORY


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluation", "submission"])
def test_a_benchmark_runs_and_gives_its_rows(tmp_path, name):
    rows = tmp_path / "rows.jsonl"
    command = [sys.executable, REPOSITORY / f"benchmarks/{name}.py", "--images", "20"]
    environment = os.environ | {"SEESAW_BENCHMARK_ROWS": str(rows)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(rows.read_text().splitlines()) == 6
