"""A generated dataset is the same on every CPU."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__
from repository import python
from test_mini_lvis import tree_hash

from seesaw.data.exact import png
from seesaw.data.shapes import SILHOUETTES

# Another CPU, as far as software chooses code by it: OpenCV, numpy and the C library.
OTHER_CPU = {
    "OPENCV_CPU_DISABLE": "AVX2,AVX512-SKX,FP16,AVX,SSE4.2",
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-AVX512F",
}
GENERATE = """
import sys
from pathlib import Path
from seesaw.data.mini_lvis import generate
from seesaw.spec.mini_lvis import MiniLvisSpec
size = dict(train_images=40, val_images=12, test_dev_images=6, image_side=(88, 104))
for seed in sys.argv[2:]:
    spec = MiniLvisSpec(seed=int(seed), groups=(4, 4, 4), edges=(3, 10), **size)
    generate(spec, Path(sys.argv[1], seed, "data"), Path(sys.argv[1], seed, "truth"))
"""
# The files of seed 0. A change of the generator changes it; a change of the machine must not.
DIGEST = "178143aa4bf60c0dba1531db0178ba03bf7a164b7f65f9ae3e2106c41ca3b5d6"


def generated(folder, variables, *seeds):
    """The digest of the files of each seed."""
    python(Path(), "-c", GENERATE, folder, *seeds, **variables)
    return [tree_hash(folder / seed) for seed in seeds]


def test_every_cpu_writes_the_same_bytes(tmp_path):
    this, other_seed = generated(tmp_path / "this", {}, "0", "1")
    assert this == DIGEST != other_seed
    assert generated(tmp_path / "other", OTHER_CPU, "0") == [DIGEST]


@pytest.mark.parametrize("silhouette", SILHOUETTES, ids=lambda s: s.noun)
def test_the_last_bits_of_an_outline_do_not_count(silhouette):
    """A thousand times the rounding errors of sine and power would give the same outline."""
    for error in (-1e-9, 1e-9):
        other = dataclasses.replace(silhouette)
        other.__dict__["exact_radius"] = silhouette.exact_radius * (1 + error)
        assert (other.radius == silhouette.radius).all()


def test_png_keeps_the_pixels():
    image = np.random.default_rng(0).integers(0, 256, (150, 170, 3), np.uint8)  # two blocks
    assert (cv2.imdecode(np.frombuffer(png(image), np.uint8), 1)[..., ::-1] == image).all()
