"""Time and peak memory against the number of images.

Detections to file, evaluation of masks and boxes, packaging and validating a submission, each in
a process of its own on generated detections, 300 an image. ``--full`` goes to the 19,809 images
of LVIS v1 val (about ten minutes, 6 GB of temporary files) and draws docs/growth.png.
"""

import tempfile
from pathlib import Path

import matplotlib
import numpy as np
import orjson
from evaluation import CHILD, DETECTIONS, VAL, files, generate
from report import arguments, child, row

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PLOT = Path(__file__).parents[1] / "docs" / "growth.png"
QUICK, FULL = (250, 500, 1000, 2000), (1250, 2500, 5000, 10000, VAL)
PACKAGE = "from seesaw.evaluation.submission.package import ImageList, package\n"
PACKAGE += "wanted = ImageList.load(truth.with_name('images.json'))\n"
STEPS = {
    "detections to file": "from seesaw.evaluation.resumable import ResumableWriter\n"
    "import numpy as np, orjson\n"
    "copy = found.with_name('copy.jsonl')\n"
    "with ResumableWriter(copy, 'key') as writer, found.open('rb') as lines:\n"
    "    writer.todo(list(range(1, images + 1)))\n"
    "    for line in map(orjson.loads, lines):\n"
    "        boxes = np.array(line['bboxes'])\n"
    "        boxes[:, 2:] += boxes[:, :2]\n"
    "        size = line['image_id'], line['height'], line['width']\n"
    "        labels = np.array(line['category_ids']) - 1\n"
    "        writer.write(*size, boxes, line['scores'], labels, line['counts'])\n"
    "said = writer.images",
    "evaluation": CHILD["ours"],
    "packaging": f"{PACKAGE}said = package(found, wanted, results.with_suffix('.zip'))",
    "validation": f"{PACKAGE}from seesaw.evaluation.submission.validate import validate\n"
    "said = len(validate(results.with_suffix('.zip'), wanted).faults); assert not said",
}


def plot(sizes: tuple[int, ...], measured: dict[str, list[tuple[float, float]]]) -> None:
    """Two panels: CPU seconds and peak MB of each step."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for k, (panel, unit) in enumerate(zip(panels, ("CPU s", "peak MB"), strict=True)):
        for name, figures in measured.items():
            panel.plot(sizes, [pair[k] for pair in figures], marker="o", markersize=4, label=name)
        panel.set(xlabel=f"images ({DETECTIONS} detections each)", ylabel=unit, xlim=0)
        panel.set_ylim(0)
        panel.grid(alpha=0.3)
    panels[0].legend()
    figure.savefig(PLOT, dpi=120)


def main() -> None:
    """Measure, report and plot."""
    full = arguments(__doc__, f"up to {VAL:,} images").parse_args().full
    sizes = FULL if full else QUICK
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in STEPS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for images in (4, *sizes):  # after 4, compiled code and file caches are warm
            generate(folder, images, results=False)
            listed = orjson.loads((folder / "truth.json").read_bytes()) | {"annotations": []}
            (folder / "images.json").write_bytes(orjson.dumps(listed))  # as test-dev's list
            del listed
            for step, code in STEPS.items():
                cpu, memory, _ = child(step, code, images=images, **files(folder))
                if images > 4:
                    measured[step].append((cpu, memory))
                    print(f"{step}, {images:,} images: {cpu:.1f} CPU s, {memory:.0f} MB")
    if full:
        plot(sizes, measured)
    for step, figures in measured.items():
        span = f"Growth from {sizes[0]:,} to {sizes[-1]:,} images, {step}"
        time, memory = (np.array(values) for values in zip(*figures, strict=True))
        line = np.polynomial.Polynomial.fit(sizes, time, 1)
        row(f"{span}: CPU time of a further image", 1e3 * line.convert().coef[1], "ms")
        off = 100 * max(abs(time - line(np.array(sizes)))) / time[-1]
        row(f"{span}: farthest from a straight line", off, "%", at_most=10 if full else None)
        more = 1e3 * (memory[-1] - memory[0]) / (sizes[-1] - sizes[0])
        row(f"{span}: memory of a further image", more, "kB")


if __name__ == "__main__":
    main()
