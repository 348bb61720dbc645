"""Check a user's images before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import cv2
import numpy as np

from seesaw.data.pictures import lacks_end
from seesaw.errors import UserError

LARGEST = 2**28  # bytes; a film would fill the memory


def check_images(images: Sequence[Path], out: Path) -> None:
    """Check that all files are images, and that no file is lost.

    In the images' folders no existing file is replaced, because it may be the user's own. ``out``
    is the folder of the files that are made of all images.

    Raises:
        UserError: a check fails; the message describes the first fault.
    """
    stems: dict[str, Path] = {}
    some = {path.stem.casefold() for path in images}
    fold = len(some) < len(images) and _ignores_case(out)
    for path in images:
        if not path.is_file():
            raise UserError(f"{path} is no file; name image files.")
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} has over {LARGEST >> 20} MiB; scale it down or leave it out.")
        content = np.fromfile(path, np.uint8)
        try:
            image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
        except cv2.error:  # more pixels than OpenCV decodes
            image = None
        if image is None:
            raise UserError(f"{path} is no readable image (JPEG, PNG, ...); leave it out.")
        if lacks_end(content.tobytes()):
            raise UserError(f"{path} is a JPEG without its end; get it again or leave it out.")
        stem = path.stem.casefold() if fold else path.stem
        if other := stems.get(stem):
            raise UserError(
                f"{other} and {path} would both be written to {path.stem}.json; predict them into "
                "two folders by --out."
            )
        stems[stem] = path
    own = {_identity(path) for path in images}
    shared = out.is_dir() and any(path.parent.samefile(out) for path in images)
    for path in images:
        for file in outputs(path, out):
            if file.is_dir():
                raise UserError(f"{file} is a folder; name another folder by --out.")
            if file.exists() and (shared or _identity(file) in own):
                raise UserError(
                    f"{file} would be replaced, and it may be your own; name another folder by "
                    "--out."
                )


def outputs(image: Path, out: Path) -> tuple[Path, Path]:
    """Return the JSON file and the picture of an image."""
    return out / f"{image.stem}.json", out / f"{image.stem}.png"


def _ignores_case(folder: Path) -> bool:
    """Return whether names that differ in case are one file in a folder, which need not exist."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    with suppress(OSError), NamedTemporaryFile(prefix="a", dir=there) as file:
        return Path(file.name).with_name(Path(file.name).name.swapcase()).exists()
    return False


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
