"""What tests start finds the code of this repository and the libraries of the caller."""

from repository import REPOSITORY, python


def test_a_process_finds_the_modules_that_its_caller_finds(tmp_path, monkeypatch):
    (tmp_path / "carried.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = "import carried, seesaw; print(carried.__file__, seesaw.__file__)"
    carried, ours = python(REPOSITORY, "-c", code).stdout.split()
    assert carried.startswith(str(tmp_path)) and ours.startswith(str(REPOSITORY / "src"))
