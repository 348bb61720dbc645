"""Fingerprints of the whole experiment table at one scale: what must be made again, and when."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from seesaw import acceptances, experiments, fingerprint, paths
from seesaw.claims import design
from seesaw.claims import table as claim_table
from seesaw.errors import UserError
from seesaw.experiments import Experiments
from seesaw.figures import inputs as figures
from seesaw.report import inputs as report
from seesaw.scales import Scale
from seesaw.zoo import table as zoo

PACKAGE = Path(__file__).parent


def cached(scale: Scale) -> dict[str, Any]:
    """The fingerprints, computed in a process of their own when a config or module has changed.

    Resolving the configs imports mmengine, which the Snakefile must not.
    """
    keys = [*paths.CONFIGS.rglob("*.py"), *paths.CONFIGS.rglob("*.yaml"), *PACKAGE.rglob("*.py")]
    keys += [*paths.NOTEBOOKS.glob("*.py"), report.TEMPLATE]
    keys = [k for k in keys if k != paths.PAPER_VALUES]
    # the manifest tells of another number of categories
    keys += [scale.entry.manifest, paths.ACCEPTED]
    return fingerprint.cached_json(keys, cache(scale), lambda: _in_subprocess(scale))


def cache(scale: Scale) -> Path:
    """Where the last call of `cached` left the fingerprints."""
    return paths.CACHE / "fingerprints" / f"{scale.run}.json"


def compute(scale: Scale) -> dict[str, Any]:
    """``train/<id>/seed<k>``, ``detect/<evaluation>``, ``pretrain/<backbone>`` ... -> hash.

    And ``backbones``: training -> name of the stand-in that it starts from; ``accepted``: key of a
    finished training whose own fingerprint stands here -> the one of the current state.
    """
    from seesaw.config import backbone_checkpoint, flatten, resolve

    table = scale.table
    entry = scale.entry
    generator = ["seesaw.data.mini_lvis"] if entry.generate is not None else []
    result: dict[str, Any] = {
        "data": fingerprint.fingerprint(
            entry=entry.model_dump(mode="json", exclude={"categories"}),
            code=fingerprint.code_hash(generator),
        ),
        "evaluate": fingerprint.code_hash(
            ["seesaw.evaluation.resample", "seesaw.evaluation.replicates"]
        )[:16],
        "speed": fingerprint.code_hash(
            ["seesaw.evaluation.speed", "seesaw.evaluation.post_processing"]
        )[:16],
        "zoo": fingerprint.code_hash(["seesaw.zoo.verdict"])[:16],
        "submit": fingerprint.code_hash(["seesaw.submission.package"])[:16],
        "table": fingerprint.code_hash(["seesaw.reporting.collect", "seesaw.reporting.render"])[
            :16
        ],
        "report": fingerprint.fingerprint(
            code=fingerprint.code_hash(["seesaw.report.page"]),
            template=report.TEMPLATE.read_text(encoding="utf-8"),
        ),
    }
    result |= {f"figure/{name}": _figure(name) for name in figures.FIGURES}
    result["backbones"] = backbones = {}
    result["accepted"], stands_for = {}, acceptances.stands_for(scale.run)
    if remarks := [a.remark for a in acceptances.load() if a.scale == scale.run]:
        result["table"] = fingerprint.fingerprint(code=result["table"], remarks=remarks)
    for stand_in in scale.overlay.backbones.values():
        result[f"pretrain/{stand_in.name}"] = fingerprint.fingerprint(
            backbone=stand_in.model_dump(),
            settings=scale.overlay.pretrain,
            data=result["data"],
            code=fingerprint.code_hash(["seesaw.training.pretrain"]),
        )
    seeds = claim_table.training_seeds(table, scale)
    parents_first = sorted(table.trainings.values(), key=lambda t: t.init_from is not None)
    for t in parents_first:
        if t.config is None or (t.init_from and table.trainings[t.init_from].config is None):
            continue
        stand_in = scale.overlay.backbones.get(backbone_checkpoint(t.config))
        if stand_in:
            backbones[t.id] = stand_in.name
        for seed in seeds[t.id]:
            parent = f"train/{t.init_from}/seed{seed}" if t.init_from else None
            if parent is None and stand_in:
                parent = f"pretrain/{stand_in.name}"
            parts = fingerprint.training_parts(
                resolve(t.config, scale, register=False).to_dict(),
                dataset_hash=result["data"],
                seed=seed,
                parent=result[parent] if parent else None,
            )
            key, made = f"train/{t.id}/seed{seed}", fingerprint.fingerprint(**parts)
            if scale.overlay.ask_before_retraining:
                acceptances.remember(made, parts | {"config": flatten(parts["config"])})
            result[key] = stands_for.get((key, made), made)
            if result[key] != made:
                result["accepted"][key] = made
    built = [e for e in table.evaluations.values() if table.built(e.id)]
    for released in zoo.load().models.values():
        built.append(released.evaluation)
        assert released.evaluation.config_path, released.id
        result[f"convert/{released.id}"] = fingerprint.fingerprint(
            released=released.model_dump(include={"config", "released", "checkpoint"}),
            model=resolve(released.evaluation.config_path, scale, register=False).model.to_dict(),
            code=fingerprint.code_hash(["seesaw.zoo.convert"]),
        )
    for e in built:
        assert e.config_path, e.id
        config = resolve(e.config_path, scale, register=False).to_dict()
        config = {k: v for k, v in config.items() if k not in fingerprint.MACHINE_KEYS}
        types = fingerprint.modules_of_types(
            fingerprint.config_types(config), fingerprint.registry_map()
        )
        result[f"detect/{e.id}"] = fingerprint.fingerprint(
            config=config,
            split=e.split,
            code=fingerprint.code_hash(types | {"seesaw.evaluation.detect"}),
        )
    if claims := claim_table.of(scale):
        result["design"] = design.fingerprint(claims, scale, result["data"])
        code = fingerprint.code_hash(["seesaw.claims.measure", "seesaw.claims.page"])
        result["claims"] = fingerprint.fingerprint(code=code, design=result["design"])
    return result


def _figure(name: str) -> str:
    """Of a figure: its notebook, the package's modules that it imports, what its configs build."""
    from seesaw.config import load

    path = paths.NOTEBOOKS / f"{name}.py"
    source = path.read_text(encoding="utf-8") if path.is_file() else ""
    imported = set(re.findall(r"^from (seesaw\.\S+) import", source, re.MULTILINE))
    found = [experiments.config_file(stem) for stem in figures.CONFIGS.get(name, ())]
    configs = [load(config) for config in found if config]
    types = set().union(*map(fingerprint.config_types, configs))
    built = fingerprint.modules_of_types(types, fingerprint.registry_map())
    code = fingerprint.code_hash(imported | built)
    return fingerprint.fingerprint(source=source, configs=configs, code=code)


def starting_weights(scale: Scale, table: Experiments, training: str, seed: int) -> list[str]:
    """What a training starts from: another training's model or a stand-in backbone.

    Empty at paper scale, where backbones start from weights that the dataset's job waits for.
    """
    if parent := table.trainings[training].init_from:
        return [str(scale.model(parent, seed))]
    name = cached(scale)["backbones"].get(training)
    return [str(scale.pretrained(name))] if name else []


def _in_subprocess(scale: Scale) -> dict[str, str]:
    command = [sys.executable, "-m", "seesaw.cli", "fingerprints", "--scale", scale.name]
    command += ["--dataset", scale.dataset]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise UserError(last[0].removeprefix("seesaw fingerprints: "))
    return json.loads(done.stdout)
