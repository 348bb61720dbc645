"""Run-length masks without full images: COCO's compressed RLE from a box crop, and back.

`encode_crop` gives byte for byte what ``pycocotools.mask.encode`` gives for the whole image
(maskApi.c ``rleEncode`` + ``rleToString``) but visits the crop only; `decode` turns many RLE at
once into flat foreground intervals, from which areas and IoUs need no pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seesaw.core.jit import njit


@dataclass(frozen=True)
class Intervals:
    """Foreground of N masks as half-open pixel intervals in column-major order.

    Mask ``i`` owns ``starts[offsets[i]:offsets[i + 1]]`` and the same slice of ``ends``.
    """

    starts: np.ndarray  # (sum of runs,) int64
    ends: np.ndarray  # (sum of runs,) int64
    offsets: np.ndarray  # (N + 1,) int64
    areas: np.ndarray  # (N,) int64, pixels


def encode(mask: np.ndarray) -> str:
    """Return the compressed RLE of a binary mask (H, W), encoded from its non-zero crop."""
    mask = np.asarray(mask, dtype=bool)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return encode_crop(mask[:0, :0], 0, 0, *mask.shape)
    y, x = rows[0], columns[0]
    return encode_crop(mask[y : rows[-1] + 1, x : columns[-1] + 1], x, y, *mask.shape)


def encode_crop(crop: np.ndarray, x: int, y: int, height: int, width: int) -> str:
    """Return the compressed RLE of an image-sized mask that is zero outside a crop.

    Args:
        crop: Binary crop (h, w), bool or uint8.
        x: Image column of the crop's first column.
        y: Image row of the crop's first row.
        height: Image height in pixels.
        width: Image width in pixels.

    Raises:
        ValueError: The crop extends beyond the image.
    """
    if x < 0 or y < 0 or y + crop.shape[0] > height or x + crop.shape[1] > width:
        raise ValueError(f"crop {crop.shape} at ({x}, {y}) leaves the image {(height, width)}")
    crop = np.ascontiguousarray(crop, dtype=bool).view(np.uint8)
    return _encode(crop, int(x), int(y), int(height), int(width)).tobytes().decode("ascii")


def decode(counts: list[str] | list[bytes], size: int) -> tuple[Intervals, int]:
    """Decode compressed RLE strings of images with ``size`` = height x width pixels.

    Returns:
        The intervals, and the index of the first RLE that is malformed or does not cover
        exactly ``size`` pixels (-1 if all are valid; otherwise the intervals are undefined).

    Raises:
        ValueError, TypeError: Counts are not ASCII text.
    """
    given: Any = counts  # all str or all bytes: a mixture raises
    text = b"".join(given) if bytes in map(type, counts) else "".join(given).encode("ascii")
    ends = np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))
    starts, stops, offsets, areas, bad = _decode(np.frombuffer(text, np.uint8), ends, int(size))
    return Intervals(starts, stops, offsets, areas), bad


@njit()
def _encode(crop, x, y, height, width):  # pragma: no cover - compiled
    h, w = crop.shape
    counts = np.empty((h + 1) * w + 2, np.int64)
    n, start, value = 0, 0, 0
    for j in range(w):
        base = (x + j) * height + y
        for i in range(h):
            pixel = 1 if crop[i, j] else 0
            if pixel != value:
                counts[n] = base + i - start
                start, value, n = base + i, pixel, n + 1
        # A column that ends in foreground stays open only if the next one touches it: inside a
        # crop that spans the image's full height.
        if value == 1 and (h < height or j == w - 1):
            counts[n] = base + h - start
            start, value, n = base + h, 0, n + 1
    counts[n] = height * width - start
    n += 1
    # No empty run follows a mask that ends in foreground at the image's last pixel.
    if counts[n - 1] == 0 and n > 1:
        n -= 1
    text = np.empty(n * 7, np.uint8)
    length = 0
    for k in range(n):
        number = counts[k] - (counts[k - 2] if k > 2 else 0)
        more = True
        while more:
            low = number & 0x1F
            number >>= 5
            more = number != -1 if low & 0x10 else number != 0
            text[length] = (low | 0x20 if more else low) + 48
            length += 1
    return text[:length]


@njit()
def _decode(text, ends, size):  # pragma: no cover - compiled
    total = len(text)
    starts, stops = np.empty(total, np.int64), np.empty(total, np.int64)
    offsets, areas = np.zeros(len(ends) + 1, np.int64), np.zeros(len(ends), np.int64)
    filled, at = 0, 0
    for mask in range(len(ends)):
        position, before, last, run = 0, 0, 0, 0  # before, last: the two runs before this one
        while at < ends[mask]:
            number, shift, more = 0, 0, True
            while more:
                code = np.int64(text[at]) - 48
                if code < 0 or code > 63 or shift > 30:
                    return starts, stops, offsets, areas, mask
                number |= (code & 0x1F) << shift
                more, shift, at = (code & 0x20) != 0, shift + 5, at + 1
                if more and at >= ends[mask]:
                    return starts, stops, offsets, areas, mask
                if not more and code & 0x10:
                    number |= -1 << shift
            if run > 2:
                number += before
            if number < 0 or position + number > size:
                return starts, stops, offsets, areas, mask
            if run % 2 and number:
                starts[filled], stops[filled] = position, position + number
                filled += 1
                areas[mask] += number
            position, before, last, run = position + number, last, number, run + 1
        if position != size:
            return starts, stops, offsets, areas, mask
        offsets[mask + 1] = filled
    return starts[:filled], stops[:filled], offsets, areas, -1
