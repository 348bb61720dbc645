"""How far a training is; whole logs are in test_status.py, damaged ones in test_run_log.py."""

from traces import NOW, entry, training_log, write

from seesaw.workflow.progress import TAIL, lines, read_progress


def test_a_resumed_training_that_has_logged_nothing_yet_stands_where_it_ended(tmp_path):
    training_log(tmp_path, entry(400), age=5, resumed=410)
    found = read_progress(tmp_path)
    assert (found.iteration, found.total, found.starting) == (400, 1000, True)
    assert found.written == NOW - 5


def test_a_log_that_does_not_say_how_long_the_training_is(tmp_path):
    training_log(tmp_path, entry(400), total=None)
    found = read_progress(tmp_path)
    assert (found.iteration, found.total, found.seconds_left) == (400, None, None)


def test_no_log(tmp_path):
    assert read_progress(tmp_path / "none") is None
    write(tmp_path / "iter_100.pth")
    assert read_progress(tmp_path) is None


def test_only_the_end_of_a_long_log_is_read(tmp_path):
    path = write(tmp_path / "log", "first\n" + "x" * TAIL + "\nlast\ntorn")
    assert lines(path)[-1] == "last" and "first" not in lines(path)
