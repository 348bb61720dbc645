"""Finished trainings at paper scale: asked for, accepted or made again, never silently redone."""

import json

import pytest
from facts import lacks
from repository import WORKFLOW, copied, planned, python, replace, snakemake

from seesaw.spec.scales import Scale
from seesaw.workflow import jobs

pytestmark = pytest.mark.slow
RUNGS = ("a09_stronger_backbone", "a10_seesaw", "a11_dual_head")
MODELS = [f"results/paper/{rung}/seed0/model.pth" for rung in RUNGS]


def seesaw(root, *words, code=0):
    return python(root, "-m", "seesaw.cli", *words, code=code)


def dry(root, *targets, profile="slurm", code=0):
    return snakemake(root, "--profile", profile, "-n", *targets, code=code)


def fingerprints(root):
    return json.loads(seesaw(root, "fingerprints", "--scale", "paper").stdout)


def edit(root, old, new):
    replace(root / "configs/table_a1/a10_seesaw.py", old, new)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A repository in which three rungs of Table A1 are finished at paper scale."""
    root = copied(tmp_path_factory.mktemp("root"), *WORKFLOW, "requirements.lock")
    scale = Scale("paper")
    every = jobs.workflow(scale).every.values()
    made = [path for job in every if job.rule in ("download", "data") for path in job.outputs]
    for name in [*made, *MODELS]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")
        (root / f"{name}.provenance.json").write_text("{}")
    known = fingerprints(root)
    for rung, model in zip(RUNGS, MODELS, strict=True):
        record = {"fingerprint": known[f"train/{rung}/seed0"], "inputs": {}, "remarks": ["one"]}
        (root / f"{model}.provenance.json").write_text(json.dumps(record))
    snakemake(root, "--touch", *MODELS, "--config", "scale=paper", "--cores", "1")
    return root


def test_a_finished_training_is_asked_for_and_stays_when_accepted(root):
    before = fingerprints(root)
    assert planned(dry(root, *MODELS)) == {}

    edit(root, "del head\n", "del head\nschedule = dict(milestones=[30, 41])\n")
    said = dry(root, *MODELS, code=1)
    change = "schedule.milestones [30, 40] -> [30, 41]"
    why = f"a10_seesaw seed0 ({change})", "a11_dual_head seed0 ("
    accept = "seesaw accept a10_seesaw a11_dual_head --scale paper --because '...'"
    again = f"rm {' '.join(MODELS[1:])}"
    assert not lacks(said, *why, accept, again)
    for verb in ("plan", "status"):
        output = seesaw(root, verb, "table_a1", "--scale", "paper", code=None).stdout
        assert not lacks(output, accept, again)
    # what does not need the two is planned
    dry(root, MODELS[0])
    # a training that is not finished is nobody's loss, and at other scales nothing is asked
    dry(root, "results/paper/a01_mask_rcnn/seed0/model.pth")
    dry(root, "table_a1", profile="local")

    refused = seesaw(root, "accept", "a11", "--because", "a test", code=2)
    assert not lacks(refused.stderr, "a11_dual_head", "a10_seesaw")
    refused = seesaw(root, "accept", "a09", "--because", "a test", code=2)
    assert "a09_stronger_backbone" in refused.stderr
    assert not (root / "configs/accepted.yaml").exists()
    seesaw(root, "accept", "a11", "a10", "--because", "a test")

    assert planned(dry(root, *MODELS)) == {}
    # the status and the plan, from the same fingerprints
    after = fingerprints(root)
    for rung in RUNGS:
        assert after[f"train/{rung}/seed0"] == before[f"train/{rung}/seed0"]
    assert after["table"] != before["table"]  # its remarks are to be printed
    said = seesaw(root, "plan", "a11", "--scale", "paper", code=None).stdout
    assert "train/" not in said.partition("critical path")[2]
    record = json.loads((root / f"{MODELS[1]}.provenance.json").read_text())
    first, remark = record["remarks"]
    assert first == "one" and remark.endswith(": a test") and change in remark
    # the child changed with its parent alone
    accepted = (root / "configs/accepted.yaml").read_text()
    assert "a10_seesaw" in accepted and "a11_dual_head" not in accepted

    # a further change asks again, and going back is no question
    edit(root, "30, 41", "30, 42")
    assert not lacks(dry(root, *MODELS, code=1), "[30, 40] -> [30, 42]")
    edit(root, "30, 42", "30, 41")
    dry(root, *MODELS)
    # the command that the sentence names trains again
    edit(root, "30, 41", "30, 42")
    for model in MODELS[1:]:
        (root / model).unlink()
    assert planned(dry(root, *MODELS))["train"] == 2


def test_a_finished_training_does_not_begin_anew_for_a_changed_file(root):
    manifest = root / Scale("paper").entry.manifest
    manifest.write_text("{ }")
    call = "--profile", "local", "--config", "scale=paper"
    said = snakemake(root, *call, "--", MODELS[0], code=1)
    assert not lacks(" ".join(said.split()), "a09_stronger_backbone seed0 (", "--touch", "rm ")
    assert (root / MODELS[0]).is_file()
    # who names the file to be forced has been asked; the training then lacks its backbone
    assert "--touch" not in snakemake(root, *call, "--force", "--", MODELS[0], code=1)
    assert not (root / MODELS[0]).exists()
