"""A clone with hand-made results of smoke scale, small enough to check every number."""

import os

import pytest
from hand_made import CE, CELLS, GROUPS, IDS, INSTANCES, SEESAW, errors, gradients, metrics, write
from repository import copied

from seesaw.spec.figures import OUTPUT


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The working directory: configs, notebooks and the data's category counts, no results."""
    monkeypatch.chdir(copied(tmp_path, "configs", "paper_figures"))
    rows = [
        {"id": i, "name": f"n{i}", "image_count": n, "instance_count": n, "frequency": group}
        for i, n, group in zip(IDS, INSTANCES, GROUPS, strict=True)
    ]
    write("data/smoke_lvis/category_counts.json", {"annotated_images": 100, "categories": rows})
    return tmp_path


@pytest.fixture
def results(clone):
    """The clone with all results of Figures A1 and A2 and of the error analysis."""
    for offset, cell in enumerate(CELLS):
        write(f"results/smoke/{cell}/seed0/{cell}/metrics.json", metrics(offset))
    write(f"results/smoke/{CE}/seed0/gradients.json", gradients(7))
    write(f"results/smoke/{SEESAW}/seed0/gradients.json", gradients(0))
    for offset, rung in enumerate(("a09_stronger_backbone", "a10_seesaw")):
        write(f"results/smoke/errors/{rung}/seed0/errors.json", errors(offset))
    return clone


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Run a notebook's code in this process, without a kernel; returns the folder it writes to."""
    import matplotlib

    matplotlib.use("agg")

    def run(name, scale="smoke", folder="paper_figures"):
        output = tmp_path / "drawn"
        output.mkdir(exist_ok=True)
        monkeypatch.setenv(OUTPUT, str(output))
        source = (tmp_path / "paper_figures" / f"{name}.py").read_text(encoding="utf-8")
        source = source.replace('SCALE = "mini"', f"SCALE = {scale!r}")
        before = os.getcwd()
        os.chdir(folder)  # where Jupyter starts
        try:
            exec(compile(source, name, "exec"), {"__name__": "__main__"})
        finally:
            os.chdir(before)
        return output

    return run
