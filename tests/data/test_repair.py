"""What --fix mends in annotation files is what was meant."""

import os

import pytest
import small_folder
from small_folder import FILES, edit

from seesaw.data import lvis_folder, repair
from seesaw.errors import UserError


def test_whole_numbers_that_pandas_wrote_as_floats_are_kept(tmp_path):
    folder = small_folder.make(tmp_path / "set")
    before = small_folder.read(folder, "train")

    def spoil(content):
        image, annotation = content["images"][0], content["annotations"][0]
        image |= {key: float(image[key]) for key in ("id", "width", "height")}
        image["neg_category_ids"] = [float(c) for c in image["neg_category_ids"]]
        annotation |= {key: float(annotation[key]) for key in ("id", "image_id", "category_id")}
        content["categories"][1]["id"] = 2.0

    edit(folder, "train", spoil)
    target, done = repair.repair(folder, FILES)
    assert small_folder.read(target, "train") == before
    assert list(done.values()) == [7 + len(before["images"][0]["neg_category_ids"])]
    assert not any(content.faults for content in lvis_folder.read(target, FILES).values())


@pytest.mark.parametrize("read", [lvis_folder.read, repair.repair])
def test_a_pipe_is_no_annotation_file(tmp_path, read):
    """It would be waited for without end."""
    folder = small_folder.make(tmp_path / "set")
    path = small_folder.path_of(folder, "train")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=f"{path} .*no file"):
        read(folder, FILES)
