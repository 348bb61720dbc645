"""Hostile cases in a process of their own, which may use little time and memory."""

import resource
import signal
from contextlib import suppress
from multiprocessing import get_context

SECONDS, MEGABYTES = 10, 1000


def in_bounds(examine, cases):
    """Return what ``examine`` returns of each case; what it raises is printed by the process.

    The kernel ends the process where a case takes more than ten seconds of its time. What compiles
    or imports is better called once before, as its time counts too.
    """
    context = get_context("fork")
    received, sent = context.Pipe(duplex=False)

    def child():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        for case in cases:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            sent.send(examine(case))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < MEGABYTES, grown

    process = context.Process(target=child)
    process.start()
    sent.close()  # so that the process's end is seen
    found = []
    with suppress(EOFError):
        while True:
            found.append(received.recv())
    process.join()
    assert process.exitcode == 0, f"{process.exitcode} after {len(found)} of {len(cases)} cases"
    return found
