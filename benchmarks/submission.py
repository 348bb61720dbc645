"""Packaging and validating a submission, against orjson and zlib alone on the same bytes.

Generated detections, 300 an image, in processes of their own; ``--full`` is the size of LVIS v1
test-dev (19,822 images; 4 GB of temporary files).
"""

import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import orjson
from report import arguments, child, row

from seesaw.data import rle
from seesaw.evaluation.submission.package import LEVEL

HEIGHT, WIDTH, CATEGORIES, DETECTIONS = 480, 640, 1203, 300

CHILD = {
    "package": "from seesaw.evaluation.submission.package import ImageList, package\n"
    "facts = package(found, ImageList.load(images), archive)",
    "validate": "from seesaw.evaluation.submission.package import ImageList\n"
    "from seesaw.evaluation.submission.validate import validate\n"
    "report = validate(results, ImageList.load(images))\n"
    "assert report.detections == expected and not report.faults, report.lines()",
}


def alone(archive: Path, level: int, results: Path) -> float:
    """CPU seconds of orjson and zlib for the bytes of a package; writes the JSON on the way.

    The objects are read image by image, as packaging has them; only dumps and deflate are timed.
    """
    deflate, size, seconds = zlib.compressobj(level, zlib.DEFLATED, -15), 0, 0.0
    with zipfile.ZipFile(archive) as packed, results.open("wb") as out:
        (member,) = packed.infolist()
        with packed.open(member) as lines:
            for line in lines:
                entries = orjson.loads(line.strip(b"[],\n").join([b"[", b"]"]))
                start = time.process_time()
                text = orjson.dumps(entries)
                size += len(deflate.compress(text))
                seconds += time.process_time() - start
                out.write(line)
        start = time.process_time()
        size += len(deflate.flush())
        seconds += time.process_time() - start
        assert abs(size / member.compress_size - 1) < 0.01, (size, member.compress_size)
    return seconds


def main() -> None:
    """Measure at one size and report."""
    parser = arguments(__doc__, "19,822 images")
    parser.add_argument("--images", type=int)
    options = parser.parse_args()
    count = options.images or (19822 if options.full else 1000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, listed = folder / "found.jsonl", folder / "images.json"
        archive, results = folder / "submission.zip", folder / "results.json"
        for images in (4, count):  # the first fills the cache of compiled code
            generate(folder, images)
            given = {"found": found, "images": listed, "archive": archive}
            package = child("package", CHILD["package"], **given)
            peer = alone(archive, LEVEL, results)
            expected = images * DETECTIONS
            checks = [
                child("validate", CHILD["validate"], results=path, images=listed, expected=expected)
                for path in (results, archive)
            ]
        size = results.stat().st_size / 1e6
        print(
            f"{size:.0f} MB of JSON, {archive.stat().st_size / 1e6:.0f} MB zipped (level {LEVEL})"
        )
    title = f"submission, {count:,} images"
    row(f"{title}: package", package[0], "CPU s", peer, "orjson + zlib", at_least=1 / 1.5)
    row(f"{title}: package, peak memory", package[1], "MB", at_most=300)
    most = 30 if size > 1500 else None  # CPU s, for the 1.6 GB of the full size
    row(f"{title}: validate JSON", checks[0][0], "CPU s", at_most=most)
    row(f"{title}: validate JSON, peak memory", checks[0][1], "MB", at_most=300)
    row(f"{title}: validate zip", checks[1][0], "CPU s")
    row(f"{title}: validate zip, peak memory", checks[1][1], "MB", at_most=300)


def masks(rng: np.random.Generator, number: int) -> list[str]:
    """RLE of ellipses with rough outlines, about as long and as compressible as a detector's."""
    counts = []
    for _ in range(number):
        width, height = np.exp(rng.uniform(np.log(14), np.log(232), 2)).astype(int)
        x, y = rng.integers((WIDTH - width, HEIGHT - height))
        half = np.sqrt(1 - np.linspace(-0.98, 0.98, width) ** 2) * height / 2
        rough = rng.integers(-2, 3, (2, width))
        top, bottom = height / 2 - half + rough[0], height / 2 + half + rough[1]
        row = np.arange(height)[:, None]
        counts.append(rle.encode_crop((row >= top) & (row < bottom), x, y, HEIGHT, WIDTH))
    return counts


def generate(folder: Path, images: int, seed: int = 0) -> None:
    """Write found.jsonl, and images.json as test-dev's: images and categories, no annotations."""
    rng = np.random.default_rng(seed)
    pool = masks(rng, 20_000)
    listed = {"annotations": []}
    listed["categories"] = [{"id": c + 1, "name": f"c{c}"} for c in range(CATEGORIES)]
    listed["images"] = [
        {"id": i, "height": HEIGHT, "width": WIDTH, "file_name": f"{i}.jpg"}
        for i in range(400_000, 400_000 + images)
    ]
    for image in listed["images"]:  # as LVIS has them; packaging does not read them
        image |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    (folder / "images.json").write_bytes(orjson.dumps(listed))
    with (folder / "found.jsonl").open("wb") as file:
        for image in listed["images"]:
            line = {"image_id": image["id"], "height": HEIGHT, "width": WIDTH}
            line["category_ids"] = rng.integers(1, CATEGORIES + 1, DETECTIONS)
            line["scores"] = np.sort(rng.random(DETECTIONS))[::-1].astype(np.float32)
            line["bboxes"] = (rng.random((DETECTIONS, 4)) * 200).astype(np.float32)
            line["counts"] = [pool[k] for k in rng.integers(len(pool), size=DETECTIONS)]
            file.write(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")


if __name__ == "__main__":
    main()
