"""Formats of images that OpenCV or Pillow treats in a way of its own."""

import cv2
import numpy as np
import pytest
import small_folder
from PIL import Image
from small_folder import FILES, faults

from seesaw.data import lvis_folder, pictures, repair


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_tiff_that_the_loader_turns_is_refused_and_mended(folder, orientation, big):
    """OpenCV turns it in any case, and its imread refuses one on its side."""
    path = folder / "train/000001.jpg"
    before = Image.open(path).convert("RGB")
    before.save(path, "TIFF", tiffinfo={0x0112: orientation}, big_tiff=big)
    assert faults(folder) == [("image 1", "turned")]
    target, done = repair.repair(folder, FILES)
    assert sum(done.values()) == 1 and faults(target) == []
    image = small_folder.read(target, "train")["images"][0]
    stored = np.array(before)[..., ::-1]
    mended = cv2.imread(str(lvis_folder.image_file(target, image)), cv2.IMREAD_COLOR)
    assert np.array_equal(mended, stored)


def test_no_program_is_started_for_an_image(folder):
    """Pillow gives PostScript to Ghostscript."""
    path = folder / "train/000001.jpg"
    Image.open(path).convert("RGB").save(path, "EPS")
    fault = pictures.content_fault(path, path.read_bytes(), 104, 88)
    assert fault is not None and "OpenCV" in fault.what
