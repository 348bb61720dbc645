"""Check that image files are what training and detection read: the pixels that were annotated."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image as Pillow

from seesaw.data.content import Image
from seesaw.data.format import Fault

LARGEST = 2**28  # bytes of a file
MOST = 2**26  # pixels
THREADS = min(len(os.sched_getaffinity(0)), 8)
MEMORY = 2**30 + 2**29  # bytes of the images that are checked at once
PIXEL = 13  # bytes that a pixel takes: 4 in Pillow, two pictures of OpenCV, and their comparison
_MARKS = (b"Exif", b"eXIf", b"EXIF")  # JPEG, PNG and WebP
# Those that OpenCV reads; for others Pillow starts programs (EPS), or they never get that far.
_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "SUN", "TIFF", "WEBP")
_ORIENTATION = 0x0112  # the tag of EXIF and TIFF
_TURNED = "turned by its EXIF orientation when it is loaded; its annotations may not be"


class Checked(NamedTuple):
    """An image file's content, empty if it cannot be read, and what is wrong with it."""

    image: Image
    content: bytes
    fault: Fault | None


def check(root: Path, images: Iterable[Image]) -> Iterator[Checked]:
    """Read, decode and check images in several threads, in order; see `MEMORY`."""
    with ThreadPoolExecutor(THREADS) as pool:
        for some in _at_once(root, images):
            yield from pool.map(lambda image: check_one(root, image), some)


def _at_once(root: Path, images: Iterable[Image]) -> Iterator[list[Image]]:
    """Yield lists of one image, or of several that fit into `MEMORY` together."""
    some: list[Image] = []
    taken = 0
    for image in images:
        try:
            size = (root / image.path).stat().st_size
        except (OSError, ValueError):  # there is nothing to read
            size = 0
        more = min(size, LARGEST) + PIXEL * min(image.width * image.height, MOST)
        if some and (taken + more > MEMORY or len(some) == 4 * THREADS):
            yield some
            some, taken = [], 0
        some.append(image)
        taken += more
    if some:
        yield some


def digest(images: Iterable[tuple[str, bytes]]) -> tuple[int, str]:
    """Return the bytes in all images, and the sha256 of their paths, sizes and contents."""
    total, made = 0, hashlib.sha256()
    for path, content in images:
        total += len(content)
        made.update(f"{path} {len(content)}\n".encode())
        made.update(content)
    return total, made.hexdigest()


def check_one(root: Path, image: Image) -> Checked:
    """Read and check one image file."""
    path = root / image.path
    try:
        if not path.is_file():
            what = "no file" if path.exists() else "missing"
            return Checked(image, b"", _fault("file", path, f"{what} but listed; get it again"))
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            what = "a link out of the data set; copy it there, or link the folder instead"
            return Checked(image, b"", _fault("file", path, what))
        if path.stat().st_size > LARGEST:
            return Checked(image, b"", _fault("file", path, "over 256 MiB; scale it down"))
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return Checked(image, b"", _fault("file", path, f"not readable ({reason}); get it again"))
    return Checked(image, content, content_fault(path, content, image.width, image.height))


def content_fault(path: Path, content: bytes, width: int, height: int) -> Fault | None:
    """Check an image's content against its annotated size."""
    Pillow.init()  # Pillow knows some of the formats only then
    try:
        with Pillow.open(io.BytesIO(content), formats=_FORMATS) as picture:
            stored = picture.size
            if {*stored} != {width, height}:
                what = f"{stored[0]}x{stored[1]} pixels but annotated as {width}x{height}"
                return _fault("other size", path, f"{what}; get the matching file or correct it")
            if width * height > MOST:
                return _fault("file", path, f"over {MOST} pixels; scale it down")
            # OpenCV turns a TIFF whatever the flags say; its imread refuses one on its side.
            if picture.format == "TIFF" and picture.getexif().get(_ORIENTATION) in range(2, 9):
                return _fault("turned", path, f"{_TURNED}; save it upright")
            # OpenCV fills up truncated files; here a small, fast decoding notices them.
            picture.draft(None, (1, 1))
            picture.load()
        if lacks_end(content):
            return _fault("file", path, "a JPEG without its end; get it again")
    except Pillow.UnidentifiedImageError:
        return _fault("file", path, "no image that OpenCV reads; save it as JPEG or PNG")
    except Exception as error:  # Pillow raises many kinds on a damaged file
        return _fault("file", path, f"no readable image ({error}); get it again")
    seen = _decode(content, cv2.IMREAD_COLOR)
    if seen is None:
        return _fault("file", path, "no image that OpenCV reads; save it as JPEG or PNG")
    size = seen.shape[1], seen.shape[0]
    turned = any(mark in content for mark in _MARKS) and not np.array_equal(
        seen, decode(content, shown=False)
    )
    # Sizes tell whether a photo turned by 90 degrees was annotated as shown, which is right.
    if size != (width, height) or (turned and size == stored):
        what = _TURNED
        if not turned:
            what = f"{size[0]}x{size[1]} pixels but annotated as {width}x{height}"
        return _fault("turned" if turned else "other size", path, f"{what}; save it upright")
    return None


def lacks_end(content: bytes) -> bool:
    """Return whether zeros take the place of the rest of a JPEG.

    A download that stopped leaves them in space that was reserved; they are decoded as grey. Of a
    JPEG that lacks its end marker alone all pixels are there.
    """
    if not content.endswith(bytes(8)):
        return False
    at = 2 if content.startswith(b"\xff\xd8") else len(content)
    while (at := content.find(b"\xff", at)) >= 0:
        marker = content[at + 1 : at + 2]
        if marker == b"\xda":  # pixels; the end before them is a thumbnail's
            return content.find(b"\xff\xd9", at) < 0
        fill = marker in (b"\xff", b"\0")
        at += 1 if fill else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return False


def decode(content: bytes, shown: bool) -> np.ndarray:
    """Return an image's pixels (H, W, 3), BGR, as stored, or as shown by its EXIF orientation."""
    flags = cv2.IMREAD_COLOR | (0 if shown else cv2.IMREAD_IGNORE_ORIENTATION)
    found = _decode(content, flags)
    assert found is not None  # it was decoded before
    return found


def _decode(content: bytes, flags: int) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        return None


def _fault(code: str, path: Path, what: str) -> Fault:
    return Fault(code, f"has the file {path}, which is {what}")
