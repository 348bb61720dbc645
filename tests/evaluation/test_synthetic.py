"""Random detectors for measurements: their features stay finite, as a trained one's."""

import pytest
import torch

from seesaw.evaluation import synthetic
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale


@pytest.mark.parametrize("name", ["a01", "a09", "a12"])
def test_a_random_backbone_has_features_of_normal_magnitude(name):
    """ResNeSt's grew tenfold with each stage, also where an image is padded."""
    scale = Scale("smoke")
    evaluation = scale.table.evaluation(name)
    net = synthetic.build(resolve(evaluation.config_path, scale), train=False)
    data = synthetic.view(resolve(scale.table.trainings[evaluation.training].config, scale), seed=1)
    with torch.no_grad():
        features = net.backbone(net.data_preprocessor(data)["inputs"])
    assert all(x.std() < 20 for x in features)
