"""The repository, and copies of some of its files for a test's own clone."""

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def copied(root: Path, *names: str) -> Path:
    """Copy files, folders and links of the repository into a folder, and return it."""
    for name in names:
        source, target = REPOSITORY / name, root / name
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return root
