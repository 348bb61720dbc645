"""Hostile cases in a process of their own, which may use little time and memory."""

import resource
import signal
from functools import wraps
from multiprocessing import get_context

from hypothesis import HealthCheck, settings

SECONDS, MEGABYTES = 10, 1000


def given_often(cases, **chosen):
    """Settings of a hypothesis test of so many cases, which are the same in each run."""
    checks = list(HealthCheck)
    return settings(
        max_examples=cases, derandomize=True, deadline=None, suppress_health_check=checks, **chosen
    )


def timed(examine):
    """Let the kernel end the process where a call takes more than ten seconds of its time.

    For calls inside ``in_bounds``.
    """

    @wraps(examine)
    def call(*arguments, **named):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        return examine(*arguments, **named)

    return call


def in_bounds(run):
    """Call a function in a process of its own, where it may not take a gigabyte more.

    What it raises is printed by that process. What compiles or imports is better called once
    before, as its time and memory count too.
    """

    def child():
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < MEGABYTES, grown

    process = get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
