"""Messages by what they must name, not by their words."""

import pytest

from seesaw.errors import UserError


def lacks(text: str, *facts: object) -> list[str]:
    """Return the facts, such as a file, a value or a command, that a text does not name."""
    text = " ".join(text.split())
    return [str(fact) for fact in facts if str(fact) not in text]


def refusal(call, *args, **options) -> str:
    """Return the one sentence with which a call refuses what a user has given."""
    with pytest.raises(UserError) as error:
        call(*args, **options)
    said = str(error.value)
    assert "\n" not in said
    return said


def message_of(verb: str, stderr: str) -> str:
    """Return the one sentence that a verb has written to stderr, without the verb's prefix."""
    (line,) = stderr.splitlines()
    assert line.startswith(f"seesaw {verb}: ") and line[-1] in ".?"
    return line.removeprefix(f"seesaw {verb}: ")
