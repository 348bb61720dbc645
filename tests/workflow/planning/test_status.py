"""Where experiments stand, from the files of whole, torn, dead and failed runs."""

import json
import re

import pytest
from facts import lacks
from repository import python
from rich.console import Console
from traces import A01, DATA, DETECT, EVALUATE, NOW, entry, make, make_data, training_log, write

from seesaw.cli.main import main
from seesaw.core.records import failure_path, provenance_path
from seesaw.core.versions import library_versions
from seesaw.spec import experiments
from seesaw.spec.scales import Scale
from seesaw.workflow import dependencies
from seesaw.workflow.jobs import finished, snakemake_record
from seesaw.workflow.status import print_status, standing, upgraded

KNOWN = {A01: "f1"}


@pytest.fixture
def stands(paper):
    """A job's standing at NOW, by id."""
    _, scale, jobs = paper

    def of(job, known=KNOWN):
        return standing(jobs[job], finished(jobs, known), scale, known, NOW)

    return of


@pytest.fixture
def work(paper):
    """The work directory of a01's current fingerprint."""
    return paper[1].work / "a01_mask_rcnn/seed0/f1"


def marker(paper, job, age=0.0, slurm=None):
    path = snakemake_record("incomplete", paper[2][job].outputs[0])
    return write(path, json.dumps({"external_jobid": slurm}), age)


def test_nothing_has_begun(stands):
    for job in (A01, DETECT, EVALUATE, "data", "speed"):
        assert (stands(job).state, stands(job).note) == ("–", "")


def test_done(paper, stands):
    for job in (*DATA, A01):
        make(paper[2][job], fingerprint="f1")
    assert stands(A01).state == "done" and stands(DETECT).state == "–"


def test_trainings_with_other_libraries_are_counted(paper, stands):
    make_data(paper[2])
    make(paper[2][A01], fingerprint="f1")
    record = provenance_path(paper[2][A01].outputs[0])
    content = json.loads(record.read_text())
    for version, expected in ((library_versions()["torch"], []), ("1.0", ["torch 1.0"])):
        content["versions"] = {"torch": version, "python": "3.0"}
        record.write_text(json.dumps(content))
        found = upgraded([stands(A01), stands(DETECT)])
        assert [library.split(" (")[0] for library in found] == expected


def test_made_of_an_older_state(paper, stands):
    make_data(paper[2])
    make(paper[2][A01], fingerprint="f0")
    log = "logs/paper/train/a01_mask_rcnn/seed0.log"
    write(log, "done\n", age=-5)  # fresh, yet only the end of what made the old one
    assert stands(A01).state == "outdated"
    assert stands(A01, known=None).state == "done"
    write(paper[2][A01].outputs[0], age=9000)
    write(log, "training again\n", age=5)
    assert stands(A01).state == "running"


def test_weights_that_were_removed_are_to_do(paper, stands):
    """As the workflow's question says it, to train again."""
    make_data(paper[2])
    make(paper[2][A01], fingerprint="f0")
    log = write("logs/paper/train/a01_mask_rcnn/seed0.log", "done\n")
    paper[2][A01].outputs[0].unlink()
    assert stands(A01).state == "–"
    write(log, "training again\n", age=-100)
    assert stands(A01).state == "running"


def test_running(stands, work):
    training_log(work, entry(380) + entry(400, time=36.0, loss=0.75), age=12)
    found = stands(A01)
    assert (found.state, found.share) == ("running", 0.4)
    assert not lacks(found.note, "400 of 1,000", "0.75", "36.00 s", "6 h 00 min", "12 s")


@pytest.mark.parametrize(
    ("time", "age", "state"),
    [
        (0.5, 59, "running"),  # five log lines of 20 iterations take 50 s: a minute at least
        (0.5, 61, "no sign"),
        (6.0, 590, "running"),  # five log lines take ten minutes
        (6.0, 610, "no sign"),
    ],
)
def test_silence_is_judged_by_the_trainings_own_pace(stands, work, time, age, state):
    training_log(work, entry(380, time=time) + entry(400, time=time), age=age)
    assert stands(A01).state == state


def test_a_dead_run_is_not_shown_as_running(stands, work):
    training_log(work, entry(380) + entry(400), age=1500)
    write("logs/paper/train/a01_mask_rcnn/seed0.log", "Killed\n", age=1490)
    found = stands(A01)
    assert found.state == "no sign"
    assert not lacks(found.note, "25 min", "400 of 1,000", "1.25")


