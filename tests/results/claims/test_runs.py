"""Which runs claims are measured on: current and whole ones, here or in the reference."""

from claim_results import CE, GAIN, SEESAW, both, evaluated, found, timed, trained
from repository import replace

from seesaw.core import paths
from seesaw.core.provenance import record
from seesaw.core.records import failure_path
from seesaw.results.claims.measure import report


def test_a_run_of_other_code_or_configs_does_not_count(claim):
    scale, claims = claim(**GAIN)
    both(scale, *[(1, 2)] * 5)
    model = scale.model(SEESAW, 2)
    model.write_bytes(b"weights")
    record(model, fingerprint="old")
    assert report(scale, claims, None, {f"train/{SEESAW}/seed2": "old"}).complete
    made = found(scale, claims, {f"train/{SEESAW}/seed2": "new"})
    assert (made.state, made.verdict) == ("incomplete", None)
    assert [run.seed for run in made.runs] == [0, 1, 3, 4]
    assert made.note.startswith(f"{SEESAW}/seed2: ")


def test_detections_of_other_code_or_configs_do_not_count(claim):
    scale, claims = claim(**GAIN, seeds=(0, 1))
    both(scale, (1, 1), (1, 1))
    detections = scale.detections(scale.table.evaluations[SEESAW], 1)
    detections.touch()
    record(detections, fingerprint="old")
    known = {f"detect/{SEESAW}": "new"}
    made = found(scale, claims, known)
    assert [run.seed for run in made.runs] == [0]
    assert made.note.startswith(f"{SEESAW}/seed1: ")


def test_gradients_of_earlier_weights_do_not_count(claim):
    """Those of a training that began from a model which has been trained again."""
    pair = ["a10_seesaw", "a11_dual_head"]
    row = dict(kind="gradient_ratio", pair=pair, bands=["r", "r"], expect="above")
    scale, claims = claim(seeds=(0, 1), **row)
    for seed in range(2):
        start, model = (scale.model(name, seed) for name in pair)
        for path in (start, model):
            trained(scale, path.parts[-3], seed, rare=0.1 * (seed + 1), frequent=0.5)
            path.touch()
        record(start)
        record(model, inputs={"weights": start})
    assert found(scale, claims).state == "done"
    start.write_bytes(b"trained again")
    record(start)
    assert [run.seed for run in found(scale, claims).runs] == [0]


def test_an_evaluation_of_earlier_weights_does_not_count(claim):
    scale, claims = claim(**GAIN)
    both(scale, *[(1, 2)] * 5)
    model = scale.model(SEESAW, 2)
    detections = scale.detections(scale.table.evaluations[SEESAW], 2)
    model.write_bytes(b"weights")
    record(model)
    detections.write_text("")
    record(detections, inputs={"weights": model})
    assert report(scale, claims, None).complete
    model.write_bytes(b"trained again")
    record(model)
    made = found(scale, claims)
    assert [run.seed for run in made.runs] == [0, 1, 3, 4] and made.state == "incomplete"
    assert made.note.startswith(f"{SEESAW}/seed2: ")


def in_reference(kept):
    """Runs of both sides of `GAIN`, whose records name the code."""
    for name in GAIN["pair"]:
        evaluated(kept, name, 0, 10)
        for path in kept.chain(kept.table.evaluations[name], 0):
            path.touch()
            record(path, fingerprint="now")


def test_a_damaged_run_of_the_reference_is_reported(claim):
    scale, claims = claim(**GAIN, seeds=[0])
    kept, known = scale.frozen(), {"evaluate": "now"}
    in_reference(kept)
    assert found(scale, claims, known).state == "done"
    metrics = kept.metrics(kept.table.evaluations[SEESAW], 0)
    metrics.write_text(metrics.read_text() + " ")
    made = found(scale, claims, known)
    assert made.state == "failed" and made.note.startswith(f"{metrics} ")
    failure_path(metrics).write_text('{"error": "killed"}')
    assert found(scale, claims, known).note == f"{metrics}: killed"
    metrics.unlink()
    assert found(scale, claims, known).state == "not run"


