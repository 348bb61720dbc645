"""The official evaluator on numpy 2, and hotcoco, as references for ours."""

import json
import logging
import types

import hotcoco
import lvis.eval
import numpy as np
from pycocotools import mask as mask_api

KEYS = {"APs": "AP_s", "APm": "AP_m", "APl": "AP_l", "APr": "AP_r", "APc": "AP_c", "APf": "AP_f"}
KEYS |= {"AR@300": "AR", "ARs@300": "AR_s", "ARm@300": "AR_m", "ARl@300": "AR_l"}

# lvis 0.5.3 uses np.float, which numpy dropped in 1.24 (lvis-api#42).
lvis.eval.np = types.SimpleNamespace(**{**vars(np), "float": float})


def results(lines: list[dict], kind: str) -> list[dict]:
    """Lines of a detections file in COCO's results format, masks without a box key."""
    found = []
    for line in lines:
        scores = line.get("mask_scores", line["scores"]) if kind == "segm" else line["scores"]
        size = [line["height"], line["width"]]
        for category, score, box, counts in zip(
            line["category_ids"], scores, line["bboxes"], line["counts"], strict=True
        ):
            what = {"segmentation": {"size": size, "counts": counts}}
            what = what if kind == "segm" else {"bbox": list(box)}
            found.append(
                {"image_id": line["image_id"], "category_id": category, "score": score} | what
            )
    return found


def official(annotations, lines: list[dict], kind: str) -> dict[str, float | None]:
    """Metrics by the ``lvis`` package, in our names; None where it says -1."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        run = lvis.LVISEval(str(annotations), results(lines, kind), kind)
        run.run()
    finally:
        logging.disable(before)  # other tests of this process read warnings
    return {KEYS.get(key, key): None if v < 0 else v for key, v in run.results.items()}


def rust(annotations, lines: list[dict], kind: str) -> dict[str, float | None]:
    """Metrics by hotcoco, fed what lvis would keep (it does not drop zero areas itself)."""
    data = json.loads(annotations.read_text())
    judged = {image["id"]: set(image["neg_category_ids"]) for image in data["images"]}
    data["annotations"] = [a for a in data["annotations"] if a["area"] > 0]
    for annotation in data["annotations"]:
        judged[annotation["image_id"]].add(annotation["category_id"])
    kept = []
    for line in lines:
        found = sorted(results([line], kind), key=lambda r: -r["score"])[:300]
        for result in found:
            area = (
                mask_api.area(result["segmentation"])
                if kind == "segm"
                else result["bbox"][2] * result["bbox"][3]
            )
            if area > 0 and result["category_id"] in judged[line["image_id"]]:
                kept.append(result)
    truth = hotcoco.COCO(data)
    run = hotcoco.COCOeval(truth, truth.loadRes(kept), kind, lvis_style=True)
    run.run()
    return {KEYS.get(key, key): None if v < 0 else v for key, v in run.get_results().items()}
