"""``seesaw compare`` on two hand-made evaluations of two categories."""

import csv
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from facts import lacks
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox
from PIL import Image

from seesaw.cli.main import main
from seesaw.core.provenance import record
from seesaw.errors import UserError
from seesaw.evaluation import resample
from seesaw.evaluation.detections import DetectionWriter
from seesaw.results.comparison import pictures
from seesaw.results.comparison.categories import (
    category_ap,
    category_replicates,
    compare,
    found,
)
from seesaw.spec.scales import Scale

sys.path.append(str(Path(__file__).parents[2] / "evaluation"))
from simulated import simulate
from two_evaluations import A, B, evaluate, make, square


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        make(root, patch)
    return root


@pytest.fixture
def root(evaluated, tmp_path, monkeypatch):
    shutil.copytree(evaluated, tmp_path / "root", symlinks=True)
    monkeypatch.chdir(tmp_path / "root")
    return tmp_path / "root"


def test_categories_are_sorted_with_errors_and_examples(root, printed):
    said = printed("compare", "a09", "a10", "--scale", "mini")
    folder = Path(f"results/mini/compare/{A}_vs_{B}")
    names = ["segm.csv", "segm/1_apple.png", "segm/2_pear___green.png"]
    assert said.splitlines()[-3:] == [str(folder / name) for name in names]
    apple, pear = csv.DictReader((folder / "segm.csv").open())
    assert (apple["name"], apple["frequency"], apple["images"], apple["objects"]) == (
        *("apple", "f"),
        *("12", "12"),
    )
    # Recall is 6 / 12 at precision 1: thresholds 0 to 0.5, 51 of 101.
    assert (apple["AP_a"], apple["AP_b"]) == (f"{5100 / 101:.4f}", "100.0000")
    assert float(apple["difference"]) == pytest.approx(5000 / 101, abs=1e-4)
    # The share found of 12 drawn images: sqrt(0.25 / 12).
    assert float(apple["se"]) == pytest.approx(14.4, rel=0.1)
    assert float(apple["low"]) < float(apple["difference"]) - 25 < float(apple["difference"])
    assert apple["example_images"] == "7 8 9"
    assert (pear["AP_a"], pear["AP_b"]) == (f"{6700 / 101:.4f}", "0.0000")
    assert (pear["se"], pear["low"], pear["example_images"]) == ("", "", "2 5")
    lines = [line for line in said.splitlines() if re.match(r"\d+ (rare|frequent) ", line)]
    assert [re.findall(r"\d+", line) for line in lines] == [["1", "0", "1"], ["1", "1", "0"]]
    assert "Seed 0 alone" in said


def test_the_same_comparison_gives_the_same_bytes(root):
    made = []
    for _ in range(2):
        assert main(["compare", A, B, "--boxes", "--top", "1", "--scale", "mini"]) == 0
        folder = Path(f"results/mini/compare/{A}_vs_{B}")
        made.append({path.name: path.read_bytes() for path in folder.rglob("*.*")})
        shutil.rmtree(folder)
    assert made[0] == made[1]
    assert sorted(made[0]) == ["1_apple.png", "2_pear___green.png", "bbox.csv"]


def test_pictures_of_boxes_and_of_older_results_are_not_taken_for_those_of_masks(root):
    folder = Path(f"results/mini/compare/{A}_vs_{B}")
    assert main(["compare", A, B, "--scale", "mini"]) == 0
    masks = {path: path.read_bytes() for path in folder.glob("segm/*.png")}
    (folder / "segm" / "3_old.png").write_bytes(b"")
    assert main(["compare", A, B, "--boxes", "--scale", "mini"]) == 0
    assert all(path.read_bytes() == picture for path, picture in masks.items())
    assert main(["compare", A, B, "--scale", "mini"]) == 0
    assert {*folder.glob("segm/*.png")} == masks.keys()


def test_pictures_show_the_objects_in_colour_and_the_rest_in_grey(root):
    assert main(["compare", A, B, "--scale", "mini"]) == 0
    path = Path(f"results/mini/compare/{A}_vs_{B}/segm/1_apple.png")
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    coloured = pixels.max(2) - pixels.min(2) > 60
    third = pixels.shape[1] // 3
    shares = [coloured[:, k * third : (k + 1) * third].mean() for k in range(3)]
    assert shares[0] > 0.03 and shares[1] == 0 and shares[2] > 0.03  # truth and B, not A


def test_a_category_is_drawn_if_both_are_sure(root, tmp_path):
    """A's apple in image 7 lies where none is: it is shown, with its score, and finds nothing."""
    scale = Scale("mini")
    a, b = (scale.table.evaluations[name] for name in (A, B))
    with DetectionWriter(scale.detections(a, 0)) as writer:
        for i in range(1, 13):
            number, score = (1, 0.9) if i < 7 else (int(i == 7), 0.4)
            boxes, masks = [[24, 4, 36, 16]] * number, [square(1 if i < 7 else 2)] * number
            writer.write(i, 40, 40, boxes, np.full(number, score), [0] * number, masks)
    evaluate(scale)
    compared = compare(a, b, scale, errors=False)
    for least, names in ((0.4, ["1_apple.png"]), (0.5, [])):
        made, missing = pictures.draw(compared, 2, scale, tmp_path, least)
        assert [path.name for path in made] == names and missing == ""