def test_a_run_of_the_reference_that_names_no_code_does_not_count(claim):
    scale, claims = claim(**GAIN, seeds=[0])
    kept, known = scale.frozen(), {"evaluate": "now"}
    in_reference(kept)
    record(kept.metrics(kept.table.evaluations[SEESAW], 0))
    assert found(scale, claims, known).state == "not run"


def test_gradients_without_an_evaluation_are_taken_from_the_reference(claim):
    row = dict(kind="gradient_ratio", pair=[CE, CE], bands=["f", "r"], expect="below")
    scale, claims = claim(seeds=[0, 1], **row)
    kept, known = scale.frozen(), {f"train/{CE}/seed{seed}": "now" for seed in range(2)}
    for seed in range(2):
        trained(kept, CE, seed, rare=0.1 * (seed + 1), frequent=0.5)
        model = kept.model(CE, seed)
        model.touch()
        record(model, model.with_name("gradients.json"), fingerprint="now")
    assert found(scale, claims, known).state == "done"
    made = found(scale, claims, known | {f"train/{CE}/seed1": "new"})
    assert [run.seed for run in made.runs] == [0]


def test_damaged_gradients_are_reported(claim):
    row = dict(kind="gradient_ratio", pair=[CE, CE], bands=["f", "r"], expect="below")
    scale, claims = claim(seeds=[0, 1], **row)
    for seed in range(2):
        trained(scale, CE, seed, rare=0.1, frequent=0.5)
    path = scale.model(CE, 1).with_name("gradients.json")
    record(path)
    path.write_text(path.read_text() + " ")
    made = found(scale, claims)
    assert made.state == "failed" and made.note.startswith(f"{path} ")


HTC = ["b02_htc_without_semantic", "b03_htc_lite"]
FRAMEWORKS = ["b01_cascade_mask_rcnn", *HTC]  # timed together
FASTER = dict(kind="faster", pair=HTC, mode="ours")


def timed_models(place):
    """The timed models with their records; gives the models."""
    timed(place, b01_cascade_mask_rcnn=[3, 3], b02_htc_without_semantic=[4, 2], b03_htc_lite=[8, 5])
    models = {name: place.model(name, 0) for name in FRAMEWORKS}
    for model in models.values():
        model.parent.mkdir(parents=True)
        model.write_bytes(b"weights")
        record(model, fingerprint="now")
    record(place.speed, inputs=models, fingerprint="now")
    return models


def test_a_timing_of_other_models_is_not_taken_from_the_reference(claim):
    scale, claims = claim(**FASTER)
    models = timed_models(scale.frozen())
    known = {"speed": "now", **{f"train/{name}/seed0": "now" for name in FRAMEWORKS}}
    assert found(scale, claims, known).state == "done"
    for key in known:
        assert found(scale, claims, known | {key: "new"}).state == "not run", key
    models[HTC[0]].write_bytes(b"trained again")
    record(models[HTC[0]], fingerprint="now")
    assert found(scale, claims, known).state == "not run"


def test_a_row_that_is_new_in_table_a2_keeps_the_reference_s_timing(claim):
    row = "  b04_mine:\n    schedule: 1x\n    cell: {table_a2: Mine}\n"
    replace(paths.EXPERIMENTS, "trainings:\n", f"trainings:\n{row}", 1)
    scale, claims = claim(**FASTER)
    timed_models(scale.frozen())
    known = {"speed": "now", **{f"train/{name}/seed0": "now" for name in FRAMEWORKS}}
    assert found(scale, claims, known).state == "done"


def test_a_timing_of_earlier_weights_does_not_count(claim):
    scale, claims = claim(**FASTER)
    models = timed_models(scale)
    assert found(scale, claims).state == "done"
    models[HTC[1]].write_bytes(b"trained again")
    record(models[HTC[1]])
    made = found(scale, claims)
    assert (made.state, made.verdict) == ("not run", None)
    assert made.note.startswith("speed.json: ")
