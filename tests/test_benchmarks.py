"""The benchmarks that follow the code's own names run to their end, at a few images."""

import pytest
from repository import REPOSITORY, python


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluation", "submission"])
def test_a_benchmark_runs_and_gives_its_rows(tmp_path, name):
    rows = tmp_path / "rows.jsonl"
    script = REPOSITORY / f"benchmarks/{name}.py"
    python(REPOSITORY, script, "--images", "20", SEESAW_BENCHMARK_ROWS=str(rows))
    assert len(rows.read_text().splitlines()) == 6
