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
from seesaw.verbs import fingerprints_of, scale_of


def add(verb) -> None:
    """Declare the verb."""
    sub = verb(figure, "draw a figure from what has been computed: notebook, graphics, data")
    sub.add_argument("figure", help=", ".join(inputs.FIGURES))


def figure(args: Namespace) -> None:
    """Execute a figure's notebook; its files appear whole or not at all."""
    name, scale = inputs.unique(args.figure), scale_of(args)
    table = scale.table
    if name not in inputs.available(table):
        raise UserError(f"{scale.path}: none of its experiments stands in {name}.")
    needed = inputs.files(name, table, scale)
    there = {key: path for key, path in needed.items() if path.is_file()}
    shown = inputs.results(name, table, scale).keys() or needed.keys()
    if shown and not shown & there.keys():
        first = next(iter(needed[key] for key in shown))
        command = snakemake_command(scale, name)
        raise UserError(f"{first} is missing, and so is all that {name} shows; run `{command}`.")
    from seesaw.figures.notebook import execute  # here: a mistake is told before it loads

    source, made = paths.NOTEBOOKS / f"{name}.py", inputs.outputs(name, scale)
    failed = paths.ROOT / "logs" / scale.run / "figure" / f"{name}.failed.ipynb"
    parameters = {"SCALE": scale.name, "DATASET": scale.dataset if "@" in scale.run else None}
    code = fingerprints_of(args).get(f"figure/{name}")
    with Provenance(*made.values(), inputs={"notebook": source} | there, fingerprint=code):
        inputs.folder(scale).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=inputs.folder(scale)) as staged:
            execute(source, parameters, Path(staged), failed)
            if lacking := [p.name for p in made.values() if not (Path(staged) / p.name).is_file()]:
                raise UserError(f"{source} did not write {lacking[0]}; call `save` in it.")
            for path in made.values():
                os.replace(Path(staged) / path.name, path)
        failed.unlink(missing_ok=True)
    for path in made.values():
        print(path)
