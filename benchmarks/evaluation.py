"""CPU time and peak memory of LVIS evaluation against ``lvis`` and hotcoco, in one run.

Each evaluator reads generated annotations (1,203 categories, federated as LVIS) and 300
detections an image from files, in a process of its own. ``--images 19809 --only ours`` is the
size of LVIS v1 val.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import orjson

from seesaw.evaluation import rle

HEIGHT, WIDTH, CATEGORIES, DETECTIONS, VARIANTS = 480, 640, 1203, 300, 5
ORACLE = Path(__file__).parents[1] / "tests" / "evaluation"
CHILD = {
    "ours": "from seesaw.evaluation.lvis_eval import evaluate\n"
    "both = evaluate(found, truth)\nprint(both['segm']['AP'], both['bbox']['AP'])",
    "ours-masks": "from seesaw.evaluation.lvis_eval import *\n"
    "t = load(truth); m = match(found, t, ['segm'])['segm']\n"
    "print(summarize(*accumulate(m), t.groups)['AP'])",
    "lvis-masks": "import lvis, lvis_oracle\n"
    "run = lvis.LVISEval(str(truth), str(results), 'segm'); run.run()\nprint(run.results['AP'])",
    "hotcoco-masks": "import hotcoco\n"
    "t = hotcoco.COCO(str(truth)); run = hotcoco.COCOeval(t, t.loadRes(str(results)), 'segm',\n"
    "lvis_style=True); run.run(); print(run.get_results()['AP'])",
    "bootstrap-100": "from seesaw.evaluation.lvis_eval import *\n"
    "from seesaw.evaluation.resample import standard_errors\nimport time\n"
    "m = match(found, load(truth)); start = time.process_time()\n"
    "for kind in m.values(): part = standard_errors(kind, 100)['AP']\n"
    "print(f\"{time.process_time() - start:.1f} s for 100 replicates of both\", part['se'])",
}


def shapes(rng, bases: int = 600) -> tuple[list, list, np.ndarray]:
    """Ellipses: polygons (bases), RLE and boxes (bases x variants, each slightly shifted)."""
    polygons, counts, boxes = [], [], []
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for _ in range(bases):
        radius = np.exp(rng.uniform(np.log(6), np.log(110), 2)).astype(int)
        center = rng.uniform(radius + 12, np.array([WIDTH, HEIGHT]) - radius - 12)
        corners = center + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        polygons.append(corners.round(2).ravel().tolist())
        for _ in range(VARIANTS):
            x, y = (center - radius + rng.integers(-9, 10, 2) * radius / 110).astype(int)
            v, u = np.ogrid[-1 : 1 : 2j * radius[1], -1 : 1 : 2j * radius[0]]
            counts.append(rle.encode_crop(u**2 + v**2 <= 1, x, y, HEIGHT, WIDTH))
            boxes.append([x, y, 2 * radius[0], 2 * radius[1]])
    return polygons, counts, np.array(boxes, np.float32)


def generate(folder: Path, images: int, seed: int = 0, results: bool = True) -> None:
    """Write truth.json, found.jsonl and, for the other evaluators, results.json."""
    rng = np.random.default_rng(seed)
    polygons, counts, boxes = shapes(rng)
    share = 1 / np.arange(1, CATEGORIES + 1) ** 0.9
    share /= share.sum()
    frequency = ["f"] * 405 + ["c"] * 461 + ["r"] * 337
    truth = {"images": [], "annotations": [], "categories": []}
    truth["categories"] = [
        {"id": c + 1, "name": f"c{c}", "frequency": f} for c, f in enumerate(frequency)
    ]
    found, flat = (folder / "found.jsonl").open("wb"), (folder / "results.json").open("wb")
    flat.write(b"[")
    for image in range(1, images + 1):
        objects = rng.integers(len(polygons), size=12)
        category = rng.choice(CATEGORIES, 12, p=share) + 1
        lists = {"neg_category_ids": rng.integers(1, CATEGORIES + 1, 20).tolist()}
        lists["not_exhaustive_category_ids"] = category[:1].tolist()
        truth["images"].append({"id": image, "height": HEIGHT, "width": WIDTH} | lists)
        for base, c in zip(objects.tolist(), category.tolist(), strict=True):
            box = boxes[base * VARIANTS].tolist()
            number = len(truth["annotations"]) + 1
            truth["annotations"].append(
                {"id": number, "image_id": image, "category_id": c, "bbox": box}
                | {"area": box[2] * box[3] * 0.785, "segmentation": [polygons[base]]}
            )
        pick = rng.integers(12, size=DETECTIONS)
        near = rng.random(DETECTIONS) < 0.3
        base = np.where(near, objects[pick], rng.integers(len(polygons), size=DETECTIONS))
        label = np.where(near, category[pick], rng.choice(CATEGORIES, DETECTIONS, p=share) + 1)
        shape = base * VARIANTS + rng.integers(VARIANTS, size=DETECTIONS)
        score = np.sort(rng.random(DETECTIONS))[::-1].astype(np.float32)
        line = {"image_id": image, "height": HEIGHT, "width": WIDTH, "category_ids": label}
        line |= {"scores": score, "bboxes": boxes[shape], "counts": [counts[s] for s in shape]}
        found.write(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
        if results:
            flat.write(b"," if image > 1 else b"")
            rows = zip(label.tolist(), score.tolist(), line["counts"], strict=True)
            rows = [
                {"image_id": image, "category_id": c, "score": s}
                | {"segmentation": {"size": [HEIGHT, WIDTH], "counts": text}}
                for c, s, text in rows
            ]
            flat.write(orjson.dumps(rows)[1:-1])
    flat.write(b"]")
    found.close()
    flat.close()
    (folder / "truth.json").write_text(json.dumps(truth))


def measure(name: str, folder: Path) -> tuple[float, float, str]:
    """CPU seconds, peak MB and the last line of output of one evaluator in a new process."""
    files = {key: folder / f for key, f in [("truth", "truth.json"), ("found", "found.jsonl")]}
    files["results"] = folder / "results.json"
    code = "import logging, resource; logging.disable(30); from pathlib import Path\n"
    code += "".join(f"{key} = Path({str(path)!r})\n" for key, path in files.items())
    code += CHILD[name] + "\nusage = resource.getrusage(resource.RUSAGE_SELF)\n"
    # VmHWM, not ru_maxrss: that one starts from the size of the parent process.
    code += "peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]\n"
    code += "print(usage.ru_utime + usage.ru_stime, peak)"
    path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ORACLE)])
    environment = os.environ | {"PYTHONPATH": path, "RAYON_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    if child.returncode:
        raise SystemExit(f"{name} failed:\n{child.stderr}")
    *_, said, figures = child.stdout.splitlines()
    cpu, peak = map(float, figures.split())
    return cpu, peak / 1024, said


def main() -> None:
    """Print one line per evaluator, with its ratio to ours on masks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=CHILD, default=list(CHILD))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        others = any(name.startswith(("lvis", "hotcoco")) for name in options.only)
        generate(Path(folder), 4, results=True)
        for name in options.only:
            measure(name, Path(folder))  # compiled code and file caches are warm below
        generate(Path(folder), options.images, results=others)
        print(f"{options.images} images x {DETECTIONS} detections; ratios to ours-masks")
        ours = None
        for name in sorted(options.only, key=lambda name: name != "ours-masks"):
            cpu, memory, output = measure(name, Path(folder))
            ours = ours or (cpu, memory)
            print(
                f"{name:14s} {cpu:8.1f} CPU s {memory:8.0f} MB   "
                f"x{cpu / ours[0]:.1f} CPU  x{memory / ours[1]:.1f} MB   AP {output}",
                flush=True,
            )


if __name__ == "__main__":
    main()
