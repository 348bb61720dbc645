"""The accuracy metrics, by the names that configs and tables use."""

# LVIS AP of masks: over all categories, and over rare, common and frequent ones.
MASK = ("AP", "AP_r", "AP_c", "AP_f")
# Each metric and where it stands in an evaluation's metrics.json: kind, key.
METRICS: dict[str, tuple[str, str]] = {name: ("segm", name) for name in MASK} | {
    "AP_box": ("bbox", "AP")
}
