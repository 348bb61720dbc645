"""The accuracy metrics, by the names that configs and tables use."""

# LVIS mask AP over all categories, and over rare, common and frequent ones.
MASK = ("AP", "AP_r", "AP_c", "AP_f")
# Each metric and its place (kind, key) in the metrics.json of an evaluation.
METRICS: dict[str, tuple[str, str]] = {name: ("segm", name) for name in MASK} | {
    "AP_box": ("bbox", "AP")
}
