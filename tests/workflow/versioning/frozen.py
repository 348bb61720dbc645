"""What tests of the reference share: a finished run's table, a refusal."""

from pathlib import Path

import pytest
from made import know
from repository import content

from seesaw.errors import UserError
from seesaw.results.tables.collect import collect
from seesaw.results.tables.recorded import write_recorded
from seesaw.workflow import dependencies, jobs, reference

PLACE = "table_a1"


def table(scale):
    """Write the table and what Snakemake would know of it."""
    files = write_recorded(collect(PLACE, scale), scale)
    shown = jobs.workflow(scale).every[f"table/{PLACE}"].shown
    for path in files.values():
        know(path, params=[repr(dependencies.cached(scale)["table"]), *shown])


def refused(scale, said):
    before = content(Path("reference")) if Path("reference").is_dir() else {}
    with pytest.raises(UserError, match=said):
        reference.freeze(scale)
    after = content(Path("reference")) if Path("reference").is_dir() else {}
    assert after == before
