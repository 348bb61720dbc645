"""A fresh clone as plan and status see it: configs and rules, no data and no results."""

import pytest

from seesaw.spec.scales import Scale
from seesaw.workflow.jobs import workflow


@pytest.fixture
def graph(clone):
    """The job graph of paper scale."""
    return workflow(Scale("paper"))


@pytest.fixture
def paper(graph):
    """Experiment table, paper scale and all of its jobs."""
    return graph.scale.table, graph.scale, graph.every
