"""docs/use_elsewhere.md: each config that it shows trains, by mmdet's own tool, outside of here."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import mmdet
import numpy as np
import pytest
from mmdet.datasets import CocoDataset

PAGE = (Path(__file__).parents[2] / "docs/use_elsewhere.md").read_text()
CONFIGS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
COUNTS = re.search(r"```bash\n(python -c.*?)```", PAGE, re.S).group(1)
TOOL = Path(mmdet.__file__).parent / ".mim/tools/train.py"
# Small and short; what the page's config is about stays.
SHORT = """
_base_ = "./page{number}.py"
model = _base_.model
model.backbone.update(depth=18, base_channels=8, init_cfg=None)
model.neck.in_channels = [8, 16, 32, 64]
rcnn = model.train_cfg.rcnn
for part in rcnn if isinstance(rcnn, list) else [rcnn]:
    part.sampler.num = 16
del part, rcnn
train_pipeline = _base_.train_dataloader.dataset.pipeline
train_pipeline[2].scale = (96, 96)
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root="", ann_file="annotations/train.json", data_prefix=dict(img="images/"),
        pipeline=train_pipeline,
    ),
)
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=2, val_interval=9)
param_scheduler = []
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(by_epoch=False))
val_cfg = val_dataloader = val_evaluator = test_cfg = test_dataloader = test_evaluator = None
"""
ALL = """
import runpy, sys
for number in range(int(sys.argv[2])):
    sys.argv[1:] = sys.argv[1:2] + [f"short{number}.py", "--work-dir", f"work{number}"]
    tool = sys.argv.pop(1)
    runpy.run_path(tool, run_name="__main__")
    sys.argv.insert(1, tool)
"""


@pytest.fixture
def folder(tmp_path):
    """Four images with a rectangle or two each, of COCO's 80 categories by their names."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    (tmp_path / "images").mkdir()
    for i in range(1, 5):
        picture = rng.integers(0, 255, (80, 96, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"images/{i}.png"), picture)
        url = {"file_name": f"{i}.png", "width": 96, "height": 80}
        images.append({"id": i, **url})
        for category in (i, 80):
            x, y, w, h = 8, 10, 40, 30
            annotations.append(dict(
                id=len(annotations) + 1, image_id=i, category_id=category, bbox=[x, y, w, h],
                area=w * h, iscrowd=0, segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
            ))  # fmt: skip
    names = CocoDataset.METAINFO["classes"]
    categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/train.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.slow
def test_every_config_of_the_page_trains_elsewhere(folder):
    for number, text in enumerate(CONFIGS):
        (folder / f"page{number}.py").write_text(text)
        (folder / f"short{number}.py").write_text(SHORT.format(number=number))
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", COUNTS], cwd=folder, env=env, check=True)
    command = [sys.executable, "-c", ALL, str(TOOL), str(len(CONFIGS))]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    heads = ("SyncedSeesawLoss", "EqualizationLoss", "GroupSoftmaxLoss", "TSDBBoxHead", "HTCLite")
    assert all(head in text for head, text in zip(heads, CONFIGS, strict=True))
    assert all((folder / f"work{n}/iter_2.pth").is_file() for n in range(len(heads)))
    # one process, one log: that of the first
    (log,) = folder.glob("work0/*/vis_data/scalars.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2] * len(heads)
    assert all(np.isfinite(line["loss"]) for line in lines)
