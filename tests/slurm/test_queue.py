"""What the executor makes of squeue's answers and of noted ends, against stand-ins for Slurm."""

import json

import pytest
from facts import lacks
from stand_ins import Alone, command, end, job, listed

from seesaw.workflow.slurm import ledger, queue, segments
from seesaw.workflow.slurm.ledger import Submission


def test_a_failing_squeue_changes_nothing(place, caplog):
    listed(place, ("1", "RUNNING", "None"), ("2", "PENDING", "Priority"))
    executor = Alone().watching("1", "2")
    assert executor.ask() == {"1": "active", "2": "active"}
    before = dict(executor._watch.known)
    command(place, "squeue", "echo 'slurm_load_jobs error' >&2; exit 1")
    assert executor.ask() == {"1": "active", "2": "active"}
    assert executor._watch.known == before
    assert "slurm_load_jobs error" in caplog.text


def test_an_answer_in_another_form_changes_nothing(place, caplog):
    listed(place, ("1", "RUNNING", "None"))
    executor = Alone().watching("1")
    assert executor.ask() == {"1": "active"}
    before = dict(executor._watch.known)
    command(place, "squeue", "echo '1|RUNNING|n1'")  # of a version that dropped columns
    assert executor.ask() == {"1": "active"}
    assert executor._watch.known == before and "1|RUNNING|n1" in caplog.text
    command(place, "squeue", "echo '| slow today |'")  # a site's own words, and no jobs
    assert queue.mine() == ({}, "")


def test_what_squeue_or_the_logs_folder_does_never_ends_the_watch(place):
    executor = Alone().watching("7")
    (place / "bin/squeue").write_text("no program")  # it cannot be started
    assert executor.ask() == {"7": "active"}
    command(place, "squeue", "printf '8|RUNNING|n1|caf\\351|None|\\n7|COMPLETED|n1|run|None|\\n'")
    (place / "log").mkdir()  # it cannot be deleted as a file
    assert executor.ask() == {"7": "success"}


def test_a_damaged_line_of_the_notes_is_left_out(place):
    work = "mini/train_wildcards_a01_0"
    ledger.FOLDER.mkdir(parents=True)
    ledger.SUBMITTED.write_bytes(
        b'{"job": "\xff"}\n{}\n[]\n'
        b'{"job": "2", "run": "r", "key": "k", "fingerprint": "", "asked": null}\n'
        b'{"job": "3", "run'  # half-written: the next note takes no harm
    )
    ledger.note(Submission("1", "run", work, "", {"--mem": "1000"}))
    end("1", "0 9 n1")
    with (ledger.ENDS / "1").open("ab") as file:
        file.write(b"1 \xff n2\n0 3\n")
    for name, text in {"a": "[]", "b": "{}", "c": '{"1": {}}', "d": '{"1": [], "2"'}.items():
        (ledger.FOLDER / f"{name}.json").write_text(text)
    segments_of = place / "segments.jsonl"
    segments_of.write_bytes(b'{}\n{"job": "1", "stat\xffs": 137}\n')
    assert [one.job for one in ledger.submitted()] == ["1"]
    assert ledger.bad_nodes(work) == [] and dict(ledger.seen("1")) == {}
    assert [one.node for one in ledger.ends("1")] == ["n1"]
    assert segments.records(place) == [] and segments.memory(1000, place) == 1000


def test_of_a_job_that_several_calls_watched_the_newest_is_known(place):
    ledger.FOLDER.mkdir(parents=True)
    for state, since, run in (("PENDING", 1, "a"), ("RUNNING", 3, "b"), ("FAILED", 2, "c")):
        entry = {"1": {"state": state, "since": since}, run: {"state": state, "since": 0}}
        (ledger.FOLDER / f"{run}.json").write_text(json.dumps(entry))
        assert ledger.seen(run)["state"] == state
    assert ledger.seen("1")["state"] == "RUNNING" and not ledger.seen("2")


def test_the_display_knows_what_waits(place):
    executor = Alone().watching("7")
    executor.run_job_pre(job())
    assert queue.waiting(1) and not queue.waiting(2)
    for state, waits in (("PENDING", True), ("RUNNING", False), ("REQUEUED", True)):
        listed(place, ("7", state, "None"))
        executor.ask()
        assert queue.waiting(1) is waits


