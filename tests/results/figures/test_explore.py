"""The exploring notebook, as a reader of a new clone runs it."""

import json
from pathlib import Path

import nbformat
import pytest
from repository import REPOSITORY, copied

from seesaw.errors import UserError
from seesaw.results.figures.notebook import execute


@pytest.fixture
def explored(tmp_path, monkeypatch):
    """Execute it in a clone without data and results: its texts, plots and photos are counted."""
    monkeypatch.chdir(copied(tmp_path, "configs", "paper_figures", "reference"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))
    (tmp_path / "out").mkdir()

    def run(**chosen):
        parameters = {"SCALE": "mini", "DATASET": None, "A": "a09", "B": "a10", "CATEGORY": None}
        source = Path("paper_figures/explore.py")
        execute(source, parameters | chosen, Path("out"), Path("failed.ipynb"))
        notebook = nbformat.read("out/explore.ipynb", as_version=4)
        shown = [o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", [])]
        texts = "\n".join(data["text/markdown"] for data in shown if "text/markdown" in data)
        return texts, *(sum(f"image/{kind}" in data for data in shown) for kind in ("png", "webp"))

    return run


@pytest.mark.slow
def test_it_shows_the_reference(explored):
    texts, plots, photos = explored()
    assert "the reference" in texts and "| classification |" in texts
    assert (plots, photos) == (3, 1)  # of APs and losses; the report has a picture of the category


@pytest.mark.slow
def test_it_shows_two_others_and_names_a_mistake(explored):
    texts, plots, photos = explored(A="b01", B="b03")
    assert "seesaw errors b01_cascade_mask_rcnn b03_htc_lite" in texts
    assert "seesaw compare b01 b03" in texts and (plots, photos) == (3, 0)
    with pytest.raises(UserError, match="a13"):
        explored(A="a13")
    with pytest.raises(UserError, match="'rook'"):
        explored(CATEGORY="rook")


@pytest.mark.slow
def test_a_categorys_name_is_shown_as_text(explored):
    path = Path("reference/mini/category_counts.json")
    content = json.loads(path.read_text())
    for category in content["categories"]:
        category["name"] = rf"$\frac{{$ | {category['id']}"
    path.write_text(json.dumps(content))
    texts, plots, _ = explored()
    assert r"\$\\frac{\$ \| " in texts and plots == 3
