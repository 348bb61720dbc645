"""``seesaw figure``."""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from pathlib import Path

from seesaw.cli.common import fingerprints_of, scale_of
from seesaw.core import paths
from seesaw.core.provenance import Provenance
from seesaw.errors import UserError
from seesaw.spec import figures
from seesaw.spec.scales import Scale, snakemake_command


def add(verb) -> None:
    """Declare the verb."""
    sub = verb(figure, "draw a figure from what has been computed: notebook, graphics, data")
    sub.add_argument("figure", help=", ".join(figures.FIGURES))
    sub.add_argument(
        "--reference", action="store_true", help="of the committed results, into paper_figures/"
    )


def figure(args: Namespace) -> None:
    """Draw one figure."""
    name, scale = figures.unique(args.figure), scale_of(args)
    if name not in figures.available(scale.table):
        raise UserError(f"{scale.path}: none of its experiments stands in {name}.")
    if args.reference and scale.full_name != figures.SHOWN:
        raise UserError(
            f"{paths.NOTEBOOKS} shows {figures.SHOWN} scale only; leave out --reference."
        )
    command = f"seesaw freeze {scale.name}" if args.reference else snakemake_command(scale, name)
    needed = figures.files(name, scale.table, scale)
    if args.reference:
        needed = {key: figures.frozen(path, scale) for key, path in needed.items()}
    there = {key: path for key, path in needed.items() if path.is_file()}
    shown = figures.results(name, scale.table, scale).keys() or needed.keys()
    if shown and not shown & there.keys():
        first = next(iter(needed[key] for key in shown))
        raise UserError(f"{first} is missing, and so is all that {name} shows; run `{command}`.")
    if args.reference:
        _draw(name, scale, figures.committed(name), reference=True)
        return
    made = figures.outputs(name, scale)
    read = {"notebook": paths.NOTEBOOKS / f"{name}.py"} | there
    code = fingerprints_of(args).get(f"figure/{name}")
    with Provenance(*made.values(), inputs=read, fingerprint=code):
        _draw(name, scale, made)


def _draw(name: str, scale: Scale, made: dict[str, Path], reference: bool = False) -> None:
    """Execute a figure's notebook; its files are written atomically."""
    from seesaw.results.figures.notebook import execute  # late, so that mistakes are reported first

    source = paths.NOTEBOOKS / f"{name}.py"
    failed = paths.ROOT / "logs" / scale.full_name / "figure" / f"{name}.failed.ipynb"
    parameters = {"SCALE": scale.name, "DATASET": scale.dataset if "@" in scale.full_name else None}
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
