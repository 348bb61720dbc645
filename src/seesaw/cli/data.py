"""``seesaw data``."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress

from seesaw.cli.common import scale_of
from seesaw.core.provenance import Provenance
from seesaw.errors import UserError
from seesaw.spec.datasets import DatasetEntry
from seesaw.spec.scales import Scale


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(data, "make or check the scale's dataset and write its manifest")
    sub.add_argument(
        "--fix",
        nargs="?",
        const="stored",
        choices=("stored", "shown"),
        help="write a copy beside the folder, <folder>_fixed, in which safe faults are mended and "
        "other faulty records are left out; photos turned by their EXIF orientation are taken as "
        "annotated as 'stored' (the default) or as 'shown', where their size does not tell",
    )


def data(args: Namespace) -> None:
    """Generate a dataset if needed; check it, and write its manifest and category counts."""
    from seesaw.core import paths
    from seesaw.data import lvis_folder
    from seesaw.data.mini_lvis import generate
    from seesaw.data.repair import repair
    from seesaw.spec.mini_lvis import MiniLvisSpec

    scale = scale_of(args)
    entry, generated = scale.entry, scale.entry.generate is not None
    if generated and args.fix:
        raise UserError(f"--fix {args.fix}: {entry.name} is generated, not mended; leave it out.")
    files = {"train": entry.train, "val": entry.val}
    if entry.test_dev is not None:
        files["test_dev"] = entry.test_dev
    lost = [entry.root / name for name in files.values() if not (entry.root / name).is_file()]
    if lost and scale.dataset in scale.downloads:
        fix = f"run `seesaw download {scale.dataset}` where there is internet"
        raise UserError(f"{lost[0]} is missing; {fix}, then this again.")
    if entry.generate is not None:
        spec = MiniLvisSpec.parse(entry.generate, f"{paths.DATASETS} ({entry.name})")
        generate(spec, entry.root, entry.truth)
    elif args.fix:
        root, done = repair(entry.root, files, args.fix)
        for change, number in done.items():
            print(f"{change}: {number}")
        scale = Scale(scale.name, str(root))
        entry = scale.entry
    with suppress(OSError):
        entry.manifest.unlink()  # nothing trains on data that is refused now
    found = lvis_folder.read(entry.root, files)
    for content in found.values():
        content.refuse()
    if not generated and (categories := len(found["train"].categories)) != entry.classes:
        raise UserError(
            f"{paths.DATASETS}: {entry.name} is said to have {entry.classes} categories, but its "
            f"files have {categories}; correct the entry or the files."
        )
    _enough(scale, entry, found["train"].trained_images)
    manifest = lvis_folder.manifest(entry.root, found)
    for content in found.values():
        content.refuse()
    # The manifest contains the files' hashes; a generated dataset is determined by its entry.
    inputs = {} if generated else {split: entry.root / name for split, name in files.items()}
    with Provenance(entry.manifest, entry.category_counts, inputs=inputs, dataset=entry.name):
        lvis_folder.write_json(found["train"].counts(), entry.category_counts)
        lvis_folder.write_json(manifest, entry.manifest)
    for split, content in found.items():
        notes = "; ".join(content.notes if split != "test_dev" else [])
        used = f"{len(content.images)} images, {len(content.ints)} annotations"
        print(f"{content.path}: {used}" + (f"; {notes}" if notes else ""))
    print(f"{entry.manifest}: {entry.name} is complete")


def _enough(scale: Scale, entry: DatasetEntry, images: int) -> None:
    """Refuse a training set so small that a schedule of the scale would have no iteration."""
    from seesaw.spec.config import resolve
    from seesaw.training.schedule import iterations

    schedules = {t.schedule: t for t in scale.table.trainings.values() if t.config}
    for training in schedules.values():
        assert training.config  # of those that are built
        cfg = resolve(training.config, scale, register=False)
        try:
            iterations(cfg.schedule, images, cfg.batch_size)
        except UserError as error:
            raise UserError(f"{entry.root / entry.train}: {error}") from None
