"""Pictures and JSON of any images, from a small model with random weights."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest
from facts import lacks
from pycocotools.coco import COCO

from seesaw.cli import main
from seesaw.errors import UserError
from seesaw.evaluation.detect import MODELS, init_default_scope
from seesaw.evaluation.images import check_images
from seesaw.evaluation.predict import names_of
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training.train import save_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained b03 (HTC-Lite) of the smoke scale."""
    scale = Scale("smoke")
    cfg = resolve(scale.table.trainings["b03_htc_lite"].config, scale)
    init_default_scope("mmdet")
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    path = tmp_path_factory.mktemp("weights") / "model.pth"
    save_model(model, path)
    return path


@pytest.fixture
def images(tmp_path):
    """A colour JPEG, a grey PNG with an alpha channel, and a text file called so."""
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "a photo.jpg"), rng.integers(0, 255, (60, 90, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "alpha.png"), rng.integers(0, 255, (40, 30, 4), np.uint8))
    (tmp_path / "text.png").write_text("no image")
    whole = (tmp_path / "a photo.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2].ljust(len(whole), b"\0"))
    cv2.imwrite(str(tmp_path / "sliver.png"), np.zeros((1, 3000, 3), np.uint8))
    return tmp_path


def predict(trained, folder, *names, **options):
    words = ["predict", *(str(folder / n) for n in names), "--scale", "smoke", "--model", "b03"]
    options = {"weights": trained, "out": folder / "out"} | options
    return main.main([*words, *(f"--{k}={v}" for k, v in options.items())])


def enlarged(image):
    """An image as large as its picture, of whole multiples of its pixels and at most 640 px."""
    zoom = 640 // max(image.shape[:2])
    return np.kron(image, np.ones((zoom, zoom, 1), np.uint8))


def test_a_picture_and_a_coco_file_of_each_image(weights, images, capsys):
    assert predict(weights, images, "a photo.jpg", "alpha.png", score=0.0) == 0
    said = capsys.readouterr().out
    names = names_of(Scale("smoke").entry)  # numbers in a clone without data
    for number, (stem, size) in enumerate((("a photo", (60, 90)), ("alpha", (40, 30))), start=1):
        picture = cv2.imread(str(images / f"out/{stem}.png"))
        coco = COCO(images / f"out/{stem}.json")
        found = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
        assert size == coco.annToMask(found[0]).shape
        assert picture.shape == enlarged(np.zeros((*size, 3))).shape
        assert 0 < len(found) <= 20 and f"{len(found)} detections, {len(found)} drawn" in said
        for one in found:
            assert coco.annToMask(one).sum() == one["area"]
            assert coco.cats[one["category_id"]]["name"] == names[one["category_id"] - 1]
            assert one["score"] == one["mask_score"]  # no mask scoring in b03
        scores = [one["score"] for one in found]
        assert scores == sorted(scores, reverse=True)
    drawn = cv2.imread(str(images / "out/alpha.png"))
    assert predict(weights, images, "alpha.png", score=1) == 0
    plain = cv2.imread(str(images / "out/alpha.png"))
    assert (plain == enlarged(cv2.imread(str(images / "alpha.png")))).all()
    assert (drawn != plain).any()


def test_many_large_masks_are_drawn_one_after_another(weights, images, monkeypatch):
    drawn = []
    for most in (2**29, 1):
        monkeypatch.setattr("seesaw.evaluation.predict.DRAWN", most)
        assert predict(weights, images, "a photo.jpg", score=0.0) == 0
        drawn.append(cv2.imread(str(images / "out/a photo.png")).astype(int))
    assert drawn[0].shape == drawn[1].shape
    plain = enlarged(cv2.imread(str(images / "a photo.jpg")))
    assert all((picture != plain).any() for picture in drawn)


def test_detections_are_those_of_detect(weights, images):
    """The evaluation's own pipeline, to the bit."""
    from mmengine.dataset import Compose, pseudo_collate

    from seesaw.evaluation.detect import build_model

    scale = Scale("smoke")
    cfg = resolve(scale.table.trainings["b03_htc_lite"].config, scale)
    sample = Compose(cfg.test_dataloader.dataset.pipeline)(
        dict(img_path=str(images / "alpha.png"), img_id=1)
    )
    (found,) = build_model(cfg, weights).test_step(pseudo_collate([sample]))
    predict(weights, images, "alpha.png")
    made = json.loads((images / "out/alpha.json").read_text())["annotations"]
    assert [m["score"] for m in made] == found.pred_instances.scores.tolist()


@pytest.mark.parametrize(
    ("names", "options", "facts"),
    [
        (["text.png", "alpha.png"], {}, ["text.png", "JPEG"]),
        (["alpha.png", "sliver.png"], {}, ["sliver.png", "3000 x 1 pixels"]),
        (["alpha.png", "half.jpg"], {}, ["half.jpg", "its end"]),
        (["none.png"], {}, ["none.png"]),
        (["alpha.png", "alpha.png"], {}, ["alpha.png", "both", "alpha.json"]),
        (["alpha.png"], {"weights": "no.pth"}, ["no.pth", "b03_htc_lite"]),
        (["alpha.png"], {"model": "a01_m"}, ["model.pth", "configs/table_a1/a01"]),
    ],
)
def test_a_users_mistake_is_one_sentence_and_leaves_nothing(
    weights, images, capsys, names, options, facts
):
    assert predict(weights, images, *names, **options) == 2
    assert not lacks(capsys.readouterr().err, *facts)
    assert not (images / "out").exists()


def test_no_file_of_the_users_is_replaced(weights, images, capsys):
    """Neither the photo nor what lies beside it, through whatever path it is reached."""
    (images / "a photo.json").write_text("labels")
    (images / "linked").symlink_to(images)
    (images / "other").mkdir()
    (images / "other/alpha.png").symlink_to(images / "alpha.png")
    before = {p: p.read_bytes() for p in images.iterdir() if p.is_file()}
    for name, out, replaced in (
        ("alpha.png", images, images / "alpha.png"),
        ("alpha.png", images / "linked", images / "linked/alpha.png"),
        ("alpha.png", images / "other", images / "other/alpha.png"),
        ("a photo.jpg", images, images / "a photo.json"),
    ):
        assert predict(weights, images, name, out=out) == 2
        assert str(replaced) in capsys.readouterr().err
    assert {p: p.read_bytes() for p in images.iterdir() if p.is_file()} == before
    assert [p.name for p in (images / "other").iterdir()] == ["alpha.png"]
    (images / "a photo.json").unlink()
    assert predict(weights, images, "a photo.jpg", out=images) == 0  # where nothing is replaced
    assert cv2.imread(str(images / "a photo.png")).shape == (420, 630, 3)


def test_a_film_is_not_read(tmp_path):
    film = tmp_path / "film.jpg"
    film.touch()
    os.truncate(film, 2**28 + 1)
    with pytest.raises(UserError, match=r"film\.jpg .*\b256 MiB"):
        check_images([film], tmp_path / "out")


def test_a_folder_in_the_place_of_a_file_is_told_before_any_is_written(images):
    place = images / "out/alpha.png"
    place.mkdir(parents=True)
    with pytest.raises(UserError, match=f"^{place} .*--out"):
        check_images([images / "a photo.jpg", images / "alpha.png"], images / "out")


def test_names_that_differ_in_case_are_two_where_the_file_system_tells_them_apart(images):
    (images / "more").mkdir()
    shutil.copy(images / "alpha.png", images / "more/ALPHA.png")
    some = [images / "alpha.png", images / "more/ALPHA.png"]
    if (images / "ALPHA.png").exists():
        with pytest.raises(UserError, match="both"):
            check_images(some, images / "out")
    else:
        check_images(some, images / "out")
        with pytest.raises(UserError, match="both"):
            check_images([*some, images / "alpha.png"], images / "out")
    assert not (images / "out").exists()


def test_the_smallest_images_are_drawn(weights, images):
    for height, width in ((1, 1), (1, 100), (300, 2)):
        cv2.imwrite(str(images / "small.png"), np.zeros((height, width, 3), np.uint8))
        assert predict(weights, images, "small.png", score=0.0) == 0
        drawn = cv2.imread(str(images / "out/small.png"))
        assert drawn.shape == enlarged(np.zeros((height, width, 3))).shape
