"""docs/cli.md is what the command line says of itself."""

import sys

import pytest
from repository import REPOSITORY, python


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse indents otherwise from 3.13 on")
def test_the_cli_reference_is_up_to_date():
    made = python(REPOSITORY, "tools/cli_reference.py").stdout
    kept = (REPOSITORY / "docs/cli.md").read_text()
    assert kept == made, "run `make cli-reference` and commit docs/cli.md"
