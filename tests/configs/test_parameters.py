"""Parameters of every training at paper scale: the sum of the modules that the paper names."""

import pytest
import torch
import yaml
from category_counts import counts
from config_cases import PRINTED, TABLE, resolved
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

import seesaw.models  # noqa: F401  (registers)
from seesaw.core import paths

EXPECTED = yaml.safe_load(paths.PAPER_VALUES.read_text())["parameters"]
COUNTS = counts(range(1, 1204))  # only their number matters for the size of a model


def test_every_training_of_the_paper_has_an_expected_total():
    assert EXPECTED.keys() == TABLE.trainings.keys() & PRINTED


@pytest.mark.parametrize("training", EXPECTED)
def test_total_in_millions(training):
    init_default_scope("mmdet")
    model = ConfigDict(resolved(training).model.to_dict())
    heads = model.roi_head.bbox_head
    for head in heads if isinstance(heads, list) else [heads]:
        if "category_counts" in head.loss_cls:
            head.loss_cls.category_counts = COUNTS
    with torch.device("meta"):
        parameters = MODELS.build(model).parameters()
    total = sum(p.numel() for p in parameters)
    # printed with three decimals
    assert total / 1e6 == pytest.approx(EXPECTED[training], abs=5.01e-4)
