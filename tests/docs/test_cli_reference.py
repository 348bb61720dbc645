"""docs/cli.md is what the command line says of itself."""

import subprocess
import sys

from pages import REPOSITORY


def test_the_cli_reference_is_up_to_date():
    tool = [sys.executable, "tools/cli_reference.py"]
    made = subprocess.run(tool, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    kept = (REPOSITORY / "docs/cli.md").read_text()
    assert kept == made, "run `make cli-reference` and commit docs/cli.md"
