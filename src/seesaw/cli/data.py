"""``seesaw data``."""

from __future__ import annotations

from argparse import Namespace

from seesaw.cli.common import scale_of
from seesaw.core.records import Provenance
from seesaw.errors import UserError


def add(verb) -> None:
    """Declare the verbs."""
    verb(data, "make or check the scale's dataset and write its manifest")


def data(args: Namespace) -> None:
    """Generate a dataset if needed; check it, and write its manifest and category counts."""
    from seesaw.core import paths
    from seesaw.data import lvis_folder
    from seesaw.data.mini_lvis import generate
    from seesaw.spec.mini_lvis import MiniLvisSpec

    scale = scale_of(args)
    entry = scale.entry
    if entry.generate is not None:
        spec = MiniLvisSpec.parse(entry.generate, f"{paths.DATASETS} ({entry.name})")
        generate(spec, entry.root, entry.truth)
    files = {"train": entry.train, "val": entry.val}
    if entry.test_dev is not None:
        files["test_dev"] = entry.test_dev
    lost = [entry.root / name for name in files.values() if not (entry.root / name).is_file()]
    if lost and scale.dataset in scale.downloads:
        told = f"run `seesaw download {scale.dataset}` where there is internet"
        raise UserError(f"{lost[0]} is missing; {told}, then this again.")
    generated = entry.generate is not None
    manifest = lvis_folder.manifest(entry.root, files, hash_images=generated)
    if (found := manifest["categories"]) != entry.classes:
        raise UserError(
            f"{paths.DATASETS}: {entry.name} is said to have {entry.classes} categories, but its "
            f"files have {found}; correct the entry or the files."
        )
    counts = lvis_folder.training_counts(entry.root / entry.train)
    # The manifest contains the files' hashes; a generated dataset is determined by its entry.
    inputs = {} if generated else {split: entry.root / name for split, name in files.items()}
    with Provenance(entry.manifest, entry.category_counts, inputs=inputs, dataset=entry.name):
        lvis_folder.write_json(counts, entry.category_counts)
        lvis_folder.write_json(manifest, entry.manifest)
    print(f"{entry.manifest}: {entry.name} is complete")
