"""The RLE encoder against pycocotools, the writer's promises, the reader's refusals."""

import generated
import numpy as np
import orjson
import pytest
from generated import image
from pycocotools import mask as mask_api

from seesaw.data import rle
from seesaw.errors import UserError
from seesaw.evaluation.detections import DetectionWriter, read


def masks(seed: int) -> list[np.ndarray]:
    """Noise of every density, blobs, and the corner cases: empty, full, edges, single pixels."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    found = [rng.random((height, width)) < p for p in (0.02, 0.3, 0.5, 0.98)]
    found += [generated.blob(rng, height, width) for _ in range(6)]
    found += [np.zeros((height, width), bool), np.ones((height, width), bool)]
    for rows, columns in [(0, slice(None)), (-1, slice(None)), (slice(None), 0), (-1, -1), (0, 0)]:
        mask = np.zeros((height, width), bool)
        mask[rows, columns] = True
        found.append(mask)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_encode_gives_the_bytes_of_pycocotools_and_decode_reads_them(seed):
    stack = masks(seed)
    counts = [rle.encode(mask) for mask in stack]
    assert counts == [generated.rle_of(mask) for mask in stack]
    intervals, bad = rle.decode(counts, stack[0].size)
    assert bad == -1
    assert intervals.areas.tolist() == [int(mask.sum()) for mask in stack]
    for i, mask in enumerate(stack):
        flat = np.zeros(mask.size, bool)
        for k in range(intervals.offsets[i], intervals.offsets[i + 1]):
            flat[intervals.starts[k] : intervals.ends[k]] = True
        assert (flat.reshape(mask.shape, order="F") == mask).all()


@pytest.mark.parametrize(("y", "x", "h", "w"), [(0, 0, 9, 7), (3, 2, 30, 1), (21, 43, 9, 7)])
def test_a_crop_anywhere_in_the_image_encodes_as_the_full_mask(y, x, h, w):
    rng = np.random.default_rng(0)
    for mask in (rng.random((h, w)) < 0.5, np.ones((h, w), bool), np.zeros((h, w), bool)):
        full = np.zeros((30, 50), bool)
        full[y : y + h, x : x + w] = mask[: 30 - y]
        crop = mask[: 30 - y]
        assert rle.encode_crop(crop, x, y, 30, 50) == generated.rle_of(full)
    with pytest.raises(ValueError, match=rf"\(50, {y}\).*\(30, 50\)"):
        rle.encode_crop(np.ones((h, w), bool), 50, y, 30, 50)


def test_large_masks_decode_exactly():
    full = np.zeros((2000, 3000), bool)
    full[1999, 2999] = True
    counts = rle.encode(full)
    assert counts == generated.rle_of(full)
    intervals, bad = rle.decode([counts] * 300, full.size)
    assert bad == -1
    assert intervals.areas.tolist() == [1] * 300
    assert intervals.starts[0] == 2000 * 3000 - 1


def test_malformed_rle_is_found_at_its_index():
    good = generated.rle_of(np.eye(8, dtype=bool))
    for broken in ("", "!", good[:-1], good + "1", "P", "oooooooooooo0", good[:3] + "~" + good[4:]):
        assert rle.decode([good, good, broken, good], 64)[1] == 2
    assert rle.decode([good], 63)[1] == 0
    assert rle.decode([], 64)[1] == -1


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "sub" / "detections.jsonl"
    first, empty = image(5), image(0)
    as_rle = image(4, seed=1)
    coded = [mask_api.encode(np.asfortranarray(m, np.uint8)) for m in as_rle["masks"]]
    with DetectionWriter(path) as writer:
        writer.write(1, **first)
        writer.write(7, **empty)
        writer.write(9, **as_rle | {"masks": coded}, mask_scores=np.arange(4) / 8)
    one, none, apart = read(path, {i: (20, 30) for i in (1, 7, 9)}, range(1, 10))
    order = np.argsort(-first["scores"], kind="stable")
    assert one.image_id == 1
    assert none.scores.size == none.boxes.size == none.category_ids.size == 0
    assert (one.category_ids == first["labels"][order] + 1).all()
    assert (one.scores.astype(np.float32) == first["scores"][order]).all()
    assert (one.mask_scores == one.scores).all()
    assert (one.boxes.astype(np.float32)[:, :2] == first["boxes"][order, :2]).all()
    assert one.boxes[:, 2:] == pytest.approx(np.full((5, 2), 5.0), abs=1e-5)
    assert one.counts == [generated.rle_of(m) for m in first["masks"][order]]
    order = np.argsort(-as_rle["scores"], kind="stable")
    assert apart.counts == [generated.rle_of(m) for m in as_rle["masks"][order]]
    assert (apart.mask_scores == np.arange(4)[order] / 8).all()


def test_the_300_highest_scores_are_kept_and_ties_keep_their_order(tmp_path):
    many = image(640, size=(4, 5))
    with DetectionWriter(tmp_path / "d.jsonl") as writer:
        writer.write(3, **many)
    (kept,) = read(tmp_path / "d.jsonl")
    order = sorted(range(640), key=lambda i: -many["scores"][i])[:300]
    assert kept.counts == [generated.rle_of(many["masks"][i]) for i in order]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": np.array([0.5, np.nan])}, "scores .*finite"),
        ({"boxes": np.full((2, 4), np.inf)}, "boxes .*finite"),
        ({"labels": np.array([1])}, "number"),
        ({"masks": np.zeros((2, 30, 20), bool)}, r"\(30, 20\), not \(20, 30\)"),
        ({"masks": [{"size": [30, 20], "counts": "0"}] * 2}, r"\(30, 20\)"),
        ({"image_id": 4}, r"image 4 .*\bimage 4\b"),
    ],
)
def test_writer_refuses_and_leaves_nothing(tmp_path, change, said):
    path = tmp_path / "detections.jsonl"
    with pytest.raises(UserError, match=said), DetectionWriter(path) as writer:
        writer.write(4, **image(2))
        writer.write(**{"image_id": 5} | image(2) | change)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writer_keeps_the_file_that_was_there(tmp_path):
    path = tmp_path / "detections.jsonl"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), DetectionWriter(path) as writer:
        writer.write(4, **image(2))
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": [0.5, None]}, "scores .*finite"),
        ({"scores": [0.5, "high"]}, "'high'"),
        ({"scores": [0.5]}, "length"),
        ({"mask_scores": [0.5]}, "length"),
        ({"bboxes": [[0, 0, 1, None]] * 2}, "bboxes .*finite"),
        ({"bboxes": [[0, 0, -1, 1]] * 2}, "negative width"),
        ({"bboxes": [[0, 0, 1]] * 2}, r"line 2: .*\b6\b"),
        ({"counts": ["0", "0"]}, "mask 0 .*600 pixels"),
        ({"counts": [7, 7]}, r"line 2: .*\bstr\b"),
        ({"counts": ["é", "é"]}, "ascii"),
        ({"category_ids": [1, 99]}, "category 99"),
        ({"category_ids": [1, 1.5]}, "category_ids .*whole"),
        ({"image_id": 8}, "image 8"),
        ({"image_id": 4}, r"image 4 .*\bimage 4\b"),
        ({"image_id": None}, "image_id is None"),
        ({"height": 30, "width": 20}, "30 x 20 .*20 x 30"),
    ],
)
def test_reader_names_the_line_and_the_fault(tmp_path, change, said):
    path = tmp_path / "detections.jsonl"
    with DetectionWriter(path) as writer:
        writer.write(4, **image(2))
        writer.write(5, **image(2))
    good, bad = path.read_bytes().splitlines()
    path.write_bytes(good + b"\n" + orjson.dumps(orjson.loads(bad) | change) + b"\n")
    with pytest.raises(UserError, match=said) as caught:
        list(read(path, {4: (20, 30), 5: (20, 30)}, range(1, 10)))
    assert f"{path}, line 2: " in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"image_id": 5, "sco', "JSON"),
        (b'{"image_id": 5, "height": 2, "width": 2, "scores": [NaN]}', "JSON"),
        (b"[]", "JSON"),
        (b'{"image_id": 5}', "'height'"),
    ],
)
def test_reader_refuses_what_is_not_a_line_of_detections(tmp_path, line, said):
    path = tmp_path / "detections.jsonl"
    path.write_bytes(line)
    with pytest.raises(UserError, match=said):
        list(read(path))
    with pytest.raises(UserError, match=r"none\.jsonl .*missing"):
        list(read(tmp_path / "none.jsonl"))
