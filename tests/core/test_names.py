"""Names by unique prefix, and the closest names where none fits."""

import pytest

from seesaw.core.names import close, unique
from seesaw.errors import UserError

IDS = ["a01_mask_rcnn", "a10_seesaw", "a11_dual_head", "b01_cascade", "table_a1", "table_a2"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("a13", ["a10_seesaw", "a11_dual_head", "a01_mask_rcnn"]),
        ("tabel_a1", ["table_a1"]),
        ("table_a3", ["table_a1", "table_a2"]),
        ("A10_SEESAW", ["a10_seesaw"]),
        ("zzz", []),
        ("", []),
    ],
)
def test_the_closest_names(given, found):
    assert set(close(given, IDS)) == set(found)
    assert close(given, IDS)[:1] == found[:1]


def test_a_unique_prefix_is_enough():
    assert unique("a10", IDS, "x") == "a10_seesaw"
    assert unique("a", ["a", "ab"], "x") == "a"


@pytest.mark.parametrize(
    ("given", "choice"), [("a", IDS[:3]), ("zzz", IDS), ("", IDS)], ids=["several", "none", "empty"]
)
def test_else_the_choice_is_reported(given, choice):
    with pytest.raises(UserError, match=rf"{given!r}.* {', '.join(choice)}\.$"):
        unique(given, IDS, "the rung")
    with pytest.raises(UserError, match=repr(given)):
        unique(given, [], "the rung")


def test_of_many_long_names_the_first_are_listed():
    many = [f"{'x' * 80}{i}" for i in range(12)]
    for given in ("zzz", "x"):
        with pytest.raises(UserError, match=rf"{many[0]}, .* or \d more\.$") as refused:
            unique(given, many, "the file")
        assert len(str(refused.value)) < 700
    with pytest.raises(UserError, match=r"use one of y{900}\.$"):
        unique("zzz", ["y" * 900], "the file")