def test_loading_the_dataset_takes_its_time(stands, work):
    training_log(work, "", age=800)
    assert stands(A01).state == "running" and "800 s" in stands(A01).note
    training_log(work, "", age=1000)
    assert stands(A01).state == "no sign"


def test_another_fingerprints_run_is_not_this_training(paper, stands):
    training_log(paper[1].work / "a01_mask_rcnn/seed0/f0", entry(400), age=5)
    assert stands(A01).state == "–"
    assert stands(A01, known=None).state == "running"  # unknown: the newest counts


def test_queued(paper, stands):
    marker(paper, A01, age=7200, slurm="4711")
    found = stands(A01)
    assert (found.state, found.slurm) == ("queued", "4711") and "2 h 00 min" in found.note
    seen = {"state": "PENDING", "reason": "Priority", "since": 1.0}
    write(".snakemake/slurm_jobs/call.json", json.dumps({"4711": seen}))
    assert not lacks(stands(A01).note, "2 h 00 min", "PENDING", "Priority")
    held = seen | {"reason": "JobHeldUser", "reported": True}
    write(".snakemake/slurm_jobs/call.json", json.dumps({"4711": held}))
    assert not lacks(stands(A01).note, "JobHeldUser", "`scontrol release 4711`")
    stays = seen | {"state": "SUSPENDED", "reason": "None", "reported": True}
    write(".snakemake/slurm_jobs/call.json", json.dumps({"4711": stays}))
    assert not lacks(stands(A01).note, "SUSPENDED", "`scontrol resume 4711`")


@pytest.fixture
def cut_off(work):
    """A training that has saved and ended at its deadline."""
    training_log(work, entry(400), age=3600)
    record = {"done": 412, "total": 1000, "reason": "the deadline"}
    write(work / "interrupted.json", json.dumps(record), age=3590)


def test_requeued_by_itself(stands, cut_off):
    noted = dict(job="7", run="r", key="paper/train_wildcards_a01_mask_rcnn_0")
    write(
        ".snakemake/slurm_jobs/submitted.jsonl", json.dumps(noted | dict(fingerprint="", asked={}))
    )
    write(".snakemake/slurm_jobs/r.json", json.dumps({"7": dict(state="PENDING", since=1.0)}))
    found = stands(A01)
    assert (found.state, found.share, found.slurm) == ("queued", 0.412, "7")
    assert not lacks(found.note, "the deadline", "iteration 412", "PENDING")
    write(".snakemake/slurm_jobs/r.json", json.dumps({"7": dict(state="FAILED", since=1.0)}))
    assert stands(A01).state == "stopped"


def test_cut_off_at_its_deadline_and_queued_again(paper, stands, cut_off):
    found = stands(A01)
    assert (found.state, found.share) == ("stopped", 0.412)
    assert not lacks(found.note, "the deadline", "iteration 412")
    marker(paper, A01, age=9000)
    assert stands(A01).state == "queued"
    write("logs/paper/train/a01_mask_rcnn/seed0.log", "loading\n", age=10)  # started again
    assert stands(A01).state == "running"


def test_a_record_of_another_version_of_the_code_is_left_out(paper, stands, work):
    training_log(work, entry(400), age=9000)
    write(work / "interrupted.json", json.dumps({"iteration": 412, "iterations": 1000}), age=8990)
    assert stands(A01).state == "no sign"


def test_a_failure_record_is_told_whatever_the_logs_say(paper, stands, work):
    training_log(work, entry(400), age=5)
    output = paper[2][A01].outputs[0]
    write(failure_path(output), json.dumps({"error": "diverged.\nmore"}))
    assert (stands(A01).state, stands(A01).note) == ("failed", "diverged.")
    write(failure_path(output), '{"error": "the lo')  # torn: then the logs tell
    assert stands(A01).state == "running"


def test_a_detection_runs_while_its_part_grows(paper, stands):
    part = paper[2][DETECT].outputs[0].with_name(".detections.jsonl.k.part")
    write(part, age=100)
    assert stands(DETECT).state == "running" and "100 s" in stands(DETECT).note
    write(part, age=1000)
    assert stands(DETECT).state == "no sign" and "17 min" in stands(DETECT).note


def test_the_log_of_the_last_attempt_counts(stands):
    write("logs/paper/evaluate/a01_mask_rcnn/seed0/a01_mask_rcnn.log", age=5000)
    newest = write("logs/paper/evaluate/a01_mask_rcnn/seed0/a01_mask_rcnn.2.log", age=50)
    found = stands(EVALUATE)
    assert found.state == "running" and found.log.name == newest.name


