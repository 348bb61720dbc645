import numpy as np
import pytest
from pycocotools import mask as coco_mask

from seesaw.data.segments import encode, to_rle


def decode(segmentation, shape):
    return coco_mask.decode(to_rle(segmentation, *shape)).astype(bool)


def test_rectangle_gives_its_pixel_edges():
    mask = np.zeros((20, 30), bool)
    mask[4:10, 7:19] = True
    segmentation, area, bbox = encode(mask)
    assert area == 72.0 and bbox == [7.0, 4.0, 12.0, 6.0]
    corners = np.array(segmentation[0]).reshape(-1, 2)
    assert {tuple(c) for c in corners} == {(7, 4), (7, 10), (19, 4), (19, 10)}


@pytest.mark.parametrize("rle", [None, "compressed", "uncompressed"])
def test_holes_survive_as_polygon_and_as_run_lengths(rle):
    mask = np.zeros((40, 50), bool)
    mask[5:35, 5:45] = True
    mask[10:15, 10:20] = mask[20:30, 25:40] = False
    segmentation, area, _ = encode(mask, rle)
    assert isinstance(segmentation, dict if rle else list)
    back = decode(segmentation, mask.shape)
    assert area == back.sum() and (back != mask).sum() <= (0 if rle else 2)


def test_parts_and_specks():
    mask = np.zeros((40, 50), bool)
    mask[2:10, 2:10] = mask[20:30, 20:40] = True
    mask[35, 5] = True  # a speck, dropped
    segmentation, area, bbox = encode(mask)
    assert len(segmentation) == 2 and area == 64 + 200 and bbox == [2.0, 2.0, 38.0, 28.0]


def test_uncompressed_counts_start_with_background():
    mask = np.zeros((12, 12), bool)
    mask[:, :] = True
    mask[4:8, 4:8] = False
    segmentation, area, _ = encode(mask, "uncompressed")
    assert segmentation["counts"][:2] == [0, 52] and sum(segmentation["counts"]) == 144
    assert area == 128.0


def test_outlines_stay_within_half_a_pixel_of_round_shapes():
    y, x = np.mgrid[:64, :64]
    for radius in (6, 12, 25):
        mask = (x - 31) ** 2 + (y - 30) ** 2 <= radius**2
        segmentation, _, _ = encode(mask)
        back = decode(segmentation, mask.shape)
        assert (back & mask).sum() / (back | mask).sum() > 1 - 1.0 / radius / 2
