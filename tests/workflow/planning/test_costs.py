"""Costs of single jobs, against numbers by hand."""

import json

import pytest
import yaml
from repository import replace
from traces import A01, entry, make, training_log, write

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.spec import experiments
from seesaw.spec.scales import Scale
from seesaw.workflow import rates
from seesaw.workflow.costs import Costs
from seesaw.workflow.jobs import workflow


@pytest.fixture
def cost(paper):
    """A job's cost by id, at paper scale."""
    table, scale, jobs = paper

    def of(job, **options):
        return Costs(table, scale, **options).cost(jobs[job])

    return of


def test_a_training_costs_its_stated_hours(cost):
    found = cost(A01)
    assert (found.gpu_hours, found.hours, found.basis) == (139, 139 / 8, "estimate")
    assert cost("train/a10_seesaw/seed0").gpu_hours == 3230
    assert cost("train/a05_tsd/seed0").gpu_hours == 384


def test_faster_and_more_gpus(cost):
    assert cost(A01, gpu="A100").gpu_hours == pytest.approx(62.55)
    assert cost(A01, gpus=4).hours == pytest.approx(34.75)
    over_nodes = cost(A01, gpus=16)
    assert over_nodes.gpu_hours == pytest.approx(139 / 0.95)
    assert over_nodes.hours == pytest.approx(139 / 0.95 / 16)


def test_detection_is_a_third_of_a_training_step_and_post_processing(cost):
    # 19,809 x (139 h / 3 / (24 x 99,388) + 50 ms)
    found = cost("detect/a01_mask_rcnn/seed0/a01_mask_rcnn")
    assert found.gpu_hours == found.hours == pytest.approx(0.6599, abs=2e-4)
    # a11 trains only its heads: a10's 3,230 h over 45 epochs
    assert cost("detect/a11_dual_head/seed0/a11_dual_head").hours == pytest.approx(5.043, abs=2e-3)


def test_test_time_augmentation_shares_the_hours_of_its_config(cost):
    val = cost("detect/a11_dual_head/seed0/a12_test_time_augmentation")
    test_dev = cost("detect/a11_dual_head/seed0/test_dev_a12")
    assert val.gpu_hours == pytest.approx(99 * 19809 / 39631)
    assert val.gpu_hours + test_dev.gpu_hours == pytest.approx(99)


def test_disk(cost):
    # weights and three checkpoints of twice their size
    assert cost(A01).gigabytes == pytest.approx(50.440e6 * 4 * 7 / 1e9)
    assert cost("download/lvis_v1").gigabytes == pytest.approx(27.214, abs=1e-3)
    write("data/lvis_v1/train2017/1.jpg")
    assert cost("download/lvis_v1").gigabytes == pytest.approx(27.214 - 19.337, abs=1e-3)


def test_a_measured_training_replaces_the_estimate(paper, cost):
    facts = dict(seconds_per_iteration=0.5, iterations=7200, gpus=8)
    make(paper[2][A01], device="8 x NVIDIA A100-SXM4-80GB", **facts)
    assert cost(A01, gpu="a100")[:2] == pytest.approx((8, 1))
    assert cost(A01, gpu="a100").basis == "measured"
    assert cost(A01, gpu="v100", gpus=4)[:2] == pytest.approx((8 / 0.45, 8 / 0.45 / 4))
    make(paper[2][A01], device="8 x Other GPU", **facts)  # of unknown speed: no measurement
    assert cost(A01).basis == "estimate"


def test_another_seed_is_a_measurement_too(clone, paper):
    make(paper[2][A01], device="1 x Tesla V100", seconds_per_iteration=36, iterations=100, gpus=1)
    replace(paths.EXPERIMENTS, "seeds: [0]", "seeds: [0, 1]", 1)
    scale = Scale("paper")
    second = workflow(scale).every["train/a01_mask_rcnn/seed1"]
    found = Costs(scale.table, scale, 8).cost(second)
    assert (found.gpu_hours, found.hours, found.basis) == (1, 1 / 8, "measured")


def measurement(device="NVIDIA H100 80GB HBM3", scale="paper", **sections):
    """A measurement of a GPU that is a fifth of the reference's hours for a01."""
    seconds = 139 / 5 * 3600 / (24 * 99388)
    training = {"a01_mask_rcnn": {"seconds_per_image": seconds}, "a05_tsd": {"failed": "no memory"}}
    detection = {"a01_mask_rcnn": {"seconds_per_image": 0.1}}
    content = dict(device=device, scale=scale, training=training, detection=detection)
    write(f"configs/costs/gpu.{scale}.yaml", json.dumps(content | sections))


def test_measured_seconds_an_image_replace_the_estimate(cost):
    measurement()
    found = cost(A01, gpu="h100")
    assert (found.gpu_hours, found.basis) == (pytest.approx(139 / 5), "measured")
    assert found.hours == pytest.approx(139 / 5 / 8)
    found = cost("detect/a01_mask_rcnn/seed0/a01_mask_rcnn", gpu="h100")
    assert (found.gpu_hours, found.basis) == (pytest.approx(19809 * 0.1 / 3600), "measured")


