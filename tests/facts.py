"""Messages by what they must name, not by their words."""


def lacks(text: str, *facts: object) -> list[str]:
    """Return the facts, such as a file, a value or a command, that a text does not name."""
    text = " ".join(text.split())
    return [str(fact) for fact in facts if str(fact) not in text]
