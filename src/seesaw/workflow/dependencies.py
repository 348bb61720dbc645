"""Fingerprints of all experiments at one scale, which decide what must be made again.

``python -m seesaw.workflow.dependencies <scale> <dataset>`` computes and prints them in a separate
process; `cached` calls it and caches its output.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from seesaw.core import hashing, paths
from seesaw.core.integrity import sha256_of
from seesaw.core.json import json_or_none
from seesaw.errors import UserError
from seesaw.results.report import TEMPLATE
from seesaw.spec import claims as claim_table
from seesaw.spec import experiments, figures, zoo
from seesaw.spec.scales import Scale
from seesaw.workflow import acceptances, design, levelled, used_code

Resolved = Callable[[Path], dict[str, Any]]  # a config -> its resolved settings


def cached(scale: Scale) -> dict[str, Any]:
    """Return the fingerprints; a separate process computes them if a config or module has changed.

    Resolving the configs imports mmengine, which the Snakefile must not do.
    """
    call = ("seesaw.workflow.dependencies", scale.name, scale.dataset)
    return hashing.cached_json(sources(scale), cache(scale), lambda: answer(*call))


def known(scale: Scale) -> dict[str, str] | None:
    """Return the fingerprints cached by `cached`; None if a file has changed since."""
    return hashing.kept_json(sources(scale), cache(scale))


def sources(scale: Scale) -> list[Path]:
    """Return every file that affects a fingerprint or the workflow's jobs."""
    files = [*paths.CONFIGS.rglob("*.py"), *paths.CONFIGS.rglob("*.yaml")]
    files += [*used_code.PACKAGE.rglob("*.py"), *paths.NOTEBOOKS.glob("*.py"), TEMPLATE]
    files = [file for file in files if file != paths.PAPER_VALUES]
    # The manifest contains the number of categories; configs inherit from the locked mmdet's.
    own = [*scale.own_annotations.values(), *_known_weights(scale)]
    return [*files, *own, scale.entry.manifest, paths.ACCEPTED, paths.LOCK]


def cache(scale: Scale) -> Path:
    """Return the file in which `cached` stores the fingerprints."""
    return paths.CACHE / "fingerprints" / f"{scale.full_name}.json"


class _Value(TypedDict):
    weights: dict[str, str | None]


class _Kept(TypedDict):
    value: _Value


def _known_weights(scale: Scale) -> list[Path]:
    """Return the local weights that the cached fingerprints contain, without reading configs."""
    kept = json_or_none(cache(scale), _Kept)
    return [Path(path) for path in (kept["value"]["weights"] if kept else ())]


class Keys(dict):
    """A substitute for the fingerprints where only the jobs are needed: each key maps to itself.

    The backbones are taken from the cached fingerprints, if there are any, as reading all configs
    takes seconds where there are many.
    """

    def __init__(self, scale: Scale):
        cached = known(scale)
        super().__init__(backbones=cached["backbones"] if cached else backbones(scale))

    def __missing__(self, key: str) -> str:
        return key


def backbones(scale: Scale) -> dict[str, str]:
    """Return training -> name of its stand-in backbone; empty at paper scale."""
    if not scale.overlay.backbones:
        return {}
    from seesaw.spec.config import backbone_checkpoint

    found = {}
    for t in scale.table.trainings.values():
        if t.config and scale.table.built(t.id):
            found[t.id] = scale.overlay.backbones.get(backbone_checkpoint(t.config))
    return {training: stand_in.name for training, stand_in in found.items() if stand_in}


def compute(scale: Scale) -> dict[str, Any]:
    """Compute ``train/<id>/seed<k>``, ``detect/<evaluation>``, ``pretrain/<backbone>`` ... -> hash.

    ``code/<module>`` is used by every rule that depends on the code of one module and its imports.
    There are three further entries: ``backbones``, training -> name of the stand-in that it starts
    from; ``accepted``, key of a finished training whose own fingerprint is given here ->
    fingerprint of the current state; and ``weights``, local file that a backbone starts from -> its
    hash.
    """
    from seesaw.spec.config import resolve

    @functools.cache
    def resolved(config: Path) -> dict[str, Any]:
        return resolve(config, scale, register=False).to_dict()

    data = _data(scale)
    result = {"data": data, "backbones": backbones(scale)} | _code(scale)
    for stand_in in scale.overlay.backbones.values():
        result[f"pretrain/{stand_in.name}"] = hashing.fingerprint(
            backbone=stand_in.model_dump(),
            settings=scale.overlay.pretrain,
            data=data,
            code=used_code.code_hash(["seesaw.training.pretrain"]),
        )
    result |= _trainings(scale, resolved, result)
    result |= _evaluations(scale, resolved)
    if claims := claim_table.of(scale):
        result["design"] = design.fingerprint(claims, scale, data)
        roots = ["seesaw.results.claims.measure", "seesaw.results.claims.page"]
        result["claims"] = hashing.fingerprint(
            code=used_code.code_hash(roots), design=result["design"]
        )
    return result


def _data(scale: Scale) -> str:
    """Hash what the data are: their row and generator, or a user's own annotations."""
    entry = scale.entry
    own = {s: sha256_of(p) for s, p in scale.own_annotations.items() if p.is_file()}
    generator = ["seesaw.data.mini_lvis"] if entry.generate is not None else []
    return hashing.fingerprint(
        entry=entry.model_dump(mode="json", exclude={"categories"}),
        code=used_code.code_hash(generator),
        **({"annotations": own} if own else {}),
    )