@pytest.mark.parametrize(
    ("section", "row"),
    [
        ("training", {"seconds_per_image": 0}),
        ("detection", None),
        ("loader", {"images_per_second": "fast"}),
    ],
)
def test_a_measurement_that_is_none_is_one_sentence(cost, section, row):
    measurement(**{section: {"a01_mask_rcnn": row}})
    with pytest.raises(UserError, match=rf"gpu\.paper\.yaml: {section}\.a01_mask_rcnn"):
        cost(A01, gpu="h100")


@pytest.mark.parametrize("name", ["H100", "nvidia_h100"])  # SLURM's name of an "NVIDIA H100"
def test_what_was_not_measured_is_scaled_by_what_was(cost, name):
    measurement()
    for job, hours in (("train/a05_tsd/seed0", 384), ("train/a10_seesaw/seed0", 3230)):
        found = cost(job, gpu=name)
        assert (found.gpu_hours, found.basis) == (pytest.approx(hours / 5), "estimate")
    assert cost(A01).gpu_hours == 139  # of another GPU


def test_the_repeat_factor_sampler_repeats_images(cost):
    training = {"mask_rcnn_rfs_ce": {"seconds_per_image": 0.25}}
    measurement("Tesla V100-SXM2-32GB", training=training)
    assert cost("train/mask_rcnn_rfs_ce/seed0").gpu_hours == 24 * 122784 * 0.25 / 3600


def test_a_training_is_no_faster_than_its_loader(cost):
    slow = dict(images_per_second=4.0, workers=4, data="random", trainings=["a01_mask_rcnn"])
    measurement(loader={"a01_mask_rcnn": slow})
    assert cost(A01, gpu="h100").gpu_hours == pytest.approx(24 * 99388 / 4 / 3600)
    measurement(loader=None, detection=None)
    assert cost(A01, gpu="h100").gpu_hours == pytest.approx(139 / 5)
    slow["images_per_second"] = 1000.0
    measurement(loader={"a01_mask_rcnn": slow})
    assert cost(A01, gpu="h100").gpu_hours == pytest.approx(139 / 5)


def test_a_measurement_at_another_scale_does_not_count(cost):
    measurement(scale="single_gpu")
    with pytest.raises(UserError, match="'h100'"):
        cost(A01, gpu="h100")


def test_a_gpu_of_unknown_speed_is_no_matter_on_cpus(clone):
    scale = Scale("mini")
    assert Costs(scale.table, scale, gpu="h100").on_gpus is False


def test_what_remains_of_a_training_under_way(paper, cost):
    work = paper[1].work / "a01_mask_rcnn/seed0/f00"
    training_log(work, entry(380) + entry(400, time=3.6))
    found = cost(A01, fingerprints={A01: "f00"})
    assert (found.hours, found.gpu_hours) == pytest.approx((0.6, 4.8))
    assert found.basis == "measured"
    assert cost(A01, fingerprints={A01: "other"}).gpu_hours == 139


def test_snakemakes_benchmark_tells_jobs_that_are_alike(cost):
    job = "evaluate/a01_mask_rcnn/seed0/a01_mask_rcnn"
    assert (cost(job).hours, cost(job).basis) == (pytest.approx(5 / 60), "estimate")
    path = "logs/paper/benchmarks/evaluate/a02_syncbn_seed0_a02_syncbn.tsv"
    for damaged in ("", "s\th:m:s\n", "s\n-\n"):
        write(path, damaged)
        assert cost(job).basis == "estimate"
    write(path, "s\th:m:s\n360.0\t0:06:00\n")
    assert (cost(job).hours, cost(job).gpu_hours, cost(job).basis) == (0.1, 0, "measured")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gpu": "abacus"}, "'abacus' .* v100, a100"),
        ({"gpus": 3}, "--gpus 3: 16 images"),
        ({"gpus": 0}, "--gpus 0: "),
    ],
)
def test_a_users_mistake(cost, options, said):
    with pytest.raises(UserError, match=said):
        cost(A01, **options)


def test_a_misspelled_key_in_the_file(clone):
    replace(paths.CONFIGS / "costs.yaml", "reference:", "refrence:")
    with pytest.raises(UserError, match=r"configs/costs.yaml: re?f"):
        rates.assumed()


def test_the_file_repeats_the_configs_numbers():
    assumed = rates.assumed()
    for name, epochs in assumed.epochs.items():
        text = (paths.CONFIGS / f"_base_/schedule_{name}.py").read_text()
        assert f"epochs={epochs}," in text
    assert f"batch_size = {assumed.batch} " in (paths.CONFIGS / "_base_/lvis_v1.py").read_text()
    assert assumed.gpus[assumed.reference] == 1
    assert all(experiments.config_file(name) for name in assumed.hours)
    known = yaml.safe_load((paths.CONFIGS / "preflight.yaml").read_text())["datasets"]["lvis_v1"]
    assert assumed.images["train"] == known["filtered"]
    assert assumed.images["repeated"] == known["epoch"]["rfs"] * assumed.batch
