import hashlib
from collections import Counter

import numpy as np
import orjson
import pytest
from pycocotools import mask as coco_mask

from seesaw.data import lvis_folder
from seesaw.data.crops import class_crops
from seesaw.data.federation import assign
from seesaw.data.mini_lvis import MARKER, generate
from seesaw.data.segments import to_rle
from seesaw.errors import UserError
from seesaw.spec.annotations import load_annotations
from seesaw.spec.mini_lvis import MiniLvisSpec, zipf_counts

SMOKE = dict(
    groups=(4, 4, 4),
    edges=(3, 10),
    train_images=40,
    val_images=12,
    test_dev_images=6,
    image_side=(88, 104),
)


def read(path):
    return orjson.loads(path.read_bytes())


def counted(path):
    return lvis_folder.training_counts(path)["categories"]


def tree_hash(*folders):
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def pairs(annotations):
    return {(a["image_id"], a["category_id"]) for a in annotations}


def test_smoke_groups_follow_its_own_edges(tmp_path):
    generate(MiniLvisSpec(**SMOKE), tmp_path / "data", tmp_path / "truth")
    counts = counted(tmp_path / "data/annotations/train.json")
    assert Counter(c["frequency"] for c in counts) == {"r": 4, "c": 4, "f": 4}
    for c in counts:
        low, high = {"r": (1, 3), "c": (4, 10), "f": (11, 40)}[c["frequency"]]
        assert low <= c["image_count"] <= high
    files = {"train": "annotations/train.json", "test_dev": "annotations/test_dev.json"}
    found = lvis_folder.read(tmp_path / "data", files)
    made = lvis_folder.manifest(tmp_path / "data", found)
    assert made["splits"]["test_dev"]["images"]["count"] == 6
    assert not any(content.faults for content in found.values())


def test_mini_counts_are_zipf_like():
    spec = MiniLvisSpec()
    counts = zipf_counts(spec.groups, spec.edges, spec.train_images)
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[11], counts[12], counts[23], counts[24], counts[-1]) == (
        160, 46, 40, 18, 15, 4,
    )  # fmt: skip
    slope, _ = np.polyfit(np.log(np.arange(1, 13)), np.log(counts[:12]), 1)
    assert slope == pytest.approx(np.log(46 / 160) / np.log(12), abs=0.01)


def test_the_tail_shares_a_part_of_the_training_images():
    spec = MiniLvisSpec()
    counts = zipf_counts(spec.groups, spec.edges, spec.train_images)
    images = assign(counts, spec.train_images, np.random.default_rng(0), tail=24)
    assert [sum(c in image for image in images) for c in range(36)] == counts
    assert sum(max(image, default=0) >= 12 for image in images) == 90  # 0.28 x 320
    assert max(map(len, images)) <= 6


def test_mini_val_has_twenty_images_of_every_category():
    spec = MiniLvisSpec()
    n = round(4.2 * spec.val_images / spec.categories)
    images = assign([n] * spec.categories, spec.val_images, np.random.default_rng(0))
    assert n >= 20
    assert set(Counter(c for image in images for c in image).values()) == {n}
    assert max(map(len, images)) <= 6 and all(len(set(i)) == len(i) for i in images)


def test_groups_by_lvis_own_rule(small_set):
    counts = counted(small_set[0] / "annotations/train.json")
    assert Counter(c["frequency"] for c in counts) == {"r": 4, "c": 4, "f": 4}
    by_rule = ["r" if c["image_count"] <= 15 else "c" if c["image_count"] <= 42 else "f"
               for c in counts]  # fmt: skip
    assert by_rule == [c["frequency"] for c in counts]
    declared = read(small_set[0] / "annotations/train.json")["categories"]
    assert [{k: d[k] for k in c} for c, d in zip(counts, declared, strict=True)] == counts


