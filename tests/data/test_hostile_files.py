"""Mutated annotation files end in one sentence or an accepted set, in little time and memory."""

import copy
import json
import random
from contextlib import suppress

import numpy as np
import pytest
import small_folder
from bounds import in_bounds
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope
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


def places(value, way=()):
    """Yield the way to every value inside a JSON value."""
    inside = enumerate(value) if isinstance(value, list) else getattr(value, "items", list)()
    for key, one in inside:
        yield (*way, key)
        yield from places(one, (*way, key))


def mutate(content, rnd):
    """Change one to three values: replace, delete, repeat, swap."""
    for _ in range(rnd.randint(1, 3)):
        ways = [w for w in places(content) if len(w) > 1 or rnd.random() < 0.02]
        *way, last = rnd.choice(ways)
        parent = content
        for key in way:
            parent = parent[key]
        kind = rnd.choice(
            ["value", "value", "delete", "repeat", "scale", "nudge", "nudge", "nudge"]
        )
        if kind == "delete":
            del parent[last]
        elif kind == "repeat" and isinstance(parent, list):
            parent.insert(0, copy.deepcopy(parent[last]))
        elif kind == "scale" and type(parent[last]) in (int, float):
            parent[last] *= rnd.choice([-1, 0.01, 1.5, 100, 10**6])
        elif kind == "nudge" and type(parent[last]) in (int, float):
            parent[last] += (
                rnd.uniform(-3, 3) if type(parent[last]) is float else rnd.choice([-1, 1])
            )
        else:
            parent[last] = copy.deepcopy(rnd.choice(VALUES))


def damage(text, rnd):
    """Cut, repeat or change characters."""
    at = rnd.randrange(len(text))
    more = text[:at] + rnd.choice('"[]{},:0-eN\\') + text[at:]
    return rnd.choice([text[:at], text[:at] + text[at + 1 :], more, "\ufeff" + text, text + text])


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
    rnd, cases = random.Random(17), []
    for _ in range(400):
        split = rnd.choice(list(FILES))
        content = copy.deepcopy(whole[split])
        mutate(content, rnd)
        text = json.dumps(content)
        cases.append((split, damage(text, rnd) if rnd.random() < 0.1 else text))

    def taken(case):
        split, text = case
        for name in FILES:
            small_folder.write(root, name, whole[name])
        small_folder.path_of(root, split).write_text(text, encoding="utf-8")
        try:
            accepted(root)
        except UserError as error:
            assert "\n" not in str(error) and len(str(error)) < 999
            return False
        use(root)
        return True

    for split in FILES:
        content = copy.deepcopy(whole[split])
        odd_but_valid(content)
        assert taken((split, json.dumps(content)))  # compiled before the clock runs
    found = in_bounds(taken, cases)
    assert found.count(False) > 100 and found.count(True) > 20


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


def mutate_often(root, rnd):
    """Change each file five times; a mutation that is refused is tried anew."""
    for split in 5 * [*FILES]:
        before, taken = small_folder.read(root, split), False
        while not taken:
            content = copy.deepcopy(before)
            mutate(content, rnd)
            small_folder.write(root, split, content)
            with suppress(UserError):
                accepted(root)
                taken = True


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_odd_data_that_is_taken_trains_detects_and_is_scored(tmp_path, monkeypatch, capsys, seed):
    monkeypatch.chdir(tmp_path)
    for name in ("configs", "paper_figures", "workflow", "Snakefile"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    root = small_folder.make(tmp_path / "odd", kind="png")
    if seed is None:
        for split in FILES:
            small_folder.edit(root, split, odd_but_valid)
    else:
        mutate_often(root, random.Random(seed))
    options = ["--scale", "smoke", "--dataset", str(root)]
    for words in (["data"], ["pretrain", "resnet18"], ["train", "b03"], ["detect", "b03"],
                  ["evaluate", "b03"]):  # fmt: skip
        assert main.main([*words, *options]) == 0, capsys.readouterr().err
    found = list(tmp_path.glob("results/smoke@odd/b03*/seed0/*/metrics.json"))
    images = small_folder.read(root, "val")["images"]
    assert json.loads(found[0].read_text())["images"] == len(images)
