"""Random detectors for measurements: their features stay finite, as a trained one's."""

import pytest
import torch

from seesaw.evaluation import synthetic
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale


@pytest.mark.parametrize("name", ["a01_mask_rcnn", "a09_stronger_backbone", "a12_test_time"])
def test_a_random_backbone_has_features_of_normal_magnitude(name):
    """ResNeSt's grew tenfold with each stage, also where an image is padded."""
    scale = Scale("smoke")
    found = scale.table.evaluations.items()
    (path,) = {e.config_path for id, e in found if id.startswith(name)}
    net = synthetic.build(resolve(path, scale), train=False)
    first = next(e for id, e in found if id.startswith(name.replace("a12_test_time", "a11")))
    data = synthetic.view(resolve(first.config_path, scale), seed=1)
    with torch.no_grad():
        features = net.backbone(net.data_preprocessor(data)["inputs"])
    assert all(x.std() < 20 for x in features)
