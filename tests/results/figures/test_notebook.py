"""Percent scripts to executed notebooks: the same bytes each time, and what a failure leaves."""

import ast
import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from facts import lacks, refusal

from seesaw.cli.main import main
from seesaw.core.files import sha256_file
from seesaw.core.records import provenance_path, read_record
from seesaw.errors import UserError
from seesaw.results.figures import notebook
from seesaw.results.figures.notebook import execute, read
from seesaw.spec.figures import FIGURES, SHOWN, files, outputs
from seesaw.spec.scales import Scale

NOTEBOOKS = Path(__file__).parents[3] / "paper_figures"
SCRIPT = """\
# %% [markdown]
# # Title

# %% tags=["parameters"]
TIMES = 1

# %%
import sys
import matplotlib.pyplot as plt
from IPython.display import Markdown, display
from seesaw.results.figures.style import save, use
use()
print("noise", file=sys.stderr)
figure, ax = plt.subplots()
ax.plot([0, 1], [0, TIMES], label="line")
ax.legend()
plt.show()
display(Markdown(f"times {TIMES}"))
save("script", figure, [{"x": 1, "y": 0.1 + 0.2}, {"x": 2, "y": None}])
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def run(script, output, **parameters):
    output.mkdir()
    execute(script, parameters or {"TIMES": 3}, output, output.parent / "log" / "failed.ipynb")
    return {path.name: path.read_bytes() for path in output.iterdir()}


def test_a_rerun_gives_the_same_bytes_of_all_files(script, tmp_path):
    first, second = run(script, tmp_path / "a"), run(script, tmp_path / "b")
    assert sorted(first) == [f"script.{kind}" for kind in ("csv", "ipynb", "pdf", "png", "svg")]
    assert first == second
    assert first["script.csv"] == b"x,y\n1,0.30000000000000004\n2,\n"
    made = nbformat.reads(first["script.ipynb"].decode(), as_version=4)
    nbformat.validate(made)
    assert [cell.id for cell in made.cells] == ["cell-00", "cell-01", "cell-02"]
    assert made.cells[1].source == "TIMES = 3"
    shown = [list(output.data) for output in made.cells[2].outputs]
    assert shown == [["image/png", "text/plain"], ["text/markdown", "text/plain"]]
    assert made.cells[2].outputs[1].data["text/markdown"] == "times 3"
    assert "noise" not in json.dumps(made.cells[2].outputs)
    assert str(tmp_path) not in first["script.ipynb"].decode()


def test_a_failed_cell_leaves_its_notebook_in_the_log_and_a_sentence(script, tmp_path, capsys):
    script.write_text(SCRIPT.replace("use()", "1 / 0"), encoding="utf-8")
    failed = tmp_path / "log" / "failed.ipynb"
    said = refusal(run, script, tmp_path / "a")
    assert not lacks(said, script, "ZeroDivisionError: division by zero", failed)
    assert list((tmp_path / "a").iterdir()) == []
    outputs = json.loads(failed.read_text())["cells"][2]["outputs"]
    assert [o["ename"] for o in outputs if o["output_type"] == "error"] == ["ZeroDivisionError"]
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "process"),
        ("import time; time.sleep(60)", " 2 s;"),
    ],
)
def test_a_cell_that_does_not_end_is_told_in_a_sentence(script, tmp_path, monkeypatch, cell, said):
    monkeypatch.setattr(notebook, "TIMEOUT", 2)
    script.write_text(f'# %% tags=["parameters"]\nTIMES = 1\n\n# %%\n{cell}\n', encoding="utf-8")
    with pytest.raises(UserError, match=f"^{re.escape(str(script))} .*{said}"):
        run(script, tmp_path / "a")


def test_a_script_needs_one_cell_of_parameters(script):
    script.write_text(SCRIPT.replace(' tags=["parameters"]', ""), encoding="utf-8")
    with pytest.raises(UserError, match=f"{re.escape(str(script))} .*0 cells"):
        read(script, {"TIMES": 1})
    with pytest.raises(UserError, match=r"nowhere\.py is missing"):
        read(script.with_name("nowhere.py"), {})


@pytest.mark.parametrize("name", FIGURES)
def test_the_figures_notebooks_take_scale_and_dataset(name):
    cells = read(NOTEBOOKS / f"{name}.py", {"SCALE": "smoke", "DATASET": None}).cells
    assert cells[0].source.startswith("# ")
    assert "SCALE = 'smoke'\nDATASET = None" in [cell.source for cell in cells]
    assert f'SCALE = "{SHOWN}"' in (NOTEBOOKS / f"{name}.py").read_text()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_committed_notebook_is_its_source_executed(path):
    """After an edit: ``seesaw figure <name> --reference``."""
    committed = nbformat.read(path, as_version=4)
    source = read(path.with_suffix(".py"), {"SCALE": SHOWN, "DATASET": None})
    assert [c.source for c in committed.cells] == [c.source for c in source.cells]
    assert not any(o.output_type == "error" for c in committed.cells for o in c.get("outputs", []))
    assert all(path.with_suffix(f".{kind}").is_file() for kind in ("svg", "png", "csv"))


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("folder", [".", "paper_figures", "results/mini/figures"])
def test_a_notebook_finds_the_repository_from_its_own_folder(name, folder, tmp_path, monkeypatch):
    source = ast.parse((NOTEBOOKS / f"{name}.py").read_text())
    searches = [node for node in source.body if "os.chdir" in ast.unparse(node)]
    for made in ("configs", folder):
        (tmp_path / made).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / folder)
    exec(compile(ast.Module(searches, []), name, "exec"), {"os": os})
    assert Path.cwd() == tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_drawn_again_is_the_same_to_the_byte(results, name, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent / "src"))
    scale = Scale("smoke")
    made = outputs(name, scale).values()

    def drawn():
        assert main(["figure", name, "--scale", "smoke"]) == 0
        return [path.read_bytes() for path in made]

    first = drawn()
    os.utime("paper_figures")
    assert drawn() == first
    for path in made:
        record = read_record(provenance_path(path))
        assert record["artefact"]["sha256"] == sha256_file(path)
        assert record["inputs"]["notebook"]["path"] == f"paper_figures/{name}.py"
        assert record["inputs"].keys() == {"notebook", *files(name, scale)}
