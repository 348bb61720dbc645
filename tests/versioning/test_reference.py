"""Reference results: frozen all or nothing, rebuilt byte for byte, compared and never overwritten."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seesaw import dependencies, paths
from seesaw.cli import main
from seesaw.errors import UserError
from seesaw.planning import jobs
from seesaw.provenance import failure_path, record, sha256_file
from seesaw.reporting.collect import collect
from seesaw.reporting.render import write_table
from seesaw.scales import Scale
from seesaw.versioning import reference
from tests_of_metadata import know

REPOSITORY = Path(__file__).parents[2]
FROZEN = sorted(p.name for p in (REPOSITORY / "reference").glob("*") if (p / "tables").is_dir())
