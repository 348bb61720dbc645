"""A clone without results, whose claims a test writes."""

import pytest
import yaml

from seesaw.core import paths
from seesaw.spec import claims
from seesaw.spec.scales import Scale


@pytest.fixture
def claim(clone):
    """Writes configs/claims.yaml with a claim, and more; returns the scale and the claims."""

    def write(frozen=None, seeds=(0, 1, 2, 3, 4), curves=(), more=(), **row):
        rows = [{"id": "c", "says": "it does", "where": "Table 1", **row}, *more]
        content = {"scale": "mini", "seeds": [*seeds], "frozen": frozen, "claims": rows}
        content["curves"] = [*curves]
        paths.CLAIMS.write_text(yaml.safe_dump(content))
        scale = Scale("mini")
        return scale, claims.of(scale)

    return write
