"""The accuracy metrics by the names that configs and tables use, and types for YAML's schemas."""

from typing import TYPE_CHECKING, Literal

# LVIS mask AP over all categories, and over rare, common and frequent ones.
MASK = ("AP", "AP_r", "AP_c", "AP_f")
# Each metric and its place (kind, key) in the metrics.json of an evaluation.
METRICS: dict[str, tuple[str, str]] = {name: ("segm", name) for name in MASK} | {
    "AP_box": ("bbox", "AP")
}
# AP over all categories, of masks and of boxes.
OVERALL = tuple(name for name, (_, key) in METRICS.items() if key == MASK[0])
# Mask AP over all categories and over rare ones, where there is room for two metrics.
BRIEF = MASK[:2]

if TYPE_CHECKING:  # for mypy, which takes no constant in a Literal
    Metric = str
    Overall = str
    Column = str
else:
    Metric = Literal[tuple(METRICS)]
    Overall = Literal[OVERALL]
    Column = Literal[("schedule", *METRICS, "fps")]
