"""What jobs asked for and used: sums and shares of hand-made notes."""

import pytest
from repository import REPOSITORY
from stand_ins import end

from seesaw.workflow.slurm import efficiency, ledger
from seesaw.workflow.slurm.ledger import Submission


def job(number: int, key: str, asked: dict[str, str], *ends: str) -> None:
    ledger.note(Submission(str(number), "run", key, "", asked))
    end(str(number), *ends)


def test_a_rule_by_hand(place):
    asked = {"-t": "60", "--mem": "4000", "--gpus": "a100:8"}
    # cut off once, then done; another failed after half an hour and was tried again
    job(1, "paper/train_wildcards_a01_0", asked, "75 3600 n1", "0 1800 n1")
    job(2, "paper/train_wildcards_a02_0", asked, "1 1800 n2")
    job(3, "paper/train_wildcards_a02_0", asked, "0 3600 n1")
    job(4, "smoke/train_wildcards_a01_0", asked, "0 9999 n1")
    benchmark = place / "logs/paper/benchmarks/train/a01_seed0.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\tmax_rss\n1800.0\t3000.00\n900.0")  # a full disk
    (use,) = efficiency.used("paper", place / "logs/paper/benchmarks")
    assert use == efficiency.Use("train", 2, 3, 3.0, 1 / 6, 24.0, 1.0, 0.75)


def test_what_is_not_known_is_not_reported(place):
    job(1, "mini/speed", {})
    (use,) = efficiency.used("mini", place)
    assert use == efficiency.Use("speed", 1, 1, 0.0, 0.0, 0.0, None, None)


@pytest.mark.parametrize(
    ("asked", "gpus"),
    [
        ({"--gpus": "8"}, 8),
        ({"--gpus": "a100:2", "--nodes": "1"}, 2),
        ({"--gres": "gpu:a100:8", "--nodes": "2"}, 16),
        ({"--nodes": "2"}, 0),
    ],
)
def test_gpus(asked, gpus):
    assert efficiency.gpus(asked) == gpus


def test_without_jobs_a_sentence(place, printed):
    (place / "configs").symlink_to(REPOSITORY / "configs")
    assert "scale mini" in printed("efficiency", "--scale", "mini", code=2)