def _code(scale: Scale) -> dict[str, str]:
    """Hash what depends on code alone: scores, timing, tables, figures and the report."""

    def code(*modules: str) -> str:
        return used_code.code_hash(modules)[:16]

    result = {
        "evaluate": code("seesaw.evaluation.resample", "seesaw.evaluation.replicates"),
        "errors": code("seesaw.evaluation.errors"),
        "speed": code("seesaw.evaluation.speed"),
        "table": code("seesaw.results.tables.collect", "seesaw.results.tables.render"),
        "report": hashing.fingerprint(
            code=used_code.code_hash(["seesaw.results.report.page"]),
            template=TEMPLATE.read_text(encoding="utf-8"),
        ),
    }
    if remarks := [a.remark for a in acceptances.load() if a.scale == scale.full_name]:
        result["table"] = hashing.fingerprint(code=result["table"], remarks=remarks)
    result |= {f"code/{module}": found for module, found in used_code.code_hashes().items()}
    return result | {f"figure/{name}": _figure(name) for name in figures.FIGURES}


def _trainings(scale: Scale, resolved: Resolved, known: Mapping[str, Any]) -> dict[str, Any]:
    """Hash each training with each of its seeds; ``known`` has the data's and the stand-ins'."""
    from seesaw.spec.config import flatten

    table, seeds = scale.table, claim_table.training_seeds(scale)
    result: dict[str, Any] = {"accepted": {}, "weights": {}}
    stands_for = acceptances.stands_for(scale.full_name)
    made_by: dict[str, Path] = {}
    for t in sorted(table.trainings.values(), key=lambda t: t.init_from is not None):
        if t.config is None or (t.init_from and table.trainings[t.init_from].config is None):
            continue
        levelled.refuse_full_length(t.config, scale)
        for seed in seeds[t.id]:
            parent = None
            if t.init_from:  # it was hashed before
                parent = result[f"train/{t.init_from}/seed{seed}"]
            elif stand_in := known["backbones"].get(t.id):
                parent = known[f"pretrain/{stand_in}"]
            elif own := _own_weights(resolved(t.config)):
                parent = sha256_of(own) if own.is_file() else None
                result["weights"][str(own)] = parent
            parts = used_code.training_parts(
                resolved(t.config), dataset_hash=known["data"], seed=seed, parent=parent
            )
            key, made = f"train/{t.id}/seed{seed}", hashing.fingerprint(**parts)
            levelled.refuse(t.config, made_by.setdefault(made, t.config), scale)
            if scale.overlay.ask_before_retraining:
                acceptances.remember(made, parts | {"config": flatten(parts["config"])})
            result[key] = stands_for.get((key, made), made)
            if result[key] != made:
                result["accepted"][key] = made
    return result


def _own_weights(config: dict[str, Any]) -> Path | None:
    """Return the local file that a config's backbone starts from, or None if it is downloaded."""
    start = config["model"].get("backbone", {}).get("init_cfg") or {}
    every = start if isinstance(start, (list, tuple)) else [start]
    named = (one["checkpoint"] for one in every if "checkpoint" in one)
    return next((Path(found) for found in named if "://" not in found), None)


def _evaluations(scale: Scale, resolved: Resolved) -> dict[str, str]:
    """Hash the detections of each evaluation, and the conversion of each released model."""
    result = {}
    made_by: dict[tuple[str, str], Path] = {}
    built = [e for e in scale.table.evaluations.values() if scale.table.built(e.id)]
    for released in zoo.load().models.values():
        built.append(released.evaluation)
        assert released.evaluation.config_path, released.id
        result[f"convert/{released.id}"] = hashing.fingerprint(
            released=released.model_dump(include={"config", "released", "checkpoint"}),
            model=resolved(released.evaluation.config_path)["model"],
            code=used_code.code_hash(["seesaw.training.convert"]),
        )
    for e in built:
        assert e.config_path, e.id
        config = used_code.of_any_machine(resolved(e.config_path))
        types = used_code.modules_of_types(used_code.config_types(config), used_code.registry_map())
        result[f"detect/{e.id}"] = hashing.fingerprint(
            config=config,
            split=e.split,
            code=used_code.code_hash(types | {"seesaw.evaluation.detect"}),
        )
        made = (e.training, result[f"detect/{e.id}"])
        levelled.refuse(e.config_path, made_by.setdefault(made, e.config_path), scale)
    return result


def show(scale: Scale) -> None:
    """Print what `compute` returns as JSON."""
    with redirect_stdout(sys.stderr):  # mmdet prints while it is imported
        made = compute(scale)
    print(json.dumps(made, indent=1))


def _figure(name: str) -> str:
    """Hash a figure's notebook, the modules it imports, and the types that its configs build."""
    from seesaw.spec.config import load

    path = paths.NOTEBOOKS / f"{name}.py"
    source = path.read_text(encoding="utf-8") if path.is_file() else ""
    imported = set(re.findall(r"^from (seesaw\.\S+) import", source, re.MULTILINE))
    found = [experiments.config_file(stem) for stem in figures.CONFIGS.get(name, ())]
    configs = [load(config) for config in found if config]
    types = set().union(*map(used_code.config_types, configs))
    built = used_code.modules_of_types(types, used_code.registry_map())
    code = used_code.code_hash(imported | built)
    return hashing.fingerprint(source=source, configs=configs, code=code)


def answer(module: str, *arguments: str) -> dict:
    """Run a module in a separate process and return the JSON that it prints.

    Raises:
        UserError: the process failed; the message is the last line that it printed.
        ModuleNotFoundError: a package is missing.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if missing := re.fullmatch(r"ModuleNotFoundError: No module named '(\S+)'", last):
            raise ModuleNotFoundError(last, name=missing[1])
        raise UserError(last)
    return json.loads(done.stdout)


if __name__ == "__main__":
    try:
        show(Scale(*sys.argv[1:]))
    except UserError as error:
        sys.exit(" ".join(str(error).split()))  # `answer` reads the last line
