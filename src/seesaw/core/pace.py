"""Print from time to time how much of a long job is done, for the terminal or the job's log."""

from __future__ import annotations

import time

EVERY = 30.0  # seconds between two lines


class Pace:
    """Prints ``120 of 5,000 images, 49 min left`` at most every 30 s.

    ``unit`` is a plural; an earlier attempt has ``done`` so many.
    """

    def __init__(self, unit: str, total: int, done: int = 0):
        self.unit, self.total, self.first = unit, total, done
        self.begun = self.printed = time.monotonic()

    def report(self, done: int) -> None:
        """Print how many are done, and the time that the others take at the speed so far."""
        now = time.monotonic()
        if now - self.printed < EVERY or done <= self.first:
            return
        self.printed = now
        minutes = (now - self.begun) / (done - self.first) * (self.total - done) / 60
        print(f"{done:,} of {self.total:,} {self.unit}, {minutes:,.0f} min left", flush=True)
