"""A folder with a trained model for others: weights, config, model card and checksums."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.config import Config

from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.integrity import read_output, refuse
from seesaw.core.records import is_current, record_of, recorded_hashes
from seesaw.errors import UserError
from seesaw.evaluation.detect import detect
from seesaw.evaluation.lvis_eval import load, match, metrics_of
from seesaw.models import weights as weights_of
from seesaw.results.claims import page
from seesaw.spec import claims as claim_table
from seesaw.spec.experiments import Evaluation
from seesaw.spec.metrics import METRICS
from seesaw.spec.outputs import Counts, Metrics
from seesaw.spec.scales import Scale
from seesaw.training.standalone import standalone

META = "seesaw"  # key of a published checkpoint's `meta`
SUMS = "SHA256SUMS"
CLAIMED = ("claim", "paper", "effect", "95 % interval", "verdict")
ABOUT_CLAIMS = (
    "The paper's claims that compare this model with another one, as tested at this scale on "
    "several\nruns, not on these weights alone:"
)
CARD = """\
---
license: apache-2.0
pipeline_tag: image-segmentation
tags: [instance-segmentation, long-tail, lvis, seesaw-loss, mmdet]
---

# {name}

{warning}Weights of `{evaluation}`{precision}, trained at {scale} scale on {dataset}
with seed {seed} by the workflow that reproduces the supplementary of *Seesaw Loss for Long-Tailed
Instance Segmentation* (CVPR 2021, arXiv:2008.10032).

| | {columns} |
|---|{rules}|
| percent, val | {values} |

{claims}## Use

With mmdet, in an environment with the workflow's package, `seesaw`:

```python
import seesaw
from mmdet.apis import inference_detector, init_detector

model = init_detector("config.py", "{weights}", device="cpu")
result = inference_detector(model, "photo.jpg")
```

In the workflow's repository: `seesaw predict photo.jpg --weights THIS_FOLDER`.

## Evidence

| what | sha256 or fingerprint |
|---|---|
{evidence}

`sha256sum -c SHA256SUMS` checks the files of this folder.

## Licence

Apache-2.0, which is also the licence of the workflow. The dataset has its own.
"""


def publish(
    cfg: Config,
    evaluation: Evaluation,
    scale: Scale,
    seed: int,
    names: Sequence[str],
    out: Path,
    half: bool = False,
) -> Path:
    """Write the folder and return it; its name ends in the first digits of the weights' hash.

    It is made in ``out``; ``names`` are those of the classes, by label. With ``half``, the weights
    are rounded to half precision, and AP is measured again, which takes as long as a detection.

    Raises:
        UserError: weights or metrics are missing or damaged, the folder exists, or the evaluation
            only adds test-time augmentation, which mmdet's `inference_detector` cannot apply.
    """
    if "tta_model" in cfg:
        raise UserError(
            f"{evaluation.id} only adds test-time augmentation to the weights of "
            f"{evaluation.training}; publish {evaluation.training}."
        )
    model, metrics = scale.model(evaluation.training, seed), scale.metrics(evaluation, seed)
    counts = scale.entry.category_counts
    content, _ = read_output(metrics, Metrics), read_output(counts, Counts)
    refuse([model])
    for path in (scale.detections(evaluation, seed), metrics):
        record = record_of(path)
        if not is_current(record, inputs=recorded_hashes(record)):
            raise UserError(f"{path} is of other weights than {model}; detect and evaluate again.")
    facts = dict(evaluation=evaluation.id, scale=scale.name, dataset=scale.entry.name, seed=seed)
    state = weights_of.state_dict(model, f"train {evaluation.training} again")
    if half:
        state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    stream = io.BytesIO()
    meta = {"dataset_meta": {"classes": list(names), "palette": "random"}, META: facts}
    torch.save({"state_dict": state, "meta": meta}, stream)
    name = f"{evaluation.id}-{sha256(stream.getbuffer()).hexdigest()[:8]}"
    folder, weights = out / name, f"{name}.pth"
    if folder.exists():
        raise UserError(f"{folder} exists; the same weights have been published there.")
    config = _config(cfg, scale)
    if half:
        content = _measured(cfg, stream.getvalue(), scale)
    shown = {name: content[kind][key] for name, (kind, key) in METRICS.items()}
    card = CARD.format(
        name=f"{evaluation.id} ({scale.full_name} scale)",
        warning="" if scale.full_name == "paper" else "**Not the paper's model or data.** ",
        precision=" in half precision" if half else "",
        **facts,
        weights=weights,
        columns=" | ".join(shown),
        rules="|".join("---:" for _ in shown),
        values=" | ".join("–" if v is None else f"{100 * v:.1f}" for v in shown.values()),
        claims=row_and_claims(evaluation, scale),
        evidence="\n".join(_evidence(model, metrics)),
    )
    texts = {"config.py": config, counts.name: counts.read_text("utf-8"), "README.md": card}
    _write(folder, weights, stream, texts)
    return folder


def row_and_claims(evaluation: Evaluation, scale: Scale) -> str:
    """Return where the tables show the evaluation, and the reference's verdicts that concern it.

    These are of the paper's claims that compare the evaluation with another one; "" if no table and
    no claim has it.
    """
    at = [cell for cell in scale.table.cells if cell.evaluation == evaluation.id]
    rows = ", ".join(f"*{c.label}* ({c.place.replace('_', ' ').title()})" for c in at)
    said = f"Shown as {rows}.\n\n" if rows else ""
    claims = claim_table.of(scale)
    if claims and (made := page.judged(scale, claims)):
        kept = [page.HEADS.index(name) for name in CLAIMED]
        found = zip(made.claims, page.each(made), strict=True)
        own = [[row[i] for i in kept] for f, row in found if evaluation.id in f.claim.pair]
        if own:
            said += f"{ABOUT_CLAIMS}\n\n{page.table(list(CLAIMED), own)}\n\n"
    return said


def _config(cfg: Config, scale: Scale) -> str:
    """Return the text of a config that stands alone, beside its category counts."""
    cfg = cfg.copy()
    cfg.model.backbone.init_cfg = None  # the published weights replace pre-trained ones
    counts = scale.entry.category_counts
    # mmengine replaces the variable by the folder of the config file
    there = repr(f"{{{{ fileDirname }}}}/{counts.name}")
    return standalone(cfg, scale, gpus=1).pretty_text.replace(repr(str(counts)), there)


def _write(folder: Path, weights: str, stream: io.BytesIO, texts: Mapping[str, str]) -> None:
    """Write the files and their checksums into a new folder, which appears when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".publish-", dir=folder.parent) as temporary:
        part = Path(temporary) / folder.name
        part.mkdir()
        (part / weights).write_bytes(stream.getbuffer())
        for name, text in texts.items():
            write_atomic(part / name, text)
        sums = [f"{sha256_file(path)}  {path.name}\n" for path in sorted(part.iterdir())]
        write_atomic(part / SUMS, "".join(sums))
        os.replace(part, folder)  # a folder; `replacing` is for files