def test_what_is_printed(graph, paper, stands, work, capsys):
    table, scale, jobs = paper
    make_data(jobs)
    training_log(work, entry(380) + entry(400), age=1500)
    write(work / "lease", json.dumps({"job": "4711"}))
    log = write("logs/paper/train/a01_mask_rcnn/seed0.log", "one\ntwo\n\nthree\nfour\nto", age=1490)
    failed = jobs["train/a02_syncbn/seed0"]
    write(failure_path(failed.outputs[0]), json.dumps({"error": "diverged."}))
    found = [stands(i) for i in graph.select("table_a1")]
    print_status(found, table, scale, Console(width=100), "")
    text = capsys.readouterr().out
    left = sum(s.job.rule == "train" for s in found) - 2
    assert re.search(rf"^train: 1 no sign, 1 failed, {left} ", text, re.M)
    assert "data: 1 done\n" in text
    rows = [line.split()[0] for line in text.splitlines() if line.startswith((" a1", "a1"))]
    assert rows == ["a10_seesaw", "a11_dual_head", "a12_test_time_augmentation"]
    shown = text[text.index(f"no sign {A01}: ") :]
    assert re.findall(r"^  \| (.*)", shown, re.M)[:3] == ["two", "three", "four"]
    assert f"  log: {log}\n" in shown
    again = "snakemake --profile slurm results/paper"
    assert "  next: squeue -j 4711;" in shown
    assert f": {again}/a01_mask_rcnn/seed0/model.pth\n" in shown
    assert "failed train/a02_syncbn/seed0: diverged.\n" in shown
    assert f"  next: {again}/a02_syncbn/seed0/model.pth\n" in shown
    assert "\x1b[" not in text


def test_a_download_that_failed_is_not_running(paper, stands):
    job = "download/lvis_v1"
    log = "logs/paper/download/lvis_v1.log"
    write(log, "lvis_v1_train.json.zip: 3 MB\n", age=5)
    assert stands(job).state == "running"
    write(log, "3 MB\nseesaw download: disk full.\n", age=5)
    assert (stands(job).state, stands(job).note) == ("failed", "disk full.")
    write(log, "Traceback (most recent call last):\n  x\nOSError: full\n", age=5)
    assert (stands(job).state, stands(job).note) == ("failed", "OSError: full")
    marker(paper, job, age=1)  # begun again
    assert stands(job).state == "running"


def test_a_long_detection_says_how_far_it_is(paper, stands):
    log = f"logs/paper/{DETECT}.log"
    write(log, "loading\n120 of 5,000 images, 49 min left\n", age=5)
    assert stands(DETECT).state == "running"
    assert not lacks(stands(DETECT).note, "120 of 5,000", "49 min")


def test_the_next_command(clone, printed):
    again = "snakemake --profile slurm table_a2"
    said = printed("status", "table_a2", "--scale", "paper")
    assert f"next: {again}" in said and "last call" not in said
    write(dependencies.cache(Scale("paper")), "{}")  # of older code
    said = printed("status", "table_a2", "--scale", "paper")
    assert "last call" in said and f"{again} -n" in said
    said = printed("status", "a01", "--scale", "paper")
    final = "results/paper/a01_mask_rcnn/seed0/a01_mask_rcnn/metrics.json"
    assert f"snakemake --profile slurm {final} -n" in said


def test_the_verb_loads_neither_torch_nor_mmdet(clone):
    code = (
        "import sys; from seesaw.cli.main import main\n"
        "status = main(['status', '--scale', 'paper']);"
        "print(sorted({'torch', 'mmdet', 'mmengine', 'snakemake', 'numpy'} & set(sys.modules)))"
        "; sys.exit(status)"
    )
    done = python(clone, "-c", code)
    assert done.stdout.splitlines()[-1] == "[]"
    assert f"train: {len(experiments.load().trainings)} " in done.stdout


def test_the_exit_code_says_that_someone_is_needed(paper, clone, printed):
    assert main(["status", "a02", "--scale", "paper"]) == 0
    output = paper[2]["train/a02_syncbn/seed0"].outputs[0]
    write(failure_path(output), json.dumps({"error": "diverged."}))
    assert main(["status", "a02", "--scale", "paper"]) == 1
    assert main(["status", "a01", "--scale", "paper"]) == 0
    assert "'a99'" in printed("status", "a99", "--scale", "paper", code=2)
