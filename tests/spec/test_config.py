"""Configs that inherit the same files are read independently of each other."""

import pytest
from mmengine.config import Config

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.spec.config import load, resolve
from seesaw.spec.scales import Scale

RUNG, ABOVE = (paths.CONFIGS / f"table_a1/{n}.py" for n in ("a02_syncbn", "a03_carafe"))


def test_a_config_that_is_changed_leaves_those_that_inherit_it():
    before = load.__wrapped__(ABOVE)
    changed = Config.fromfile(RUNG, import_custom_modules=False)
    changed.model.roi_head.bbox_head.clear()
    changed.model.clear()
    assert load.__wrapped__(ABOVE) == before
    assert Config.fromfile(RUNG, import_custom_modules=False).model.roi_head.bbox_head


@pytest.mark.parametrize(
    "text",
    [
        "_base_ = []\nimport no_such_module\n",
        "_base_ = []\nmodel = [0][1]\n",
        "_base_ = []\nmodel = int('a')\n",
        "_base_ = []\nassert False\n",
        '_base_ = ["./odd.py"]\n',
    ],
)
def test_a_config_that_cannot_be_read_is_named(tmp_path, text):
    path = tmp_path / "odd.py"
    path.write_text(text)
    with pytest.raises(UserError, match=r"odd\.py"):
        load(path)


def test_annotations_that_no_scale_can_replace_are_named(tmp_path):
    path = tmp_path / "own.py"
    base = (paths.CONFIGS / "table_a1/a01_mask_rcnn.py").resolve()
    text = "train_dataloader = dict(dataset=dict(ann_file='annotations/own.json'))\n"
    path.write_text(f"_base_ = {str(base)!r}\n{text}")
    with pytest.raises(UserError, match=r"own\.py: ann_file is 'annotations/own\.json'"):
        resolve(path, Scale("mini"), register=False)
