"""The spreads that are assumed in these tests, so that new measurements change no number here."""

import pytest

from seesaw.results.tables.verdicts import ASSUMED


@pytest.fixture(autouse=True)
def spreads(monkeypatch):
    """The run-to-run spread of a fictitious mini scale."""
    monkeypatch.setitem(ASSUMED, "mini", {"AP_r": 1.2, "AP_box": 1.1, "": 1.6})
