"""Random numbers, curves and image files that are the same on every CPU.

numpy and OpenCV choose code by the CPU, and so does the C library: their sines, powers, normal
numbers, filters and compressed files differ in the last bits. Integers, Python's decimal logarithm
and exponential, and single numpy operations of +, -, *, / and sqrt are correctly rounded anywhere.
"""

import struct
import zlib
from decimal import Decimal

import numpy as np

_BYTES = 4  # random bytes in a normal number
_SPREAD = (_BYTES * (256**2 - 1) / 12) ** 0.5  # standard deviation of their sum
_STORED = 65535  # most bytes of a stored block in a zlib stream


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number between two bounds (numpy's own fuses two operations on some CPUs)."""
    return low + (high - low) * rng.random()


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number between two positive bounds whose logarithm is uniform."""
    return float(Decimal(low) * (Decimal(high / low).ln() * Decimal(rng.random())).exp())


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw nearly normal numbers, float32: sums of four bytes, with mean 0 and deviation 1."""
    total = rng.integers(0, 256, (_BYTES, *shape), np.uint8).sum(0, dtype=np.int32)
    return (total - round(127.5 * _BYTES)).astype(np.float32) / np.float32(round(_SPREAD))


def sine(turns: np.ndarray) -> np.ndarray:
    """Return a wave of period 1 like ``sin(2 pi turns)``, made of parabolas."""
    rest = turns - np.rint(turns)
    return 16 * rest * (0.5 - np.abs(rest))


def enlarge(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Interpolate a grid (h, w, C), float32, smoothly to (height, width, C)."""
    for axis, size in enumerate((height, width)):
        cells = grid.shape[axis]
        at = (np.arange(size, dtype=np.float32) + 0.5) * (cells / size) - 0.5
        low = np.clip(at.astype(np.int64), 0, cells - 2)
        part = np.clip(at - low.astype(np.float32), 0, 1)
        part = (part * part * (3 - 2 * part)).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        first, second = grid.take(low, axis), grid.take(low + 1, axis)
        grid = first + (second - first) * part
    return grid


def blur(counts: np.ndarray) -> np.ndarray:
    """Blur integers (h, w) with a deviation of 1.6 pixels: four 3x3 boxes, sums times 9**4.

    Opposite borders touch, so that four pixels at each must be zero.
    """
    for axis in (0, 1) * 4:
        counts = counts + np.roll(counts, 1, axis) + np.roll(counts, -1, axis)
    return counts


def png(image: np.ndarray) -> bytes:
    """Return an image, (H, W, 3) RGB uint8, as a PNG file whose pixels are not compressed."""
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter, 0 for none
    rows[:, 1:] = image.reshape(height, -1)
    pixels, stream = rows.tobytes(), b"\x78\x01"
    for start in range(0, len(pixels), _STORED):
        block = pixels[start : start + _STORED]
        last = start + _STORED >= len(pixels)
        stream += struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block
    stream += struct.pack(">I", zlib.adler32(pixels))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", stream), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
