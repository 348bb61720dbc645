"""docs/cli.md is what the command line says of itself."""

from repository import REPOSITORY, python


def test_the_cli_reference_is_up_to_date():
    made = python(REPOSITORY, "tools/cli_reference.py").stdout
    kept = (REPOSITORY / "docs/cli.md").read_text()
    assert kept == made, "run `make cli-reference` and commit docs/cli.md"
