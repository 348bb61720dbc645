"""The appearance of mini-LVIS's categories: superformula silhouettes, hues and textures.

A frequent category is the head of a family; each common or rare category is kin of one head: it has
the same silhouette, a nearby hue and another texture frequency. Detectors trained on long-tailed
data confuse similar categories, and the families let mini-LVIS show this effect.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seesaw.data.exact import sine, uniform

SUPERSAMPLE = 3  # sub-pixels per pixel and axis, averaged for a smooth outline
MARGIN = 6  # pixels around the outline, room for a shadow
_ANGLES = 2048  # directions of an outline, a multiple of 4
_STEPS = 4096  # an outline's radii are multiples of 1 / _STEPS
_TEXTURES = ("stripes", "dots", "checks", "rings")
_CYCLES = {
    "stripes": (2.6, 5.2, 1.3),
    "dots": (2.4, 4.4, 1.4),
    "checks": (2.0, 4.0, 1.0),
    "rings": (1.6, 3.2, 0.9),
}
_FINENESS = ("", "fine ", "bold ")
_HUES = ("red", "orange", "amber", "lime", "green", "jade")
_HUES += ("teal", "azure", "blue", "violet", "magenta", "rose")


@dataclass(frozen=True)
class Silhouette:
    """A closed outline: Gielis' superformula, stretched, perhaps with a hole.

    Attributes:
        noun: Its everyday name.
        m: Rotational symmetry of the superformula.
        n: Its exponents (n1, n2, n3).
        aspect: Length over width.
        hole: Radius of the hole as a share of the outline's radius, 0 for none.
    """

    noun: str
    m: int
    n: tuple[float, float, float]
    aspect: float = 1.0
    hole: float = 0.0

    @cached_property
    def radius(self) -> np.ndarray:
        """The outline radius over a full turn, root mean square 1, shape (A,), float32.

        The square |x| + |y| = 1 is divided into A equal parts; entry k belongs to the direction of
        the middle of part k. The radii are rounded, because CPUs differ in the last bits.
        """
        return (np.rint(self.exact_radius * _STEPS) / _STEPS).astype(np.float32)

    @cached_property
    def exact_radius(self) -> np.ndarray:
        """The same before it is rounded, float64."""
        part = (np.arange(_ANGLES) + 0.5) / (_ANGLES / 4)
        c = np.where(part < 2, 1 - part, part - 3)
        s = np.where(part < 2, 1, -1) * (1 - np.abs(c))
        t = np.arctan2(s, c) % (2 * np.pi) * self.m / 4
        n1, n2, n3 = self.n
        r = (np.abs(np.cos(t)) ** n2 + np.abs(np.sin(t)) ** n3) ** (-1 / n1)
        angles = 1 / (c * c + s * s)  # in proportion to the angle that a part spans
        r /= np.sqrt(np.average(r * r, weights=angles))
        return r


SILHOUETTES = (
    Silhouette("starfish", 5, (3, 6, 6)),
    Silhouette("ring", 0, (1, 1, 1), hole=0.42),
    Silhouette("leaf", 2, (1, 1, 1), aspect=1.6),
    Silhouette("tile", 4, (10, 10, 10)),
    Silhouette("triangle", 3, (4.5, 10, 10)),
    Silhouette("sun", 12, (6, 10, 10)),
    Silhouette("ribbon", 4, (30, 30, 30), aspect=3.2),
    Silhouette("butterfly", 4, (1.4, 4, 4)),
    Silhouette("cog", 8, (3, 6, 6), hole=0.36),
    Silhouette("drop", 1, (0.8, 0.5, 1.2), aspect=1.2),
    Silhouette("kite", 4, (1, 1, 1), aspect=1.5),
    Silhouette("pebble", 3, (2, 8, 3)),
    Silhouette("pill", 2, (2, 6, 6), aspect=0.75),
    Silhouette("pillow", 4, (4, 7, 7)),
    Silhouette("hexagon", 6, (1, 1, 1), hole=0.4),
    Silhouette("star", 5, (2, 7, 7)),
)


@dataclass(frozen=True)
class Look:
    """The visible properties of a category (hue in turns, value in 0..1)."""

    silhouette: Silhouette
    hue: float
    value: float
    texture: str
    kin: int  # 0 for the head of the family, then 1, 2, ...
    bright: bool  # texture lighter or darker than the body

    @property
    def cycles(self) -> float:
        """The number of texture periods over the object's radius."""
        return _CYCLES[self.texture][self.kin % 3] * (1 + 0.15 * (self.kin // 3))

    def describe(self) -> str:
        """Return a definition for the annotation file's ``def``."""
        colour = _HUES[round(self.hue * len(_HUES)) % len(_HUES)]
        return f"{colour} {self.silhouette.noun} with {_FINENESS[self.kin % 3]}{self.texture}"


def looks(heads: int, tails: int) -> list[Look]:
    """Return the looks of ``heads`` frequent categories, then of ``tails`` kin.

    Category j is kin of head j % heads. Silhouettes with neighbouring hues differ strongly (the
    golden-ratio order would cluster the hues of 16 heads).
    """
    step = next(
        s for s in range(heads // 2 - 1 if heads > 4 else 1, 0, -1) if np.gcd(s, heads) == 1
    )
    out = []
    for j in range(heads + tails):
        head, kin = j % heads, j // heads
        shift = ((kin + 1) // 2) * (1 if kin % 2 else -1) * 0.6 / heads
        out.append(
            Look(
                silhouette=SILHOUETTES[head % len(SILHOUETTES)],
                hue=(head * step / heads + shift) % 1.0,
                value=(0.95, 0.72)[head % 2],
                texture=_TEXTURES[(head + head // len(SILHOUETTES)) % 4],
                kin=kin,
                bright=head // 2 % 2 == 0,
            )
        )
    return out


def _texture(name: str, cycles: float, u: np.ndarray, v: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return a soft-edged pattern in 0..1 over object coordinates (u, v) and relative radius q."""
    half = cycles / 2
    if name == "stripes":
        wave = sine(half * (u + 0.6 * v))
    elif name == "rings":
        wave = sine(half * q + 0.25)
    else:
        wave = sine(half * u) * sine(half * v) - (0.35 if name == "dots" else 0)
    return np.clip(0.5 + 3 * wave, 0, 1)


def render(look: Look, size: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw one object; its pixels are the same on every CPU.

    Args:
        look: Its category's look.
        size: Diameter in pixels of the disc with the outline's area.
        rng: Source of pose and of small differences in colour.

    Returns:
        Colour (h, w, 3) RGB float32 in 0..1 and the number of covered sub-pixels (h, w), at most
        `SUPERSAMPLE` ** 2 each.
    """
    shape = look.silhouette
    stretch = np.float32(np.sqrt(shape.aspect * uniform(rng, 0.93, 1.07)))
    tilt = uniform(rng, -0.2, 0.2)  # tangent of half the angle of rotation
    cos, sin = (np.float32(n / (1 + tilt * tilt)) for n in (1 - tilt * tilt, 2 * tilt))
    phase = [uniform(rng, -0.15, 0.15) for _ in range(2)]
    reach = shape.radius.max() * max(stretch, 1 / stretch) * size / 2
    half = int(np.ceil(reach)) + MARGIN

    def frame(scale: int) -> tuple[np.ndarray, ...]:
        """Return image axis in radii, object axes u and v, and radius q relative to the outline.

        Of ``scale`` sub-pixels in each pixel, the first ones of all pixels come first.
        """
        axis = np.arange(2 * half * scale, dtype=np.float32).reshape(-1, scale).T.ravel()
        axis = ((axis + 0.5) / scale - half) / np.float32(size / 2)
        u = (cos / stretch * axis)[None] + (sin / stretch * axis)[:, None]
        v = (cos * stretch * axis)[:, None] - (sin * stretch * axis)[None]
        part = np.copysign(1 - u / (np.abs(u) + np.abs(v)), v) * (_ANGLES // 4)
        radius = shape.radius[np.floor(part).astype(np.intp)]
        return axis, u, v, np.sqrt(u * u + v * v) / radius

    q = frame(SUPERSAMPLE)[-1]
    solid = ((q < 1) & (q > shape.hole)).reshape(SUPERSAMPLE, 2 * half, SUPERSAMPLE, 2 * half)
    cover = solid.sum((0, 2), dtype=np.int32)

    axis, u, v, q = frame(1)
    body = _rgb(
        look.hue + uniform(rng, -0.006, 0.006),
        uniform(rng, 0.72, 0.85),
        look.value * uniform(rng, 0.92, 1.05),
    )
    accent = 0.35 * body + 0.65 if look.bright else 0.38 * body
    pattern = _texture(look.texture, look.cycles, u + phase[0], v + phase[1], q)[..., None]
    q4 = (q * q) * (q * q)
    light = np.clip(1.08 - 0.13 * (axis[None] + axis[:, None]) - 0.22 * q4, 0.5, 1.3)[..., None]
    rim = 2.6 / size  # about 1.3 pixels of outline
    edge = np.clip(np.minimum(1 - q, q - shape.hole if shape.hole else 1) / rim, 0, 1)[..., None]
    colour = np.clip((body + (accent - body) * pattern) * light, 0, 1)
    return (0.3 * body + (colour - 0.3 * body) * edge).astype(np.float32), cover


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """Convert an HSV colour in 0..1 (hue wraps around) to RGB, shape (3,)."""
    k = (np.array([5.0, 3.0, 1.0]) + 6 * hue) % 6
    return value * (1 - saturation * np.clip(np.minimum(k, 4 - k), 0, 1)).astype(np.float32)
