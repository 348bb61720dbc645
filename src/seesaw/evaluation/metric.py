"""AP by the LVIS protocol in mmengine's test loop."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from mmdet.registry import METRICS
from mmdet.structures.mask import encode_mask_results
from mmengine.evaluator import BaseMetric

from seesaw.errors import UserError
from seesaw.evaluation.detections import DetectionWriter
from seesaw.evaluation.lvis_eval import evaluate
from seesaw.spec.annotations import load_annotations


@METRICS.register_module()
class StreamedLVISMetric(BaseMetric):
    """mmdet's LVISMetric with the evaluation of `seesaw evaluate`.

    mmdet's calls lvis 0.5.3, which ends in an AttributeError with NumPy 1.24 and later (`np.float`,
    lvis-api#37).

    Args:
        ann_file: annotations in LVIS format, with categories in the order of the model's labels.
        options: those of mmengine's `BaseMetric`.
    """

    default_prefix = "lvis"

    def __init__(self, ann_file: str, **options: Any):
        super().__init__(**options)
        self._annotations = ann_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the detections of a batch, masks as run lengths."""
        for sample in data_samples:
            found = sample["pred_instances"]
            masks = found["masks"]
            if isinstance(masks, torch.Tensor):
                masks = encode_mask_results(masks.cpu().numpy())
            arrays = [found[name].cpu().numpy() for name in ("bboxes", "scores", "labels")]
            own = found["mask_scores"].cpu().numpy() if "mask_scores" in found else None
            self.results.append((sample["img_id"], *sample["ori_shape"][:2], *arrays, masks, own))

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        """Return the metrics of boxes and masks, as fractions; -1 where one is undefined.

        Raises:
            UserError: the annotations are missing or malformed, or have fewer categories.
        """
        categories = load_annotations(Path(self._annotations))["categories"]
        ids = np.array([category["id"] for category in categories])
        with TemporaryDirectory() as folder:
            path = Path(folder) / "detections.jsonl"
            with DetectionWriter(path) as writer:
                for *image, boxes, scores, labels, masks, own in sorted(results, key=itemgetter(0)):
                    if (most := labels.max(initial=-1)) >= len(ids):
                        raise UserError(
                            f"{self._annotations} has {len(ids)} categories, and the model found "
                            f"label {most}: name the annotations of the model's categories."
                        )
                    # the writer adds 1; in other data than ours a label need not be an id less 1
                    writer.write(*image, boxes, scores, ids[labels] - 1, masks, own)
            scored = evaluate(path, self._annotations)
        return {
            f"{kind}_{name}": -1.0 if value is None else value
            for kind in ("bbox", "segm")
            for name, value in scored[kind].items()
        }