@pytest.mark.parametrize("split", ["train", "val", "test_dev"])
def test_federated_fields_agree_with_what_was_drawn(small_set, split):
    data, truth = small_set
    path = truth / "test_dev.json" if split == "test_dev" else data / f"annotations/{split}.json"
    content, drawn = load_annotations(path), read(truth / f"drawn_{split}.json")
    positive, hidden = pairs(content["annotations"]), Counter()
    for d in drawn:
        if d["annotation_id"] is None:
            hidden[d["image_id"], d["category_id"]] += 1
    partial = {(i["id"], c) for i in content["images"] for c in i["not_exhaustive_category_ids"]}
    assert partial <= positive and len(partial) >= 0.1 * len(positive)
    assert all(hidden[p] >= 1 for p in partial)
    assert {p for p in hidden if p in positive} == partial
    if split != "test_dev":
        assert set(hidden) - positive  # some drawn categories have no verdict at all
    everything = pairs(drawn)
    for image in content["images"]:
        assert len(image["neg_category_ids"]) == 2
        assert not any((image["id"], c) in everything for c in image["neg_category_ids"])
    per_image = Counter(d["image_id"] for d in drawn)
    assert len(per_image) == len(content["images"])
    assert min(per_image.values()) >= 3 and max(per_image.values()) <= 7
    annotated = {d["annotation_id"]: d for d in drawn if d["annotation_id"] is not None}
    assert {a["id"] for a in content["annotations"]} == set(annotated)
    for a in content["annotations"]:
        assert all(annotated[a["id"]][k] == a[k] for k in ("image_id", "category_id", "bbox"))


def test_kin_are_the_first_negatives(small_set):
    content = read(small_set[0] / "annotations/val.json")
    stem = {c["id"]: c["name"][:4] for c in content["categories"]}
    positive = {}
    for image_id, category in pairs(content["annotations"]):
        positive.setdefault(image_id, set()).add(stem[category])
    with_kin = [
        any(stem[c] in positive[i["id"]] for c in i["neg_category_ids"]) for i in content["images"]
    ]
    assert np.mean(with_kin) > 0.9


def test_truth_stays_outside(small_set):
    data, truth = small_set
    names = {p.name for p in data.rglob("*.json")}
    assert names == {"train.json", "val.json", "test_dev.json", MARKER}
    public = read(data / "annotations/test_dev.json")
    assert public["annotations"] == [] and len(public["images"]) == 8
    assert not {"neg_category_ids", "not_exhaustive_category_ids"} & set(public["images"][0])
    assert {c["instance_count"] for c in public["categories"]} == {0}
    hidden = read(truth / "test_dev.json")
    assert hidden["annotations"] and [i["id"] for i in hidden["images"]] == [
        i["id"] for i in public["images"]
    ]
    ids = [i["id"] for s in ("train", "val", "test_dev")
           for i in read(data / f"annotations/{s}.json")["images"]]  # fmt: skip
    assert len(ids) == len(set(ids)) == 308