def published(folder: Path) -> tuple[Path, dict[str, str], list[str]]:
    """Return a published folder's weights, their evaluation, scale and dataset, and class names.

    Raises:
        UserError: the folder has not exactly one published checkpoint, it cannot be read, or its
            weights or category counts are not those of its SHA256SUMS.
    """
    found = sorted(path for path in folder.glob("*.pth") if path.is_file())
    if len(found) != 1:
        raise UserError(f"{folder} has {len(found)} files *.pth; a published model has one.")
    _refuse_changed(folder, found[0])
    content = weights_of.load(found[0], "publish it again")
    try:
        facts, names = content["meta"][META], list(content["meta"]["dataset_meta"]["classes"])
        known = {key: facts[key] for key in ("evaluation", "scale", "dataset")}
    except (KeyError, TypeError, IndexError):
        known, names = {}, []
    if not (known and names and all(isinstance(text, str) for text in (*known.values(), *names))):
        raise UserError(f"{found[0]} was not made by `seesaw publish`; name the file itself.")
    return found[0], known, names


def _refuse_changed(folder: Path, weights: Path) -> None:
    """Compare the files that a detection reads with SHA256SUMS; a card may be edited."""
    listed = folder / SUMS
    lines = listed.read_text("utf-8", errors="replace").split("\n") if listed.is_file() else []
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if weights.name not in sums:
        raise UserError(
            f"{weights} was not made by `seesaw publish` ({listed} does not have it); name the "
            "file itself."
        )
    for name, digest in sums.items():
        path = folder / name
        if path.suffix not in (".pth", ".json"):
            continue
        if not path.is_file() or sha256_file(path) != digest:
            raise UserError(
                f"{path} is missing or not the file that was published ({listed} has its sha256); "
                "restore the folder as it was published."
            )


def _measured(cfg: Config, weights: bytes, scale: Scale) -> Mapping[str, Any]:
    """Return the metrics on val of weights that are not yet published."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "model.pth").write_bytes(weights)
        found = folder / "detections.jsonl"
        detect(cfg, folder / "model.pth", found, key="", work=folder)
        truth = load(scale.entry.root / scale.entry.val)
        return metrics_of(match(found, truth), truth)


def _evidence(model: Path, metrics: Path) -> list[str]:
    lines = []
    for what, path in (("weights as trained", model), ("metrics as trained", metrics)):
        record = record_of(path) or {}
        lines.append(f"| {what} (`{path.name}`) | {sha256_file(path)} |")
        for key in ("fingerprint", "config_hash"):
            if value := record.get(key):
                lines.append(f"| {what}: {key} | {value} |")
        if git := record.get("git"):
            changed = " with local changes" if "dirty" in git else ""
            lines.append(f"| {what}: git commit | {git['commit']}{changed} |")
    return lines
