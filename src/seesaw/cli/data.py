"""``seesaw download`` and ``data``."""

from __future__ import annotations

import os
import re
import shutil
from argparse import Namespace
from contextlib import suppress

from seesaw.cli.common import scale_of
from seesaw.core.borders import console, listing
from seesaw.core.provenance import Provenance
from seesaw.errors import UserError
from seesaw.spec.datasets import DatasetEntry
from seesaw.spec.scales import Scale


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(download, "download the scale's dataset and pre-trained weights, or what is named")
    sub.add_argument("what", nargs="*", help="lvis_v1, pretrained, zoo or a file of downloads.yaml")
    sub.add_argument("--list", action="store_true", help="print what there is and what is missing")
    sub.add_argument("--keep", action="store_true", help="keep archives after they are unpacked")
    sub = verb(data, "make or check the scale's dataset and write its manifest")
    sub.add_argument(
        "--fix",
        nargs="?",
        const="stored",
        choices=("stored", "shown"),
        help="write a copy beside the folder, <folder>_fixed, in which safe faults are mended and "
        "what has other faults is left out; photos turned by their EXIF orientation are taken as "
        "annotated as 'stored' (the default) or as 'shown', where their size does not tell",
    )


def download(args: Namespace) -> None:
    """Download the given sets or those that the scale needs, with a record of each complete set."""
    from seesaw.data.download import obtain
    from seesaw.data.lvis_folder import write_json
    from seesaw.spec import downloads, site

    scale, files = scale_of(args), downloads.load()
    words = args.what or scale.downloads
    remotes = list({r.name: r for word in words for r in files.find(word)}.values())
    if args.list:
        return _list(remotes or [r for files in files.sets.values() for r in files.values()])
    if not remotes:
        print(f"scale {scale.name} on {scale.dataset} needs nothing from the network")
        return None
    settings = site.load()
    coco = settings.coco_folder
    if coco and not coco.is_dir():
        what = f"coco is {settings.coco!r}, which is no folder"
        raise UserError(f"{site.FILE}: {what}; correct or remove it.")
    obtain.check_space(remotes, site.FILE, coco, args.keep)
    facts = {r.name: obtain.obtain(r, coco, args.keep) for r in remotes}
    for group, members in files.sets.items():
        if members.keys() <= facts.keys():
            path = downloads.record_path(group)
            write_json({"files": {name: facts[name] for name in members}}, path)
            print(f"{path}: {group} is complete")
    return None


def _list(remotes) -> None:
    from seesaw.spec import downloads

    body = listing("set", "file", "MB", "sha256", "state", numbers=["MB"])
    for r in remotes:
        part = r.path.with_name(f"{r.name}.part")
        state = "there" if r.made.exists() else "archive there" if r.path.exists() else "missing"
        if state == "missing" and part.exists():
            state = f"{part.stat().st_size / 1e6:,.0f} MB there"
        size = f"{r.bytes / 1e6:,.1f}" if r.bytes else "unknown"
        known = "" if len(r.sha256) == downloads.DIGITS else f" ({len(r.sha256)} of 64 digits)"
        body.add_row(r.set, r.name, size, f"{r.sha256[:8]}…{known}", state)
    console(140).print(body)
    print()


def data(args: Namespace) -> None:
    """Generate a dataset if needed; check it, and write its manifest and category counts."""
    from seesaw.core import attempts, paths

    scale = scale_of(args)
    with attempts.alone(paths.ROOT, scale.entry.root):
        _data(args, scale)


def _data(args: Namespace, scale: Scale) -> None:
    from seesaw.data import lvis_folder

    _provide(scale, args.fix)
    entry, generated = scale.entry, scale.entry.generate is not None
    if entry.root.is_dir() and not os.access(entry.root, os.W_OK):
        raise UserError(
            f"{entry.root} is read-only, but the manifest and the counts belong there; make a "
            "folder of your own with links to its subfolders, and name that one."
        )
    with suppress(OSError):
        entry.manifest.unlink()  # nothing trains on data that is refused now
    found = lvis_folder.read(entry.root, entry.files)
    for content in found.values():
        content.refuse()
    _check_size(scale, len(found["train"].categories), found["train"].trained_images)
    manifest = lvis_folder.manifest(entry.root, found)
    for content in found.values():
        content.refuse()
    # The manifest contains the files' hashes; a generated dataset is determined by its entry.
    inputs = {} if generated else {split: entry.root / name for split, name in entry.files.items()}
    with Provenance(entry.manifest, entry.category_counts, inputs=inputs, dataset=entry.name):
        lvis_folder.write_json(found["train"].counts(), entry.category_counts)
        lvis_folder.write_json(manifest, entry.manifest)
    for split, content in found.items():
        notes = "; ".join(content.notes if split != "test_dev" else [])
        used = f"{len(content.images)} images, {len(content.ints)} annotations"
        print(f"{content.path}: {used}" + (f"; {notes}" if notes else ""))
    print(f"{entry.manifest}: {entry.name} is complete")


def _provide(scale: Scale, fix: str | None) -> None:
    """Generate the dataset, or make sure that it is there; with --fix, ``scale`` gets its copy."""
    from seesaw.core import paths
    from seesaw.data.mini_lvis import generate
    from seesaw.data.repair import repair
    from seesaw.spec.mini_lvis import MiniLvisSpec

    entry = scale.entry
    if entry.generate is not None and fix:
        raise UserError(f"--fix {fix}: {entry.name} is generated, not mended; leave it out.")
    lost = [path for name in entry.files.values() if not (path := entry.root / name).is_file()]
    if lost and scale.dataset in scale.downloads:
        where = f"run `seesaw download {scale.dataset}` where there is internet"
        raise UserError(f"{lost[0]} is missing; {where}, then this again.")
    if entry.generate is not None:
        spec = MiniLvisSpec.parse(entry.generate, f"{paths.DATASETS} ({entry.name})")
        _tidy(entry)
        generate(spec, entry.root, entry.truth)
    elif fix:
        root, done = repair(entry.root, entry.files, fix)
        for change, number in done.items():
            print(f"{change}: {number}")
        scale.entry = entry.model_copy(update={"name": root.name, "root": root})


def _tidy(entry: DatasetEntry) -> None:
    """Delete what a killed generation has left: in a container each process may have its id."""
    for folder in (entry.root.resolve(), entry.truth.resolve()):
        for left in folder.parent.glob(".*.tmp"):
            if re.fullmatch(rf"\.{re.escape(folder.name)}\.\d+\.tmp", left.name):
                shutil.rmtree(left, ignore_errors=True)


def _check_size(scale: Scale, categories: int, images: int) -> None:
    """Refuse a training set of other categories, or too small for an iteration of a schedule."""
    from seesaw.core import paths
    from seesaw.spec.config import resolve
    from seesaw.training.schedule import iterations

    entry = scale.entry
    if entry.generate is None and categories != entry.classes:
        raise UserError(
            f"{paths.DATASETS}: {entry.name} is said to have {entry.classes} categories, but its "
            f"files have {categories}; correct the entry or the files."
        )
    schedules = {t.schedule: t for t in scale.table.trainings.values() if t.config}
    for training in schedules.values():
        assert training.config  # of those that are built
        cfg = resolve(training.config, scale, register=False)
        try:
            iterations(cfg.schedule, images, cfg.batch_size)
        except UserError as error:
            raise UserError(f"{entry.root / entry.train}: {error}") from None
