"""``python -m seesaw.cli``, which is the command ``seesaw``."""

import sys

from seesaw.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
