"""Waiting for what another process does, on a machine that may be busy."""

import time


def wait_until(condition, seconds: float = 60.0):
    """Return what a condition gives, once that is true; fail after so many seconds."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"nothing after {seconds:g} s"
        time.sleep(0.1)
    return found
