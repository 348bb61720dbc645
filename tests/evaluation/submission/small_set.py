"""A small generated set in LVIS format, its detections and its package."""

import sys
from functools import cache
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # generated.py, lvis_oracle.py

import generated
import lvis_oracle  # noqa: F401  (for the tests)

from seesaw.evaluation.submission.package import ImageList, package


@cache
def drawn(seed: int, apart: bool) -> tuple[dict, list[dict]]:
    """Annotations and detections, which take half a second: no test changes them."""
    data = generated.dataset(seed)
    for image in data["images"]:
        image["file_name"] = f"{image['id']}.jpg"
    return data, generated.detections(data, seed, apart=apart)


class Small:
    """Paths and contents of one set."""

    def __init__(self, folder: Path, seed: int, apart: bool):
        self.data, self.lines = drawn(seed, apart)
        self.annotations, self.found = generated.save(folder, self.data, self.lines)
        self.images = ImageList.load(self.annotations)
        self.zip = folder / "submission.zip"
        self.facts = package(self.found, self.images, self.zip)