@pytest.mark.parametrize("split", ["train", "val"])
def test_segmentations_decode_to_area_and_tight_box(small_set, split):
    content = read(small_set[0] / f"annotations/{split}.json")
    sizes = {i["id"]: (i["height"], i["width"]) for i in content["images"]}
    kinds = Counter()
    for a in content["annotations"]:
        height, width = sizes[a["image_id"]]
        mask = coco_mask.decode(to_rle(a["segmentation"], height, width))
        ys, xs = np.nonzero(mask)
        box = [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
        assert mask.sum() == a["area"] >= 40 and box == a["bbox"]
        if isinstance(a["segmentation"], dict):
            kinds[type(a["segmentation"]["counts"]).__name__] += 1
        else:
            kinds["many parts" if len(a["segmentation"]) > 1 else "one part"] += 1
    assert kinds["many parts"] >= 5
    if split == "train":
        assert kinds["str"] == kinds["list"] == 0
    else:
        assert min(kinds["str"], kinds["list"]) >= 3
        assert kinds["str"] + kinds["list"] < 0.5 * kinds.total()


def test_mmdet_reads_it(small_set):
    from mmdet.datasets import LVISV1Dataset
    from mmdet.datasets.transforms import LoadAnnotations
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    data, _ = small_set
    for split in ("train", "val"):
        content = read(data / f"annotations/{split}.json")
        dataset = LVISV1Dataset(
            data_root=str(data),
            ann_file=f"annotations/{split}.json",
            data_prefix=dict(img=""),
            metainfo=dict(classes=[c["name"] for c in content["categories"]]),
            pipeline=[],
        )
        assert len(dataset) == len(content["images"])
        load = LoadAnnotations(with_bbox=True, with_mask=True)
        labels = Counter()
        for i in range(len(dataset)):
            info = dataset.get_data_info(i)
            info["ori_shape"] = (info["height"], info["width"])
            out = load(info)
            labels.update(out["gt_bboxes_labels"].tolist())
            assert not out["gt_ignore_flags"].any()
            areas = out["gt_masks"].masks.sum((1, 2))
            assert sorted(areas) == sorted(
                a["area"] for a in content["annotations"] if a["image_id"] == info["img_id"]
            )
        assert labels == Counter(a["category_id"] - 1 for a in content["annotations"])


def test_class_crops_are_told_apart_by_colour(small_set):
    crops, labels = class_crops(small_set[0], "annotations/train.json", 32)
    content = read(small_set[0] / "annotations/train.json")
    assert crops.shape == (len(content["annotations"]), 32, 32, 3) and crops.dtype == np.uint8
    assert Counter(labels.tolist()) == Counter(a["category_id"] - 1 for a in content["annotations"])
    # RGB order and the right label: the middle of each crop shows the family's hue.
    stems = np.array([c["name"][:4] for c in content["categories"]])[labels]
    middle = crops[:, 10:22, 10:22].astype(float)
    chroma = (middle - middle.mean(-1, keepdims=True)).mean((1, 2))
    centres = {s: chroma[stems == s].mean(0) for s in np.unique(stems)}
    names = list(centres)
    distance = np.linalg.norm(chroma[:, None] - np.stack(list(centres.values())), axis=2)
    assert np.mean(np.array(names)[distance.argmin(1)] == stems) > 0.75
    again = class_crops(small_set[0], "annotations/train.json", 32)[0]
    assert (crops == again).all()


def test_nothing_half_written_and_nothing_foreign_replaced(tmp_path, monkeypatch):
    data, truth = tmp_path / "data", tmp_path / "truth"
    spec = MiniLvisSpec(**SMOKE)
    generate(spec, data, truth)
    before = tree_hash(data, truth)
    monkeypatch.setattr("seesaw.data.mini_lvis._image_info", lambda content: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(MiniLvisSpec(seed=9, **SMOKE), data, truth)
    monkeypatch.undo()
    assert tree_hash(data, truth) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "truth"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("x")
    for target in (tmp_path / "mine", tmp_path / "mine/thesis.tex"):
        with pytest.raises(UserError, match=f"^{target} .*mini-LVIS"):
            generate(spec, target, truth)
    with pytest.raises(UserError, match=f"^{data}/truth: .* {data}:"):
        generate(spec, data, data / "truth")
    assert tree_hash(data, truth) == before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"groups": (1, 4, 4)}, "groups"),
        ({"train_images": 20}, r"edges \(15, 42\)"),
        ({"image_side": (100, 90)}, r"image_side \(100, 90\)"),
        ({"groups": (4, 90, 40)}, r"\d+ image-category pairs .*\btrain_images=320\b"),
        ({"groups": (80, 4, 2)}, r"groups \(80, 4, 2\).*\b29\b"),
        ({"colour": 1}, "colour"),
    ],
)
def test_bad_specs_get_one_sentence(fields, message):
    with pytest.raises(UserError, match=message) as error:
        MiniLvisSpec.parse(fields, "datasets.yaml")
    assert str(error.value).startswith("datasets.yaml: ") and "\n" not in str(error.value)


@pytest.mark.slow
def test_mini_scale(tmp_path):
    spec = MiniLvisSpec()
    generate(spec, tmp_path / "data", tmp_path / "truth")
    train = counted(tmp_path / "data/annotations/train.json")
    assert Counter(c["frequency"] for c in train) == {"r": 12, "c": 12, "f": 12}
    val = counted(tmp_path / "data/annotations/val.json")
    rare = [c["instance_count"] for c in val if c["frequency"] == "r"]
    assert min(rare) >= 20
    instances = [c["instance_count"] for c in val]
    assert max(instances) < 2 * min(instances)
    content = read(tmp_path / "data/annotations/val.json")
    area = np.array([a["area"] for a in content["annotations"]])
    assert (area < 32**2).sum() >= 200 and (area > 96**2).sum() >= 10
    assert ((area > 32**2) & (area < 96**2)).sum() >= 200
    sides = [i[k] for i in content["images"] for k in ("width", "height")]
    assert min(sides) >= 144 and max(sides) <= 176
