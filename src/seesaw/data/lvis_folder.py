"""Check a folder in LVIS format, count its categories and write a manifest of hashes.

Files of LVIS v1 (``coco_url``) and of v0.5 (``file_name``) are supported. Labels are
``category_id - 1``, so a training needs category ids 1..C without gaps.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import orjson
from PIL import Image

from seesaw.core.files import replacing
from seesaw.errors import UserError
from seesaw.spec.annotations import load_annotations

URL_PREFIX = "http://images.cocodataset.org/"  # mmdet's LVISV1Dataset strips this prefix


def image_file(root: Path, image: dict) -> Path:
    """Return the path of an image, from ``coco_url`` as in LVIS v1 or else ``file_name``."""
    url = image.get("coco_url")
    return Path(root) / (url.removeprefix(URL_PREFIX) if url else image["file_name"])


def check_images(root: Path, ann_file: str, decode: bool = True) -> int:
    """Check that every image of an annotation file exists.

    Args:
        root: LVIS folder.
        ann_file: Annotation file, relative to ``root``.
        decode: Whether to decode each image in full (a minute per 10,000 images of COCO's size).

    Returns:
        The number of images checked.

    Raises:
        UserError: An image is missing, damaged, or of another size than annotated.
    """
    images = load_annotations(Path(root) / ann_file, contiguous=False)["images"]
    for image in images:
        path = image_file(root, image)
        try:
            with Image.open(path) as picture:
                size = picture.size
                if decode:
                    picture.load()
        except FileNotFoundError:
            raise UserError(f"{path} is missing but listed in {ann_file}: get it again") from None
        except (OSError, SyntaxError) as error:
            raise UserError(f"{path} is no readable image ({error}): get it again") from None
        if size != (image["width"], image["height"]):
            raise UserError(
                f"{path} is {size[0]}x{size[1]} pixels but {ann_file} says "
                f"{image['width']}x{image['height']}: get the matching data set"
            )
    return len(images)


FREQUENCIES = ("r", "c", "f")


def frequency_of(images: int, edges: tuple[int, int] = (10, 100)) -> str:
    """Return LVIS's group of a category by its training images: r up to 10, c up to 100, else f."""
    return "r" if images <= edges[0] else "c" if images <= edges[1] else "f"


def category_counts(path: Path, contiguous: bool = True) -> list[dict]:
    """Count images and instances per category from the annotations.

    Args:
        path: LVIS annotation file.
        contiguous: As in :func:`load_annotations`.

    Returns:
        ``{"id", "name", "image_count", "instance_count", "frequency"}`` by ascending id. The
        frequency is that of the file, which the evaluation uses (it cannot be counted in a val or
        test file); if the file has none, LVIS's rule is applied to the counted images.

    Raises:
        UserError: As in :func:`load_annotations`.
    """
    content = load_annotations(path, contiguous)
    instances = {c["id"]: 0 for c in content["categories"]}
    images: dict[int, set[int]] = {c: set() for c in instances}
    for annotation in content["annotations"]:
        instances[annotation["category_id"]] += 1
        images[annotation["category_id"]].add(annotation["image_id"])
    return [
        {
            "id": c["id"],
            "name": c["name"],
            "image_count": len(images[c["id"]]),
            "instance_count": instances[c["id"]],
            "frequency": c.get("frequency") or frequency_of(len(images[c["id"]])),
        }
        for c in sorted(content["categories"], key=lambda c: c["id"])
    ]


def training_counts(path: Path, contiguous: bool = True) -> dict:
    """Return the counts of a training set that losses and samplers use.

    Arguments and errors are those of :func:`category_counts`.

    Returns:
        ``{"annotated_images": n, "categories": category_counts(path)}``.
    """
    annotations = load_annotations(path, contiguous)["annotations"]
    return {
        "annotated_images": len({a["image_id"] for a in annotations}),
        "categories": category_counts(path, contiguous),
    }


def manifest(root: Path, files: dict[str, str], hash_images: bool = True) -> dict:
    """Return the manifest of a dataset, a small summary that changes whenever the data changes.

    Args:
        root: LVIS folder.
        files: Split -> annotation file relative to ``root``.
        hash_images: Whether to hash the images' bytes, or only names and sizes (COCO has 25 GB).

    Returns:
        ``{"categories": C, "hash": "content" | "names and sizes", "splits": {split:
        {"annotations": {"file", "bytes", "sha256"}, "images": {"count", "bytes", "sha256"}}}}``.

    Raises:
        UserError: A file is missing or damaged, or the splits differ in their categories.
    """
    root, splits, categories = Path(root), {}, None
    for split, name in sorted(files.items()):
        content = load_annotations(root / name)
        mine = sorted((c["id"], c["name"]) for c in content["categories"])
        if mine != (categories or mine):
            raise UserError(
                f"{root / name} has other categories than another split: use files of one set"
            )
        categories = mine
        raw = (root / name).read_bytes()
        for c in content["categories"] if split == "val" else ():
            if c.get("frequency") not in FREQUENCIES:
                raise UserError(
                    f"{root / name}: category {c['id']} has the frequency {c.get('frequency')!r}: "
                    "write 'r', 'c' or 'f' (LVIS: up to 10, up to 100, more training images), by "
                    "which the evaluation groups"
                )
        if lacks := [i["id"] for i in content["images"] if not i.get("coco_url")]:
            raise UserError(
                f"{root / name}: image {lacks[0]} has no 'coco_url', by which mmdet's LVIS dataset "
                f"finds images: write {URL_PREFIX} and its path below {root}"
            )
        total, digest = 0, hashlib.sha256()
        for path, size in _sizes(root, name, content["images"]):
            total += size
            digest.update(f"{path.relative_to(root).as_posix()} {size}\n".encode())
            if hash_images:
                digest.update(path.read_bytes())
        splits[split] = {
            "annotations": {
                "file": name,
                "bytes": len(raw),
                "sha256": hashlib.sha256(raw).hexdigest(),
            },
            "images": {
                "count": len(content["images"]),
                "bytes": total,
                "sha256": digest.hexdigest(),
            },
        }
    kind = "content" if hash_images else "names and sizes"
    return {"categories": len(categories or []), "hash": kind, "splits": splits}


def _sizes(root: Path, name: str, images: list[dict]) -> Iterator[tuple[Path, int]]:
    for path in sorted(image_file(root, image) for image in images):
        try:
            yield path, path.stat().st_size
        except OSError:
            raise UserError(f"{path} is missing but listed in {name}: get it again") from None


def write_json(content: dict, path: Path) -> None:
    """Write a manifest or counts atomically, with sorted keys."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    with replacing(Path(path)) as part:
        part.write_bytes(orjson.dumps(content, option=options))
