"""A job is stopped by its main process alone, at whatever moment the signal comes."""

import os
import signal
import time

import pytest
from torch.utils.data import DataLoader, Dataset

from seesaw.core.stopping import Watch, deadline, leave_signals_to_the_main_process
from seesaw.errors import UserError


class Pids(Dataset):
    """Each element is the id of the process that loads it."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return os.getpid()


def start_late(worker):
    """A worker on a busy machine: the signal comes before it ignores signals."""
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.1)
    leave_signals_to_the_main_process(worker)
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_does_not_end_a_loader_worker_that_has_just_started():
    watch = Watch(None)
    loader = DataLoader(Pids(), num_workers=1, batch_size=None, worker_init_fn=start_late)
    pids = list(loader)
    assert len(pids) == 2 and os.getpid() not in pids
    assert watch.code() == 0
    assert not {signal.SIGTERM, signal.SIGUSR1} & signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "tomorrow"])
def test_a_deadline_that_never_comes_is_refused(monkeypatch, text):
    monkeypatch.setenv("SEESAW_DEADLINE", text)
    with pytest.raises(UserError, match=rf"SEESAW_DEADLINE is '{text}'.*date \+%s"):
        deadline(None)
