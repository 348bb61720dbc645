"""Images that are lost after the check are named by their whole path."""

import pytest

from seesaw.errors import unreadable_image

PATH = "/my data/a b.jpg"
LOST = FileNotFoundError(2, "No such file or directory", PATH)


@pytest.mark.parametrize("text", [f"failed to load image: {PATH}", str(LOST)])
@pytest.mark.parametrize("worker", [False, True])
def test_a_lost_image_is_named_by_its_whole_path(text, worker):
    if worker:
        text = f"Caught an error in DataLoader worker process 0.\n  File 'x.py'\nE: {text}\n"
    assert str(unreadable_image(AssertionError(text))).startswith(f"{PATH} ")


def test_other_errors_are_not_explained():
    assert unreadable_image(AssertionError("4 != 5")) is None
