"""The columns of tables and claims: types for the YAML files' schemas, from `spec.metrics`."""

from typing import TYPE_CHECKING, Literal

from seesaw.spec.metrics import MASK, METRICS

# AP over all categories, of masks and of boxes.
OVERALL = tuple(name for name, (_, key) in METRICS.items() if key == MASK[0])
# Mask AP over all categories and over rare ones, where there is room for two metrics.
BRIEF = MASK[:2]

if TYPE_CHECKING:  # for mypy, which takes no constant in a Literal
    Metric = str
    Overall = str
    Column = str
else:
    Metric = Literal[*METRICS]
    Overall = Literal[*OVERALL]
    Column = Literal["schedule", *METRICS, "fps"]
