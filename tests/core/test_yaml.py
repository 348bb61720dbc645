"""Every mistake in a YAML file is one short sentence, and none ends the interpreter."""

import pytest
from facts import refusal

from seesaw.core.yaml import Strict, read_model
from seesaw.errors import UserError


class Kind(Strict):
    text: str = ""
    number: int = 0
    rows: dict[str, int] = {}


LAUGHS = "".join(f"- &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("text: " + "[" * 200_000, "line 1: more than 100"),
        ("text: " + "- " * 200_000, "line 1: "),
        ("number: 1\ntext:\n  " + "? " * 200_000, "line 3: more than 100"),
        (f"text:\n- &a [x]\n{LAUGHS}", "text is "),
        ("text: &a [*a]", "text is "),
        ('number: !!int ""', "line 1"),
        ("number: !!int x", "x is no valid int"),
        ("number: !!float x", "x is no valid float"),
        ("text: !!bool x", "x is no valid bool"),
        ("text: !!timestamp x", "x is no valid timestamp"),
        ("number: 1\ntext: 2024-13-45", "line 2: 2024-13-45 is no valid timestamp"),
        ("number: " + "9" * 5000, "is no valid int"),
        ("x" * 900 + ": 1", "is no known key"),
        (f"{'x' * 999}: 1\n{'x' * 999}: 1", "twice"),
        ('"\\e[31m": 1', "is no known key"),
        ("text: " + "x" * 5000 + "\nnumber: [" + "1, " * 5000 + "]", "number is"),
        ("[a, b]: 1", "unhashable"),
        ("number: 1\n# é\ntext: a\0b", "line 3: control characters"),
        ("text: a\n\x07", "line 2: control characters"),
        ("number: &a [*a]", "number is"),
        ("text: a\nnumber: 032000", "line 2: 032000 is a number in base 8"),
        ("number: 24:00", "line 1: 24:00 is a number in base 60"),
        ("- a", "no mapping"),
        ("", "no mapping"),
    ],
)
def test_a_mistake_is_one_short_sentence(tmp_path, text, said):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    message = refusal(read_model, path, Kind)
    assert message.startswith(str(path)) and said in message
    assert message.isprintable() and len(message) < len(str(path)) + 400


def test_other_spellings_of_numbers_are_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("number: 0\nrows: {a: -1, b: 0x10, c: 1_000}\ntext: '032000'\n")
    made = read_model(path, Kind)
    assert (made.number, made.text, made.rows) == (0, "032000", {"a": -1, "b": 16, "c": 1000})


@pytest.mark.parametrize("content", [b"\xff\xfet\0", "text: é".encode("latin-1")])
def test_another_encoding_is_named(tmp_path, content):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match="UTF-8"):
        read_model(path, Kind)
