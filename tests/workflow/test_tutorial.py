"""docs/tutorial_add_a_rung.md: each of its commands, in a temporary clone."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import REPOSITORY

BLOCKS = re.findall(
    r"```bash\n(.*?)```", (REPOSITORY / "docs/tutorial_add_a_rung.md").read_text(), re.S
)
DIFFERENCE = "model.roi_head.bbox_head.0.loss_cls.type"


@pytest.mark.slow
def test_a_new_rung_is_run_and_stands_in_the_table(tmp_path):
    copy = "git ls-files -z | xargs -0 cp -a --parents -t"
    subprocess.run(["bash", "-euc", f"{copy} {tmp_path}"], cwd=REPOSITORY, check=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(tmp_path / "src")}
    said = []
    for block in BLOCKS:
        command = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (block, done.stdout[-1500:], done.stderr[-1500:])
        said.append(done.stdout)
    changed = {line.split(":")[0] for line in said[2].splitlines() if ":" in line}
    assert DIFFERENCE in changed
    assert all(c.startswith("model.roi_head.bbox_head.") for c in changed)
    assert re.search(r"b04_htc_lite_seesaw +116 ", said[3])  # 115 of costs.yaml, and detection
    rows = [line for line in said[5].splitlines() if "HTC-Lite + Seesaw" in line]
    assert len(rows) == 1 and re.search(r"\d+\.\d", rows[0]), said[5]
    assert "not run" in said[5]
    (difference,) = said[7].splitlines()
    assert difference.startswith("model.roi_head.bbox_head.loss_cls.q: ")
    with (tmp_path / "results/smoke/tables/sweep_q.csv").open() as file:
        swept = {row["label"]: row["state"] for row in csv.DictReader(file)}
    assert swept == dict.fromkeys("142", "done")
