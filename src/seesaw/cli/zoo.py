"""``seesaw convert`` and ``seesaw zoo``."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict

from seesaw.cli.common import config_of, load_libraries, scale_of
from seesaw.core.files import write_atomic
from seesaw.core.provenance import Provenance
from seesaw.workflow import dependencies


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(convert, "a released checkpoint as a finished training's weights", threads=True)
    sub.add_argument("model", help="id in configs/zoo.yaml")
    verb(zoo, "compare the released models' AP with what is published; 1 if one is off")


def convert(args: Namespace) -> None:
    """Check a released checkpoint against our model and write its weights."""
    from seesaw.spec import zoo as table

    scale, released = scale_of(args), table.model(args.model)
    config = config_of(released.evaluation)
    source = released.file.path
    if not scale.overlay.backbones:
        released.file.check()
    load_libraries(args)
    from seesaw.spec.config import resolve
    from seesaw.training import convert as converting

    if scale.overlay.backbones:
        source = converting.stand_in(released, scale, scale.work / "zoo" / released.checkpoint)
        print(f"{source}: randomly initialised, in place of the released weights")
    cfg = resolve(config, scale)
    output = scale.model(released.id, 0)
    key = dependencies.cached(scale).get(f"convert/{released.id}")
    inputs = {"checkpoint": source, "config": config}
    with Provenance(output, inputs=inputs, fingerprint=key) as provenance:
        provenance.facts |= converting.convert(cfg, source, output)
    print(f"{output}: {provenance.facts['tensors']} tensors fit")


def zoo(args: Namespace) -> int:
    """Write and print the verdicts on the released models."""
    from seesaw.results import zoo as results
    from seesaw.spec import zoo as table

    scale, known = scale_of(args), table.load()
    found = [results.check(model, scale, known.tolerance) for model in known.models.values()]
    said = results.markdown(found, known)
    write_atomic(scale.tables / "zoo.md", said)
    content = {"tolerance": known.tolerance, "models": [asdict(v) for v in found]}
    write_atomic(scale.tables / "zoo.json", json.dumps(content, indent=1) + "\n")
    print(said)
    return int(any(v.verdict in ("off", "not run") for v in found))
