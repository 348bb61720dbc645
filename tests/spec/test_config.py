"""Configs that inherit the same files are read independently of each other."""

import pytest
from mmengine.config import Config

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.spec.config import load

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