def test_the_image_borders_cut_no_score(tmp_path):
    path = tmp_path / "image.png"
    Image.new("RGB", (60, 40)).save(path)
    corners = [(0, 0), (50, 0), (0, 30), (50, 30)]
    mask = np.zeros((40, 60), bool)
    shown = [pictures._Shown([x, y, 10, 10], mask, 0.06) for x, y in corners]
    figure = pictures._picture("title", ["one"], [(path, [shown])])
    FigureCanvasAgg(figure).draw()
    (axis,) = figure.axes
    for text in axis.texts:
        label = text.get_window_extent()
        assert Bbox.intersection(label, axis.bbox).bounds == pytest.approx(label.bounds)
    assert len(axis.texts) == 4


def test_a_photo_is_drawn_as_its_exif_orientation_turns_it(tmp_path):
    """Models see it so, and annotations whose size says so are of the turned photo."""
    path, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 60)).save(path, exif=exif)  # 60 x 40 as shown
    mask = np.ones((40, 60), bool)
    shown = pictures._Shown([0, 0, 60, 40], mask, None)
    figure = pictures._picture("title", ["one"], [(path, [[shown]])])
    assert figure.axes[0].images[0].get_array().shape == (40, 60, 3)
    with pytest.raises(UserError, match=r"photo\.jpg "):
        pictures._picture("title", ["one"], [(path, [[shown._replace(mask=mask.T)]])])


def test_without_images_or_detections_there_are_numbers_but_no_pictures(root, printed):
    (root / "data/mini_lvis/val/7.png").unlink()
    words = ("compare", A, B, "--scale", "mini")
    assert "data/mini_lvis/val/7.png" in printed(*words).splitlines()[-1]
    shutil.rmtree(root / "data")
    assert "data/mini_lvis/annotations/val.json" in printed(*words)
    first = Path(f"results/mini/compare/{A}_vs_{B}/segm.csv").read_text().splitlines()[1]
    assert first.startswith("1,1,f,12,12,") and first.endswith(",")  # no names, no examples


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ((A, A), [A, "itself"]),
        ((A, "a11"), ["seesaw evaluate a11_dual_head --seed 0 --scale mini`"]),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(root, printed, arguments, facts):
    (said,) = printed("compare", *arguments, "--scale", "mini", code=2).splitlines()
    assert not lacks(said, *facts)


FILES = ("metrics.json", "matches.npz", "replicates.json", "detections.jsonl")


@pytest.mark.parametrize("damage", [lambda c: c[:-1] + b"x", lambda c: c[:-9], lambda _: b"{}"])
@pytest.mark.parametrize("name", [*FILES, "metrics.json.provenance.json", "val.json"])
def test_a_damaged_file_is_named_and_nothing_is_written(root, printed, name, damage):
    folder = Path(f"results/mini/{B}/seed0/{B}")
    path = Path("data/mini_lvis/annotations/val.json") if name == "val.json" else folder / name
    record(folder / "detections.jsonl")
    path.write_bytes(damage(path.read_bytes()))
    error = printed("compare", A, B, "--scale", "mini", code=2).strip()
    assert error.startswith(f"seesaw compare: {path} ") and "\n" not in error
    assert not Path("results/mini/compare").exists()


@pytest.mark.parametrize("lost", ["per_category", "AP_r"])
def test_files_of_another_version_are_named(root, printed, lost):
    folder = Path(f"results/mini/{A}/seed0/{A}")
    content = json.loads((folder / "metrics.json").read_text())
    content.pop(lost, None)
    content["segm"].pop(lost, None)
    (folder / "metrics.json").write_text(json.dumps(content))
    for kept in folder.glob("*.provenance.json"):
        kept.unlink()
    error = printed("compare", A, B, "--scale", "mini", code=2).strip()
    assert error.startswith(f"seesaw compare: {folder}/") and "\n" not in error


def test_the_categories_draws_are_those_of_the_metrics():
    ranking = resample.Ranking.of(simulate(np.random.default_rng(0), 60)[0])
    drawn = category_replicates(ranking, 20)
    assert np.nanmean(drawn, axis=0) == pytest.approx(resample.replicates(ranking, 20)[:, 0])
    once = np.nanmean(category_ap(ranking), axis=0)
    assert once == pytest.approx(resample.scores(ranking)[0])


def test_found_are_the_highest_scores_as_many_as_there_are_objects():
    matches, draw = simulate(np.random.default_rng(0), 60, found=1.0)
    ranking = resample.Ranking.of(matches)
    for category in range(9):
        objects = draw["present"][:, category]
        score = np.where(objects, draw["score"][:, category], -1)
        false = np.where(draw["false"][:, category], draw["noise"][:, category], -1)
        least = np.sort(np.concatenate([score, false]))[-objects.sum()]
        assert (
            found(ranking, category).tolist() == (objects & (score >= least)).astype(int).tolist()
        )
