"""``seesaw figure``."""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from pathlib import Path

from seesaw import paths
from seesaw.errors import UserError
from seesaw.figures import inputs
from seesaw.planning.jobs import snakemake_command
from seesaw.provenance import Provenance
from seesaw.scales import Scale
from seesaw.verbs import fingerprints_of, scale_of


def add(verb) -> None:
    """Declare the verb."""
    sub = verb(figure, "draw a figure from what has been computed: notebook, graphics, data")
    sub.add_argument("figure", help=", ".join(inputs.FIGURES))
    sub.add_argument(
        "--reference", action="store_true", help="of the committed results, into paper_figures/"
    )


def figure(args: Namespace) -> None:
    """Draw one figure."""
    name, scale = inputs.unique(args.figure), scale_of(args)
    if name not in inputs.available(scale.table):
        raise UserError(f"{scale.path}: none of its experiments stands in {name}.")
    if args.reference and scale.run != inputs.SHOWN:
        raise UserError(
            f"{paths.NOTEBOOKS} shows {inputs.SHOWN} scale only; leave out --reference."
        )
    command = f"seesaw freeze {scale.name}" if args.reference else snakemake_command(scale, name)
    needed = inputs.files(name, scale.table, scale)
    if args.reference:
        needed = {key: inputs.frozen(path, scale) for key, path in needed.items()}
    there = {key: path for key, path in needed.items() if path.is_file()}
    shown = inputs.results(name, scale.table, scale).keys() or needed.keys()
    if shown and not shown & there.keys():
        first = next(iter(needed[key] for key in shown))
        raise UserError(f"{first} is missing, and so is all that {name} shows; run `{command}`.")
    if args.reference:
        _draw(name, scale, inputs.committed(name), reference=True)
        return
    made = inputs.outputs(name, scale)
    read = {"notebook": paths.NOTEBOOKS / f"{name}.py"} | there
    code = fingerprints_of(args).get(f"figure/{name}")
    with Provenance(*made.values(), inputs=read, fingerprint=code):
        _draw(name, scale, made)


def _draw(name: str, scale: Scale, made: dict[str, Path], reference: bool = False) -> None:
    """Execute a figure's notebook; its files appear whole or not at all."""
    from seesaw.figures.notebook import execute  # here: a mistake is told before it loads

    source = paths.NOTEBOOKS / f"{name}.py"
    failed = paths.ROOT / "logs" / scale.run / "figure" / f"{name}.failed.ipynb"
    parameters = {"SCALE": scale.name, "DATASET": scale.dataset if "@" in scale.run else None}
    folder = next(iter(made.values())).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as staged:
        execute(source, parameters, Path(staged), failed, reference)
        for path in made.values():
            if not (Path(staged) / path.name).is_file():
                raise UserError(f"{source} did not write {path.name}; call `save` in it.")
        for path in made.values():
            os.replace(Path(staged) / path.name, path)
            print(path)
    failed.unlink(missing_ok=True)
