"""A scale's results in the form of mmdet's ``metafile.yml``, which mim and model indexes read."""

from __future__ import annotations

import yaml

from seesaw.core import paths
from seesaw.spec.scales import Scale

COLLECTION = {
    "Name": "Seesaw Loss",
    "Metadata": {
        "Training Techniques": ["SGD with Momentum", "Weight Decay"],
        "Architecture": ["RPN", "RoIAlign", "Seesaw Loss"],
    },
    "Paper": {
        "URL": "https://arxiv.org/abs/2008.10032",
        "Title": "Seesaw Loss for Long-Tailed Instance Segmentation",
    },
    "README": "README.md",
}


def text(scale: Scale, means: dict[str, dict[str, float | None]]) -> str:
    """Return the file's text.

    ``means``: evaluation on val -> its AP in percent, as from
    `seesaw.results.tables.collect.means`.
    """
    models = []
    for evaluation in scale.table.evaluations.values():
        if (row := means.get(evaluation.id)) is None:
            continue
        config = evaluation.config_path
        assert config  # what has been evaluated has one
        shown = {
            "Object Detection": ("box AP", "AP_box"),
            "Instance Segmentation": ("mask AP", "AP"),
        }
        results = [
            {
                "Task": task,
                "Dataset": f"{scale.entry.name}, val",
                "Metrics": {name: round(value, 1)},
            }
            for task, (name, key) in shown.items()
            if (value := row.get(key)) is not None
        ]
        schedule = scale.table.trainings[evaluation.training].schedule
        models.append(
            {
                "Name": f"{evaluation.id}-{scale.name}",
                "In Collection": COLLECTION["Name"],
                "Config": config.relative_to(paths.ROOT).as_posix(),
                "Metadata": {"Scale": scale.name, "Schedule": schedule},
                "Results": results,
            }
        )
    content = {"Collections": [COLLECTION], "Models": models}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
