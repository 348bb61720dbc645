"""The lines that long work prints: how many are done, and the minutes left at the speed so far."""

import re
from types import SimpleNamespace

import pytest

from seesaw.core import pace
from seesaw.workflow.status import PACE


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(time=1000.0)
    monkeypatch.setattr(pace.time, "monotonic", lambda: now.time)
    return now


def test_the_time_left_is_that_of_this_attempts_speed(clock, capsys):
    """Of the last line, the three numbers: done, of how many, minutes left."""
    work = pace.Pace("images", 5000, done=2000)  # 2,000 by an earlier attempt
    for done in range(2001, 2101):
        clock.time += 6.0
        work.report(done)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 20 and re.findall(r"[\d,]*\d", said[-1]) == ["2,100", "5,000", "290"]
    assert all(PACE.fullmatch(line) for line in said)  # status shows them


def test_short_work_says_nothing(clock, capsys):
    work = pace.Pace("images", 10)
    for done in range(11):
        clock.time += 2.0
        work.report(done)
    assert capsys.readouterr().out == ""
