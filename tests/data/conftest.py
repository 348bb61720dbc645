"""One small mini-LVIS for all tests: LVIS's own group edges, all splits, a few seconds."""

import pytest
import small_folder

from seesaw.data.mini_lvis import generate
from seesaw.spec.mini_lvis import MiniLvisSpec

SMALL = MiniLvisSpec(
    seed=3,
    groups=(4, 4, 4),
    train_images=240,
    val_images=60,
    test_dev_images=8,
    image_side=(88, 112),
    large=0.0,
)


@pytest.fixture
def folder(tmp_path):
    """A data set of a few images, which a test may spoil."""
    return small_folder.make(tmp_path / "set")


@pytest.fixture(scope="session")
def small_set(tmp_path_factory):
    """(dataset folder, truth folder) of SMALL."""
    base = tmp_path_factory.mktemp("mini_lvis")
    generate(SMALL, base / "data", base / "truth")
    return base / "data", base / "truth"