def test_a_job_in_no_queue_counts_by_its_noted_end(place, lost):
    listed(place, *((job, "RUNNING", "None") for job in "124"), ("3", "PREEMPTED", "None"))
    executor = Alone().watching(*"1234")
    executor.ask()
    end("1", "75 9 n1", "0 3 n1")
    end("4", "0 3 n1", "1 3 n1")
    listed(place, ("3", "PREEMPTED", "None"))
    lost(100)
    assert set(executor.ask().values()) == {"active"}
    lost(0)
    reported = {"1": "success", "2": "error", "3": "error", "4": "error"}
    assert executor.ask() == reported
    lost(100)
    assert executor.ask() == reported


def test_a_job_that_ended_may_leave_the_queue(place):
    listed(place, ("1", "FAILED", "None"), ("2", "COMPLETED", "None"))
    executor = Alone().watching("1", "2")
    executor.ask()
    listed(place)
    assert executor.ask() == {"1": "error", "2": "success"}
    (error,) = executor.errors
    assert not lacks(error, "job 1", "FAILED")


def test_a_job_of_an_earlier_call_is_taken_over_and_watched(place, caplog):
    ledger.note(Submission("7", "before", "mini/train_wildcards_a01_0", "x", {}))
    listed(place, ("7", "RUNNING", "None"), name="before")
    executor = Alone()
    assert executor.submit() == "7" and len(ledger.submitted()) == 1
    assert not lacks(caplog.text, "job 7", "RUNNING")
    assert executor.ask() == {"7": "active"}
    listed(place, ("7", "COMPLETED", "None"), name="before")
    assert executor.ask() == {"7": "success"}


def test_a_job_that_the_queue_forgot_before_it_was_asked(place, lost):
    listed(place)
    lost(100)
    executor = Alone().watching("7")
    assert executor.ask() == {"7": "active"}
    end("7", "0 3 n1")
    lost(0)
    assert executor.ask() == {"7": "success"}


@pytest.mark.parametrize(
    "shown", ['case "$*" in *--all*) true;; *) false;; esac', '[ -z "$SQUEUE_PARTITION" ]']
)
def test_neither_a_hidden_partition_nor_the_users_filter_hides_a_job(
    place, lost, monkeypatch, shown
):
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    row = "7|RUNNING|n1|run|None|rule_train_wildcards_a01_0"
    command(place, "squeue", f"if {shown}; then echo '{row}'; fi")
    lost(0)
    executor = Alone().watching("7")
    assert [executor.ask(), executor.ask()] == [{"7": "active"}] * 2


def test_a_failed_node_is_remembered_when_its_job_waits_again(place):
    ledger.note(Submission("1", "run", "mini/speed", "", {}))
    listed(place, ("1", "NODE_FAIL", "None"))
    executor = Alone().watching("1")
    assert executor.ask() == {"1": "active"}
    listed(place, ("1", "PENDING", "Priority"))
    assert executor.ask() == {"1": "active"}
    assert ledger.bad_nodes("mini/speed") == ["n1"]


def test_a_reason_that_does_not_end_is_said_once(place, monkeypatch):
    monkeypatch.setattr(queue, "WAITING", 0)
    full = ("3", "PENDING", "QOSMaxJobsPerUserLimit")
    listed(place, ("1", "PENDING", "Priority"), ("2", "PENDING", "InvalidQOS"), full)
    said: list[str] = []
    watch = queue.Watch("run", said.append)
    for _ in range(3):
        watch.states(["1", "2", "3"])
    (sentence,) = said
    assert not lacks(sentence, "job 2", "InvalidQOS")
    known = json.loads((ledger.FOLDER / "run.json").read_text())
    assert not known["1"]["reported"] and known["2"]["reported"]


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("JobHeldUser", ["`scontrol release 7`"]),
        ("JobHeldAdmin", ["operator", "`scontrol release 7`"]),
        ("RESV_DEL_HOLD", ["`scontrol release 7`"]),
        ("PartitionTimeLimit", ["alone", "site.yaml"]),
        ("QOSMaxGRESPerUser", ["other jobs", "site.yaml"]),
        ("SUSPENDED", ["`scontrol resume 7`"]),
        ("InvalidQOS", ["`scontrol show job 7`", "site.yaml"]),
        ("ReqNodeNotAvail, UnavailableNodes:n1", ["`sinfo -R`"]),
    ],
)
def test_what_to_type_for_a_job_that_nothing_starts(reason, fix):
    assert not lacks(queue.waits(reason, ["7"]), "job 7", reason, *fix, "`scancel 7`")
