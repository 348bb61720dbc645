"""The design of the claims' experiment, as a hash that is committed before its seeds run."""

from __future__ import annotations

import re
from pathlib import Path

from seesaw.core import hashing, paths
from seesaw.core.files import write_atomic
from seesaw.errors import UserError
from seesaw.spec.claims import Claims, files, load
from seesaw.spec.scales import Scale
from seesaw.workflow import used_code

COUNTER = "GradientRatioHook"


def fingerprint(claims: Claims, scale: Scale, data: str) -> str:
    """Return 16 hex digits of a hash over everything that is chosen before the seeds run.

    It covers the resolved configs of what the claims train and evaluate, the data with its
    generator's code, pre-training, and the claims' kinds, pairs, metrics, margins and seeds. The
    code of models and training is not covered: a correction there retrains, without a new design.
    ``data`` is the fingerprint of the data.

    Raises:
        UserError: a claim is about gradients that a training does not count.
    """
    from seesaw.spec.config import resolve

    table, configs = scale.table, {}
    for evaluation in sorted({name for claim in claims.claims for name in claim.pair}):
        e = table.evaluations[evaluation]
        t = table.trainings[e.training]
        start = table.trainings[t.init_from].config if t.init_from else None
        for path in filter(None, (e.config_path, t.config, start)):
            config = resolve(path, scale, register=False).to_dict()
            config = used_code.of_any_machine(config)
            configs[path.stem] = config
    for claim in claims.claims:
        for name in claim.pair if claim.kind == "gradient_ratio" else ():
            path = table.trainings[table.evaluations[name].training].config
            hooks = configs[path.stem].get("custom_hooks", []) if path else [COUNTER]
            if COUNTER not in str(hooks):
                raise UserError(
                    f"{paths.CLAIMS}: the claim {claim.id} is about the gradients of {name}, which "
                    f"counts none; let {path} inherit configs/_base_/gradient_ratio.py."
                )
    return hashing.fingerprint(
        data=data,
        configs=configs,
        pretrain=scale.overlay.pretrainings,
        claims=[
            claim.model_dump(exclude={"says", "where"}) | {"seeds": claims.seeds_of(claim)}
            for claim in claims.claims
        ],
    )


def freeze(scale: Scale, claims: Claims, design: str) -> None:
    """Write a design's hash into configs/claims.yaml, before any of its seeds has a result.

    Raises:
        UserError: a result exists already, or the file has no line to replace.
    """
    asked = files(scale, claims)
    seen = [*asked["metrics"].values(), *asked["gradients"].values()]
    made = [path for path in seen if path.is_file()]
    if made and claims.frozen != design:
        raise UserError(
            f"{made[0]} is a result of the claims' seeds ({len(made)} are there), and a design is "
            f"frozen before they run; remove these results first."
        )
    text = paths.CLAIMS.read_text(encoding="utf-8")
    changed, lines = re.subn(r"(?m)^frozen:.*$", f"frozen: {design}", text)
    if lines != 1:
        raise UserError(f"{paths.CLAIMS} has {lines} lines that begin with `frozen:`; keep one.")
    write_atomic(Path(paths.CLAIMS), changed)
    load()
