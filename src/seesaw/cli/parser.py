"""A parser of arguments that suggests the closest verb, option or choice for a misspelled one."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from seesaw.core.names import close, instead


class Parser(argparse.ArgumentParser):
    """``argparse.ArgumentParser`` with suggestions, which argparse itself has from Python 3.14."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with 2."""
        if found := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            choices = re.findall(r"'([^']*)'", found[2])
            message = message.replace(found[0], f"{found[1]!r} is unknown; ")
            message += instead(found[1], choices)
        super().error(message)

    def refuse(self, arguments: list[str]) -> NoReturn:
        """Exit with 2 because of arguments that the verb does not have."""
        given = next((a for a in arguments if a.startswith("-")), arguments[0]).partition("=")[0]
        options = [o for action in self._actions for o in action.option_strings]
        hint = f"; {instead(given, options)}" if close(given, options) else ""
        self.error(f"unrecognized arguments: {' '.join(arguments)}{hint}")
