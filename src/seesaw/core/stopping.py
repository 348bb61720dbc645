"""Stop a job before its deadline or on a signal, with an exit code that means 'run again'."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import weakref
from pathlib import Path
from typing import Any

from seesaw.core.files import write_atomic
from seesaw.errors import Interrupted, UserError

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
LEAST_MARGIN = 60.0  # s
_DEADLINE = 1


def deadline(minutes: float | None) -> float | None:
    """Return the time by which the job must end, in s since 1970, or None.

    It is ``minutes`` from now, or ``SEESAW_DEADLINE`` (s since 1970) if that is earlier.
    """
    given = [] if minutes is None else [time.time() + 60 * minutes]
    if text := os.environ.get("SEESAW_DEADLINE"):
        if not re.fullmatch(r"\d+(\.\d*)?", text):
            raise UserError(
                f"SEESAW_DEADLINE is {text!r}; give seconds since 1970 (date +%s) or unset it."
            )
        given.append(float(text))
    return min(given, default=None)


class Watch:
    """Notices SIGTERM and SIGUSR1, from entry to exit, and a near deadline (s since 1970).

    While a watch exists, forked processes start with these signals blocked: a loader worker is safe
    from them before `leave_signals_to_the_main_process` runs in it, too.
    """

    def __init__(self, deadline: float | None):
        self.deadline = deadline
        self._signal = 0
        _watches.add(self)

    def __enter__(self) -> Watch:
        self._old = {number: signal.signal(number, self._received) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def code(self, saving: float = 0.0) -> int:
        """Return 0 to go on, and otherwise a number for `reason`.

        The margin before the deadline is three times the seconds that ``saving`` takes, and at
        least a minute.
        """
        if self._signal or self.deadline is None:
            return self._signal
        return _DEADLINE if time.time() > self.deadline - max(LEAST_MARGIN, 3 * saving) else 0

    def _received(self, number: int, frame: object) -> None:
        self._signal = number


_watches: weakref.WeakSet[Watch] = weakref.WeakSet()


def _at_fork(how: int) -> None:
    if _watches:
        signal.pthread_sigmask(how, SIGNALS)


os.register_at_fork(
    before=lambda: _at_fork(signal.SIG_BLOCK),
    after_in_parent=lambda: _at_fork(signal.SIG_UNBLOCK),
)


def reason(code: int) -> str:
    """Return what stopped the job: the deadline or a signal's name."""
    return "the deadline" if code == _DEADLINE else signal.Signals(code).name


def note(work: Path, done: int, total: int, why: str) -> None:
    """Write to a work directory how far the job came before it was stopped."""
    work.mkdir(parents=True, exist_ok=True)
    record = {"done": done, "total": total, "reason": why}
    write_atomic(work / Interrupted.RECORD, json.dumps(record) + "\n")


def leave_signals_to_the_main_process(worker: int) -> None:
    """Ignore signals in a loader worker; the main process stops in time and ends the worker."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def end_workers(loading: Any) -> None:
    """End the loader's workers, if there are any.

    The workers ignore SIGTERM, with which Python would end them at its exit, so Python would wait
    for ever. The loader's own shutdown ends them, but torch calls it only when the iterator is
    freed. ``loading`` is such a loader with persistent workers, or mmengine's iterator over one.
    """
    inner = getattr(loading, "_iterator", None)
    if (end := getattr(inner, "_shutdown_workers", None)) is not None:
        end()
