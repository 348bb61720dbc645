"""CPU time and peak memory of LVIS evaluation against ``lvis`` and hotcoco, in one run.

Each evaluator reads generated annotations (1,203 categories, federated as LVIS) and 300
detections an image from files, in a process of its own. Also: 1,000 bootstrap replicates of AP,
AP_r, AP_c, AP_f (masks) and AP (boxes). ``--full`` adds ours alone at the size of LVIS v1 val.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import orjson
from report import arguments, child, row

from seesaw.data import rle

HEIGHT, WIDTH, CATEGORIES, DETECTIONS, VARIANTS = 480, 640, 1203, 300, 5
VAL = 19809  # images of LVIS v1 val
ORACLE = str(Path(__file__).parents[1] / "tests" / "evaluation")
CHILD = {
    "ours": "from seesaw.evaluation.lvis_eval import *\nsaid = evaluate(found, truth)['segm']",
    "ours, masks": "from seesaw.evaluation.lvis_eval import *\n"
    "t = load(truth); said = metrics_of(match(found, t, ['segm']), t)['segm']",
    "lvis": "import sys; sys.path.append(oracle); import lvis, lvis_oracle\n"
    "run = lvis.LVISEval(str(truth), str(results), 'segm'); run.run(); said = run.results\n"
    "said = {lvis_oracle.KEYS.get(k, k): None if v < 0 else v for k, v in said.items()}",
    "hotcoco": "import sys; sys.path.append(oracle); import hotcoco, lvis_oracle\n"
    "t = hotcoco.COCO(str(truth)); run = hotcoco.COCOeval(t, t.loadRes(str(results)), 'segm',\n"
    "lvis_style=True); run.run(); said = run.get_results()\n"
    "said = {lvis_oracle.KEYS.get(k, k): None if v < 0 else v for k, v in said.items()}",
    "bootstrap": "from seesaw.evaluation.lvis_eval import *\n"
    "from seesaw.evaluation import resample\nimport time\n"
    "path = found.with_name('matches.npz'); pairs = match(found, load(truth)).items()\n"
    "resample.save({kind: resample.Ranking.of(m) for kind, m in pairs}, path)\n"
    "start = time.process_time(); kinds = resample.load(path)\n"
    "all = [resample.replicates(ranking, 1000) for ranking in kinds.values()]\n"
    "said = {'seconds': time.process_time() - start, 'bytes': path.stat().st_size}",
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
        name = {"id": image, "file_name": f"{image}.jpg"}
        truth["images"].append(name | {"height": HEIGHT, "width": WIDTH} | lists)
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


def files(folder: Path) -> dict[str, Path]:
    """The files of `generate`, by the names that the children's code has for them."""
    names = {"truth": "truth.json", "found": "found.jsonl", "results": "results.json"}
    return {key: folder / name for key, name in names.items()}


def measure(name: str, folder: Path) -> tuple[float, float, dict]:
    """CPU seconds, peak MB and what one evaluator says, in a new process."""
    return child(name, CHILD[name], oracle=ORACLE, **files(folder))


def against(folder: Path, images: int) -> None:
    """Ours, lvis and hotcoco on the same files, the thirteen metrics equal."""
    generate(folder, images)
    size = f"{images:,} images x {DETECTIONS}, masks"
    cpu, memory, ours = measure("ours, masks", folder)
    for peer, faster, smaller in (("lvis", 20, 5), ("hotcoco", None, None)):
        their_cpu, their_memory, theirs = measure(peer, folder)
        worst = max(abs((ours[k] or 0) - (theirs[k] or 0)) for k in ours)
        if worst > 1e-9 or any((ours[k] is None) != (theirs[k] is None) for k in ours):
            raise SystemExit(f"{peer} says {theirs}, ours {ours}")
        time_ = {"unit": "CPU s", "peer": their_cpu, "peer_name": peer, "at_least": faster}
        row(f"Evaluation, {size}: time (13 metrics equal to {worst:.0e})", cpu, **time_)
        peak = {"unit": "MB", "peer": their_memory, "peer_name": peer, "at_least": smaller}
        row(f"Evaluation, {size}: peak memory", memory, **peak)


def alone(folder: Path, images: int, full: bool) -> None:
    """Masks and boxes of a whole split, and the bootstrap."""
    if full:
        generate(folder, images, results=False)
        for name, what in (("ours, masks", "masks"), ("ours", "masks and boxes")):
            cpu, memory, _ = measure(name, folder)
            size = f"{images:,} images x {DETECTIONS}, {what}"
            row(f"Evaluation, {size}: time", cpu, "CPU s", at_most=60)
            row(f"Evaluation, {size}: peak memory", memory, "MB", at_most=1500)
    *_, said = measure("bootstrap", folder)
    what = f"Bootstrap, 1,000 replicates of 5 metrics, {images:,} images"
    row(f"{what}: time", said["seconds"], "CPU s", at_most=90 if full else None)
    row(f"{what}: cached matches", said["bytes"] / 1e6, "MB")


def main() -> None:
    """Measure and report."""
    parser = arguments(__doc__, f"also {VAL:,} images")
    parser.add_argument("--images", type=int, default=2000, help="beside lvis (2000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder, 4)
        for evaluator in CHILD:
            measure(evaluator, folder)  # compiled code and file caches are warm below
        against(folder, options.images)
        alone(folder, VAL if options.full else options.images, options.full)


if __name__ == "__main__":
    main()
