"""Draw the scenes of mini-LVIS: overlapping objects on a noisy coloured background."""

import numpy as np

from seesaw.data.exact import blur, enlarge, log_uniform, normal, uniform
from seesaw.data.shapes import SUPERSAMPLE, Look, render
from seesaw.errors import UserError

MIN_AREA = 60  # least number of visible pixels of an object
_MIN_SEEN = 0.4  # least share of an object's pixels that later objects leave visible
_MIN_INSIDE = 0.7  # least share of an object's pixels inside the image
_TRIES, _SHRINKS = 12, 16
_FULL = SUPERSAMPLE**2  # sub-pixels of a pixel


def background(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a muted, cloudy, grainy background, (H, W, 3) RGB float32, about 0..1."""
    grey = uniform(rng, 0.3, 0.75)
    base = np.array([grey + uniform(rng, -0.1, 0.1) for _ in range(3)], np.float32)
    out = np.broadcast_to(base, (height, width, 3))
    for cells, grey, tint in ((4, 0.08, 0.05), (11, 0.04, 0.02), (36, 0.03, 0.01)):
        grid = grey * normal(rng, cells, cells, 1) + tint * normal(rng, cells, cells, 3)
        out = out + enlarge(grid, height, width)
    return out


def sample_size(side: int, large: float, rng: np.random.Generator) -> float:
    """Draw a diameter in pixels: 18..55 % of ``side``, or 78..95 % for a share ``large``."""
    if rng.random() < large:
        return side * uniform(rng, 0.78, 0.95)
    return side * log_uniform(rng, 0.18, 0.55)


def draw_scene(
    height: int, width: int, looks: list[Look], sizes: list[float], rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draw objects, the largest first.

    Args:
        height: Image height in pixels.
        width: Image width in pixels.
        looks: One look per object.
        sizes: Diameters of the objects in pixels; an object that does not fit is drawn smaller.
        rng: The image's own random generator.

    Returns:
        The image, (H, W, 3) RGB uint8, and per object its visible pixels, (H, W) bool.

    Raises:
        UserError: An object does not fit even at a fifth of its size.
    """
    canvas = background(height, width, rng)
    full: dict[int, int] = {}  # object -> pixels before anything covered it
    seen: dict[int, np.ndarray] = {}
    for i in sorted(range(len(looks)), key=lambda i: -sizes[i]):
        colour, cover, shadow, window = _place(looks[i], sizes[i], full, seen, (height, width), rng)
        solid = np.zeros((height, width), bool)
        solid[window] = cover > 0.5
        for mask in seen.values():
            mask &= ~solid
        seen[i], full[i] = solid, int(solid.sum())
        ground = canvas[window] * (1 - 0.4 * shadow * (1 - cover))[..., None]
        canvas[window] = ground + (colour - ground) * cover[..., None]
    canvas += 0.016 * normal(rng, height, width, 1)
    image = np.rint(np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    return image, [seen[i] for i in range(len(looks))]


def _place(look, size, full, seen, shape, rng) -> tuple:
    """Place an object so that all others stay visible; return colour, coverage, shadow, window."""
    for _ in range(_SHRINKS):
        colour, parts = render(look, size, rng)
        size *= 0.9
        solid = parts > _FULL / 2
        for _ in range(_TRIES):
            top, left = (_corner(n, side, rng) for n, side in zip(parts.shape, shape, strict=True))
            window, patch = zip(
                *(_cut(*args) for args in zip((top, left), parts.shape, shape, strict=True)),
                strict=True,
            )
            if solid[patch].sum() < max(MIN_AREA, _MIN_INSIDE * solid.sum()):
                continue
            if all(
                mask.sum() - (mask[window] & solid[patch]).sum()
                >= max(MIN_AREA, _MIN_SEEN * full[i])
                for i, mask in seen.items()
            ):
                cover = parts[patch].astype(np.float32) / _FULL
                shadow = blur(np.roll(parts, (2, 2), (0, 1)))[patch].astype(np.float32)
                return colour[patch], cover, shadow / (_FULL * 9**4), window
    raise UserError(
        f"no room for an object in a {shape[1]}x{shape[0]} image: raise image_side in the spec"
    )


def _corner(patch: int, side: int, rng: np.random.Generator) -> int:
    """Draw where a patch begins along an axis; up to a quarter of it may be outside the image."""
    low, high = sorted((-patch // 4, side - 3 * patch // 4))
    return int(rng.integers(low, high + 1))


def _cut(start: int, patch: int, side: int) -> tuple[slice, slice]:
    """Return the overlap of image and patch, which begins at ``start``, as a slice of each."""
    low, high = max(start, 0), min(start + patch, side)
    return slice(low, high), slice(low - start, high - start)
