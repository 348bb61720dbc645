"""Mutated annotation files end in one sentence or an accepted set, in little time and memory."""

import copy
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import small_folder
from bounds import given_often, in_bounds, timed
from hypothesis import Phase, given
from hypothesis import strategies as st
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope
from mutations import changed
from repository import REPOSITORY
from small_folder import FILES

import seesaw.data.federated_lvis  # noqa: F401  (registers)
from seesaw.cli import main
from seesaw.data import lvis_folder
from seesaw.data.crops import class_crops
from seesaw.errors import UserError
from seesaw.evaluation.ground_truth import load

VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 5, 0.5, 1e7, 1e9, -1e9, 1e300, 2**31, 2**63, 2**70, "", "1",
    "x", "b'9b`0'", "../x.png", "/dev/zero", "[bold]", "\ud800", "a\nb", [], [[]], [1], [None], {},
    [[1, 2, 3]], [[0, 0, 9, 0, 9, 9]], [[0, 0, 1e9, 0, 9, 9]], [[-50, -50, 300, -9, 99, 300]],
    [1, 1, 9, 9], [50, 40, 20, 20], [9, 9, -3, 4], [0, 0, 0, 0],
    {"size": [88, 104], "counts": [9152]}, {"size": [88, 104], "counts": [1000, 4, 8148]},
    {"size": [88, 104], "counts": "b'0'"}, {"size": [104, 88], "counts": [9152]},
    {"size": [88, 104], "counts": [9160, -8]}, {"size": [2**20, 2**20], "counts": [2**40]},
]  # fmt: skip


@st.composite
def damaged(draw, text):
    """A text that is cut, doubled, or has one character less or more."""
    at = draw(st.integers(0, len(text) - 1))
    more = text[:at] + draw(st.sampled_from('"[]{},:0-eN\\')) + text[at:]
    whole = "\ufeff" + text, text + text
    return draw(st.sampled_from([text[:at], text[:at] + text[at + 1 :], more, *whole]))


def accepted(root):
    found = lvis_folder.read(root, FILES)
    for content in found.values():
        content.refuse()
    lvis_folder.manifest(root, found)
    for content in found.values():
        content.refuse()


def use(root):
    """Read an accepted set as pre-training, training and evaluation do, but for the networks."""
    init_default_scope("mmdet")
    class_crops(root, FILES["train"], 8)
    load(root / FILES["val"])
    for split, name in FILES.items():
        config = dict(
            type="FederatedLVISDataset", data_root=str(root), ann_file=name,
            data_prefix=dict(img=""), pipeline=[], test_mode=split == "val",
            filter_cfg=dict(filter_empty_gt=True, min_size=32),
            metainfo=dict(classes=small_folder.NAMES),
        )  # fmt: skip
        dataset = DATASETS.build(config)
        assert len(dataset)
        read = LoadAnnotations(with_bbox=True, with_mask=True)
        for info in (dataset.get_data_info(i) for i in range(len(dataset))):
            info["ori_shape"] = (info["height"], info["width"])
            boxes = read(info)["gt_bboxes"].tensor.numpy()
            assert np.isfinite(boxes).all() and (boxes[:, 2:] >= boxes[:, :2]).all()


@pytest.mark.slow
def test_no_mutated_file_is_taken_that_a_later_step_cannot_read(tmp_path):
    root = small_folder.make(tmp_path / "set")
    whole = {split: small_folder.read(root, split) for split in FILES}
    taken = {True: 0, False: 0}

    def tried(split, text):
        for name in FILES:
            small_folder.write(root, name, whole[name])
        small_folder.path_of(root, split).write_text(text, encoding="utf-8")
        try:
            accepted(root)
        except UserError as error:
            assert "\n" not in str(error) and len(str(error)) < 999
            taken[False] += 1
        else:
            use(root)
            taken[True] += 1

    for split in FILES:  # compiled before the clock runs
        content = copy.deepcopy(whole[split])
        odd_but_valid(content)
        tried(split, json.dumps(content))
    assert taken == {True: len(FILES), False: 0}

    @given_often(400)
    @given(st.data())
    def mutated(data):
        split = data.draw(st.sampled_from(list(FILES)))
        texts = changed(whole[split], VALUES, shallowest=2).map(json.dumps)
        if data.draw(st.integers(0, 9)) == 0:
            texts = texts.flatmap(damaged)
        timed(tried)(split, data.draw(texts))

    def run():
        mutated()
        assert taken[False] > 100 and taken[True] > 20 + len(FILES), taken

    in_bounds(run)


def odd_but_valid(content):
    images, annotations = content["images"], content["annotations"]
    images[0]["neg_category_ids"] = [1, 1, 4]
    images[1]["width"], images[1]["height"] = 104, 88
    annotations[0] |= {"iscrowd": 1, "bbox": [11, 32, 1, 4], "area": 4}
    annotations[0]["segmentation"] = {"size": [88, 104], "counts": [1000, 4, 8148]}
    annotations[1]["bbox"][0] -= 4
    annotations[2]["segmentation"] = [[-60, -60, 90, 30, 150, 150, 30, 60]]
    annotations[2]["bbox"] = [0, 0, 104, 88]
    annotations[3]["area"] = 0
    annotations[4]["id"] = 0


def mutate_often(root, data):
    """Change each file again and again; a mutation that is refused is taken back."""
    for split in 10 * [*FILES]:
        before = small_folder.read(root, split)
        small_folder.write(root, split, data.draw(changed(before, VALUES, shallowest=2)))
        try:
            accepted(root)
        except UserError:
            small_folder.write(root, split, before)


def run_all(root):
    """Prepare, train, detect and evaluate at smoke scale."""
    options = ["--scale", "smoke", "--dataset", str(root)]
    for words in (["data"], ["pretrain", "resnet18"], ["train", "b03"], ["detect", "b03"],
                  ["evaluate", "b03"]):  # fmt: skip
        assert main.main([*words, *options]) == 0
    found = list(Path().glob(f"results/smoke@{root.name}/b03*/seed0/*/metrics.json"))
    images = small_folder.read(root, "val")["images"]
    assert json.loads(found[0].read_text())["images"] == len(images)


@pytest.mark.slow
def test_odd_data_that_is_taken_trains_detects_and_is_scored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("configs", "paper_figures", "workflow", "Snakefile"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    root = small_folder.make(tmp_path / "odd", kind="png")
    for split in FILES:
        small_folder.edit(root, split, odd_but_valid)
    run_all(root)
    number = itertools.count()

    @given_often(3, phases=[Phase.generate])
    @given(st.data())
    def mutated(data):
        root = small_folder.make(tmp_path / f"odd{next(number)}", kind="png")
        mutate_often(root, data)
        run_all(root)

    mutated()
