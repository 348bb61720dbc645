"""Write a copy of a dataset in which the faults are mended that can be mended safely.

Faults that leave a record's meaning in no doubt are mended; other records are left out. The user's
own files are only read. Images without fault are hard links where the file system allows it.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import cv2
import orjson

from seesaw.data import lvis_folder, pictures
from seesaw.data.content import Annotations
from seesaw.data.format import FEDERATED, FREQUENCIES, Located, is_id
from seesaw.data.outlines import measure
from seesaw.data.tolerant import tolerant, whole
from seesaw.errors import UserError
from seesaw.spec.annotations import LISTS, URL_PREFIX, frequency_of, relative_path

ROUNDS = 8  # a record may have several faults, of which a reading finds the first
STORED, SHOWN = "stored", "shown"


def repair(root: Path, files: Mapping[str, str], orientation: str = STORED) -> tuple[Path, Counter]:
    """Write a mended copy of a dataset to a new folder beside it.

    Args:
        root: LVIS folder.
        files: Split -> annotation file relative to ``root``.
        orientation: What the annotations of a photo with an EXIF orientation refer to where its
            size does not tell: its pixels as "stored" or as "shown".

    Returns:
        The new folder, and how often each change was made in each annotation file.

    Raises:
        UserError: The folder exists or is not writable, a file is bad or outside, or faults remain.
    """
    for name in map(Path, files.values()):
        if name.is_absolute() or ".." in name.parts:  # its copy would replace the file itself
            raise UserError(f"{root / name} lies outside {root}: move it into that folder")
    target = root.resolve().with_name(f"{root.resolve().name}_fixed")
    if target.exists():
        raise UserError(f"{target} exists already: use it, or remove it to make it again")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    copy = _Copy(root, part, files, orientation)
    try:
        done = copy.make()
        os.replace(part, target)  # a folder, by a fixed name, so that the next call removes a rest
    except UserError as error:
        left = ", the rest left out" + (f", first {copy.left}" if copy.left else "")
        message = f"{error} (after what can be mended was mended{left})"
        raise UserError(message.replace(str(part), str(root))) from None
    except OSError as error:
        fix = "make room there, or correct the permissions"
        raise UserError(f"{target} cannot be written ({error}): {fix}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target, done


class _Copy:
    def __init__(self, root: Path, target: Path, files: Mapping[str, str], orientation: str):
        self.root, self.target, self.files = root, target, files
        self.orientation, self.done = orientation, Counter[str]()
        self.left = ""  # the first fault because of which a record was left out

    def make(self) -> Counter:
        """Write the annotation files, then mend what the reader refuses until it takes all."""
        for name in self.files.values():
            content = tolerant(self.root / name)
            if number := sum(whole(record) for key in LISTS for record in content[key]):
                self.done[f"{self.root / name}: ids and sizes made whole numbers"] = number
            self._write(name, content)
        for _ in range(ROUNDS):
            found = lvis_folder.read(self.target, self.files, limit=None)
            every = (i.path for content in found.values() for i in content.images)
            self.listed = Counter(map(os.path.normpath, every))  # train//a.jpg is train/a.jpg
            if not any(content.faults for content in found.values()):
                self._link(found)
                lvis_folder.manifest(self.target, found)
            if not any(content.faults for content in found.values()):
                return self.done
            for content in found.values():
                if content.faults:
                    self._mend(content)
        for content in found.values():
            content.refuse()
        return self.done

    def _write(self, name: str, content: dict) -> None:
        path = self.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_bytes(orjson.dumps(content))
        except TypeError as error:
            what = f"a text or number that JSON cannot hold ({error})"
            raise UserError(f"{self.root / name} has {what}: correct it") from None

    def _link(self, found: Mapping[str, Annotations]) -> None:
        """Put the images in place; a missing one is reported when the files are checked."""
        for content in found.values():
            for image in content.images:
                source, path = self.root / image.path, self.target / image.path
                try:
                    if path.exists() or not source.is_file():
                        continue
                except OSError:  # a name that is too long
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                real = source.resolve()
                if source.is_symlink() and not real.is_relative_to(self.root.resolve()):
                    path.symlink_to(real)  # the reader refuses it
                    continue
                try:
                    os.link(real, path)
                except OSError:
                    shutil.copyfile(source, path)

    def _mend(self, content: Annotations) -> None:
        name = content.path.relative_to(self.target).as_posix()
        data = tolerant(content.path)
        sizes = {
            i["id"]: (i["height"], i["width"])
            for i in data["images"]
            if isinstance(i, dict) and all(is_id(i.get(k)) for k in ("id", "width", "height"))
        }
        dropped: dict[str, set[int]] = {key: set() for key in LISTS}
        ids = [a.get("id") for a in data["annotations"] if isinstance(a, dict)]
        used = {i for i in ids if is_id(i)}
        self.unused = itertools.filterfalse(used.__contains__, itertools.count(1))
        for located in content.faults:
            change = self._change(located, data, sizes)
            if change is None and located.key == "categories":
                raise UserError(f"{self.root / name}: {located.who} {located.fault.what}")
            if change is None:
                dropped[located.key].add(located.row)
                self.left = self.left or f"{located.who} {located.fault.what}"
                change = f"{located.key} left out ({located.fault.code})"
            self.done[f"{self.root / name}: {change}"] += 1
        for key, rows in dropped.items():
            data[key] = [r for i, r in enumerate(data[key]) if i not in rows]
        kept = {i.get("id") for i in data["images"] if is_id(i.get("id"))}
        gone = (content.faulty | {i.id for i in content.images}) - kept
        data["annotations"] = [
            a for a in data["annotations"] if not isinstance(a, dict) or _image(a) not in gone
        ]
        self._write(name, data)

    def _change(self, located: Located, data: dict, sizes: dict) -> str | None:
        """Mend one record; return what was done, or None if the record must be left out."""
        key, index, code = located.key, located.row, located.fault.code
        record = data[key][index]
        if not isinstance(record, dict):
            return None
        if key == "images":
            return self._change_image(record, code, data)
        if key == "categories":
            return self._change_category(record, code, data)
        if code in ("id", "twice"):
            record["id"] = next(self.unused)
            return "annotation ids made unique"
        if code in ("bbox", "area", "far") and (size := sizes.get(_image(record))):
            return measure(record, code, *size)
        if code == "areas":  # where some are wrong, the others are in doubt
            for one in data["annotations"]:
                if isinstance(one, dict) and one.get("area") != 0 and _image(one) in sizes:
                    measure(one, "area", *sizes[_image(one)])
            return "areas of all annotations measured from the outlines"
        return None

    @cached_property
    def groups(self) -> dict[int, str]:
        """Return each category's frequency as train says or shows it; other splits cannot."""
        train = tolerant(self.target / self.files["train"])
        shown = {
            (a["category_id"], a["image_id"])
            for a in train["annotations"]
            if isinstance(a, dict) and is_id(a.get("category_id")) and is_id(a.get("image_id"))
        }
        images = Counter(category for category, _ in shown)
        return {
            c["id"]: f
            if (f := c.get("frequency")) in FREQUENCIES
            else frequency_of(images[c["id"]])
            for c in train["categories"]
            if isinstance(c, dict) and is_id(c.get("id"))
        }

    def _change_category(self, category: dict, code: str, data: dict) -> str | None:
        if code == "order":
            data["categories"].sort(key=lambda c: c["id"])
            return "categories sorted by id"
        if code == "frequency":
            # where others have faults too, the row may be that of a sound one
            if category.get("frequency") not in FREQUENCIES:
                category["frequency"] = self.groups.get(category["id"], frequency_of(0))
            return "frequency taken from train"
        return None

    def _change_image(self, image: dict, code: str, data: dict) -> str | None:
        if code in FEDERATED:
            found = image.get(code)
            image[code] = [c for c in found if is_id(c)] if isinstance(found, list) else []
            return f"{code} made a list"
        if code == "unknown":
            known = {c.get("id") for c in data["categories"] if isinstance(c, dict)}
            for name in FEDERATED:
                image[name] = [c for c in image.get(name, []) if c in known]
            return "unknown categories left out of lists of images"
        if code == "coco_url":
            image["coco_url"] = URL_PREFIX + image["file_name"]
            return "coco_url written from file_name"
        if code == "path":
            return self._slashed(image)
        if code == "turned":
            return self._upright(image)
        return None

    def _slashed(self, image: dict) -> str | None:
        """Write a path of Windows with slashes, if a file lies there."""
        given = image.get("coco_url") or image.get("file_name")
        if not isinstance(given, str) or "\\" not in given:
            return None
        name = given.removeprefix(URL_PREFIX).replace("\\", "/")
        odd = not name.isprintable() or ".." in Path(name).parts
        if odd or not os.path.isfile(self.root / name):
            return None
        image["coco_url"] = URL_PREFIX + name
        return "paths written with /"

    def _upright(self, image: dict) -> str:
        """Save a photo so that it is loaded as annotated; a JPEG keeps its compressed pixels."""
        path = self.target / relative_path(image)
        # else the other may need it as it is
        alone = self.listed[os.path.normpath(relative_path(image))] == 1
        content = path.read_bytes()
        size = image["width"], image["height"]
        turned = pictures.decode(content, shown=True)
        shown = self.orientation == SHOWN and turned.shape[1::-1] == size  # else the size tells
        fixed = _without_orientation(content)
        decoded = shown or pictures.content_fault(path, fixed, *size) is not None
        if decoded:
            fixed = cv2.imencode(".png", pictures.decode(content, shown))[1].tobytes()
        if decoded or not alone:
            end = ".png" if decoded else path.suffix
            path = path.with_suffix(f"{path.suffix}.upright{end}")
            image["coco_url"] = URL_PREFIX + path.relative_to(self.target).as_posix()
        path.unlink(missing_ok=True)  # a link to the user's file
        path.write_bytes(fixed)
        return f"EXIF orientation taken out, pixels as {SHOWN if shown else STORED}"


def _image(annotation: dict) -> int | None:
    found = annotation.get("image_id")
    return found if is_id(found) else None


def _without_orientation(content: bytes) -> bytes:
    """Return a file whose EXIF orientation is 1, in either byte order; BigTIFF is longer."""
    big = re.sub(rb"(\x01\x12\x00\x03(?:\x00{4})?\x00\x00\x00\x01\x00)[\x02-\x08]",
                 b"\\g<1>\x01", content)  # fmt: skip
    return re.sub(rb"(\x12\x01\x03\x00\x01\x00\x00\x00(?:\x00{4})?)[\x02-\x08]\x00",
                  b"\\g<1>\x01\x00", big)  # fmt: skip
