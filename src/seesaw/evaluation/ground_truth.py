"""The parts of LVIS annotations that evaluation needs, as flat arrays."""

import gc
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
from pycocotools import mask as mask_api

from seesaw.data import rle
from seesaw.errors import UserError

GROUPS = "rcf"  # rare, common, frequent: LVIS's own labels of its categories


@dataclass
class GroundTruth:
    """I images in ascending id, C categories in ascending id, M annotations sorted by image.

    As in lvis-api, annotations of zero area are left out.
    """

    path: Path
    image_ids: np.ndarray  # (I,)
    sizes: np.ndarray  # (I, 2) height, width
    category_ids: np.ndarray  # (C,)
    groups: np.ndarray  # (C,) index into GROUPS
    negative: list[np.ndarray]  # I lists of category indices known to be absent
    not_exhaustive: list[np.ndarray]  # I lists of category indices with missing instances
    offsets: np.ndarray  # (I + 1,), image i owns annotations offsets[i]:offsets[i + 1]
    category: np.ndarray  # (M,) category index
    area: np.ndarray  # (M,) the annotation's own area, pixels
    boxes: np.ndarray  # (M, 4) [x, y, w, h]
    ignore: np.ndarray  # (M,) bool
    counts: list[bytes] = field(repr=False)  # M compressed RLE

    @property
    def images(self) -> dict[int, tuple[int, int]]:
        """Image id → (height, width)."""
        return dict(zip(self.image_ids.tolist(), map(tuple, self.sizes.tolist()), strict=True))

    def masks(self, image: int) -> rle.Intervals:
        """Return the masks of the image at this index.

        Raises:
            UserError: An RLE is malformed or not of the image's size.
        """
        first, last = self.offsets[image], self.offsets[image + 1]
        masks, bad = rle.decode(self.counts[first:last], int(np.prod(self.sizes[image])))
        if bad >= 0:
            raise UserError(
                f"{self.path}: an RLE of image {self.image_ids[image]} is malformed or not of the "
                "image's size; get the annotations again."
            )
        return masks


@contextmanager
def no_garbage_collection():
    """Disable garbage collection, which costs 10 % of the time; parsed JSON has no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@no_garbage_collection()
def load(path: Path | str) -> GroundTruth:
    """Read an annotation file in LVIS format (v0.5 or v1).

    Raises:
        UserError: The file is missing, not JSON or not in LVIS format.
    """
    path = Path(path)
    try:
        data = orjson.loads(path.read_bytes())
        return _flatten(path, data)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: name an annotation file in LVIS format.") from None
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON ({error}): get the annotations again.") from None
    except KeyError as error:
        raise UserError(f"{path} is not in LVIS format: an entry lacks {error}.") from None
    except (TypeError, ValueError, IndexError) as error:
        raise UserError(f"{path} is not in LVIS format: {error}.") from None


def _flatten(path: Path, data: dict) -> GroundTruth:
    images = sorted(data["images"], key=lambda image: image["id"])
    categories = sorted(data["categories"], key=lambda category: category["id"])
    image_index = {image["id"]: i for i, image in enumerate(images)}
    category_index = {category["id"]: c for c, category in enumerate(categories)}
    if len(image_index) < len(images) or len(category_index) < len(categories):
        raise ValueError("an image or category id occurs twice")

    def lists(name: str) -> list[np.ndarray]:
        return [
            np.array([category_index[c] for c in image[name] if c in category_index], np.int64)
            for image in images
        ]

    annotations = []
    for annotation in data.pop("annotations"):
        for name, index in (("image_id", image_index), ("category_id", category_index)):
            if annotation[name] not in index:
                raise ValueError(f"annotation {annotation['id']} has unknown {name}")
        if not annotation["area"] > 0:
            continue
        image = images[image_index[annotation["image_id"]]]
        annotation["segmentation"] = _compress(annotation, image["height"], image["width"])
        annotations.append(annotation)
    annotations.sort(key=lambda a: image_index[a["image_id"]])  # stable, as lvis-api loads them
    owner = [image_index[a["image_id"]] for a in annotations]
    return GroundTruth(
        path=path,
        image_ids=np.array([image["id"] for image in images], np.int64),
        sizes=np.array([(i["height"], i["width"]) for i in images], np.int64).reshape(-1, 2),
        category_ids=np.array([category["id"] for category in categories], np.int64),
        groups=np.array([GROUPS.index(c["frequency"]) for c in categories], np.int64),
        negative=lists("neg_category_ids"),
        not_exhaustive=lists("not_exhaustive_category_ids"),
        offsets=np.searchsorted(owner, np.arange(len(images) + 1)).astype(np.int64),
        category=np.array([category_index[a["category_id"]] for a in annotations], np.int64),
        area=np.array([a["area"] for a in annotations], np.float64),
        boxes=np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4),
        ignore=np.array([bool(a.get("ignore", 0)) for a in annotations], bool),
        counts=[a["segmentation"] for a in annotations],
    )


def _compress(annotation: dict, height: int, width: int) -> bytes:
    """Convert a segmentation (polygons, uncompressed or compressed RLE) to compressed RLE."""
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, list):
        parts = mask_api.frPyObjects(segmentation, height, width)
        return (parts[0] if len(parts) == 1 else mask_api.merge(parts))["counts"]
    if tuple(segmentation["size"]) != (height, width):
        raise ValueError(f"annotation {annotation['id']} has an RLE not of its image's size")
    if isinstance(segmentation["counts"], list):
        return mask_api.frPyObjects(segmentation, height, width)["counts"]
    counts = segmentation["counts"]
    return counts.encode("ascii") if isinstance(counts, str) else counts
