"""``seesaw pretrain``, ``train`` and ``wandb-sync``."""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import seesaw
from seesaw.cli.common import (
    at_least,
    check_data,
    load_libraries,
    need_data,
    need_output,
    refuse_other_data,
    scale_of,
    stopping_options,
)
from seesaw.core import hashing, stopping
from seesaw.core.names import unique
from seesaw.core.provenance import Provenance, refuse_known_failure
from seesaw.errors import UserError
from seesaw.spec import claims, downloads, experiments
from seesaw.spec.scales import Scale
from seesaw.training import run_log, runs
from seesaw.workflow import dependencies
from seesaw.workflow.slurm import ledger

if TYPE_CHECKING:
    from mmengine.config import Config


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(pretrain, "train a stand-in for a pre-trained backbone", threads=True)
    sub.add_argument("backbone", help="name in the scale's file")
    sub = verb(train, "execute one training with one seed", threads=True, seed=True)
    sub.add_argument("training")
    sub.add_argument(
        "--fingerprint", type=_hash, help="the training's hash, if known (default: computed)"
    )
    stopping_options(sub)
    sub.add_argument(
        "--images-per-gpu",
        type=at_least(1),
        metavar="N",
        help="images that a GPU has room for; gradients are accumulated up to the config's batch "
        "(default: any number)",
    )
    gpu = sub.add_argument_group("on a GPU; each is written into the record")
    gpu.add_argument(
        "--precision",
        choices=("fp32", "tf32", "tf32-matmul", "bf16"),
        default="tf32",
        help="tf32: convolutions alone, PyTorch's default; tf32-matmul: matrix products too; "
        "bf16: mixed precision "
        "(default: %(default)s)",
    )
    gpu.add_argument("--channels-last", action="store_true", help="memory order of convolutions")
    gpu.add_argument("--fused-optimizer", action="store_true", help="one kernel for all weights")
    gpu.add_argument(
        "--deterministic",
        action="store_true",
        help="deterministic kernels only; slower, and some operators refuse",
    )
    sub = verb(wandb_sync, "send runs to W&B, whole: curves, AP, example images, record")
    sub.add_argument("training", nargs="?", help="default: all that are finished or under way")
    sub.add_argument(
        "--offline", action="store_true", help="write offline runs to ./wandb, send nothing"
    )
    sub.add_argument(
        "--weights", action="store_true", help="send the weights too, not only their record"
    )


def _hash(text: str) -> str:
    """Return a fingerprint, after which a folder is named."""
    if not re.fullmatch(r"[0-9A-Za-z_-]{0,64}", text):
        raise ArgumentTypeError(f"{text!r} is no hash, which has letters and digits alone")
    return text


def pretrain(args: Namespace) -> None:
    """Train a stand-in backbone to classify crops of objects."""
    scale = scale_of(args)
    stand_ins = {checkpoint: s.name for checkpoint, s in scale.overlay.backbones.items()}
    if not stand_ins:
        raise UserError(f"the scale {scale.name} downloads its backbones; it pre-trains none.")
    known = dict.fromkeys(stand_ins.values())
    args.backbone = unique(args.backbone, known, f"{scale.path}: the backbone")
    need_data(scale)
    check_data(scale, "train")
    load_libraries(args)
    from seesaw.spec.config import backbone_checkpoint, resolve
    from seesaw.training.pretrain import pretrain as run

    configs = [t.config for t in scale.table.trainings.values() if t.config]
    own = (c for c in configs if stand_ins.get(backbone_checkpoint(c)) == args.backbone)
    if (config := next(own, None)) is None:
        raise UserError(f"{scale.path}: no training starts from {args.backbone}.")
    output = scale.pretrained(args.backbone)
    backbone = resolve(config, scale).model.backbone.to_dict()
    settings = scale.overlay.pretrainings[args.backbone]
    inputs = {"manifest": scale.entry.manifest}
    digest = hashing.fingerprint(config={"backbone": backbone, **settings})
    with Provenance(output, inputs=inputs, config_hash=digest, seed=0) as provenance:
        facts = run(backbone, scale.entry, output, **settings)
        provenance.facts |= facts
    print(f"{output}: accuracy {facts['accuracy']:.2f} on training crops")


def train(args: Namespace) -> None:
    """Run a training with one seed."""
    scale = scale_of(args)
    training = _training(args, scale)
    assert training.config
    need_data(scale)
    from seesaw.spec.config import resolve
    from seesaw.workflow.slurm.lease import leave_to_job

    ends, mirror = stopping.deadline(args.deadline), runs.mode()
    cfg = resolve(training.config, scale, register=False)
    weights, made_by = _starting_weights(training, cfg, scale, args.seed)
    for path, command, seed in made_by:
        need_output(path, command, scale, seed)
    # Compute nodes have no internet, and the fingerprint contains the checkpoint's name. Therefore
    # the name is replaced by the path of the downloaded file only here.
    cfg.model.backbone.init_cfg.checkpoint = str(weights["pretrained"])
    key = f"train/{training.id}/seed{args.seed}"
    check_data(scale, "train")
    for path, command, seed in made_by:
        refuse_other_data(path, command, scale, seed)
    fingerprint = args.fingerprint or dependencies.cached(scale)[key]
    if os.environ.get(ledger.SCALE) == scale.full_name and os.environ.get("RANK", "0") == "0":
        _refuse_edited(args, scale, training)
    output = scale.model(training.id, args.seed)
    refuse_known_failure(output, fingerprint)
    # Checkpoints with another fingerprint belong to another training and must not be resumed.
    work = scale.working(training.id, args.seed) / fingerprint
    leave_to_job(work / "lease")
    # Heavy imports follow the checks, so that mistakes are reported at once.
    load_libraries(args)
    seesaw.register()
    from seesaw.evaluation.predict import names_of
    from seesaw.models.precision import Switches
    from seesaw.training.hook import RunLogHook
    from seesaw.training.train import train as run

    config = cfg.to_dict()
    inputs = {"manifest": scale.entry.manifest, "config": training.config} | weights
    digest = hashing.fingerprint(config=config)
    facts = dict(fingerprint=fingerprint, seed=args.seed, config_hash=digest)
    with Provenance(output, inputs=inputs, **facts) as provenance:
        header = runs.header(scale, scale.table, training, config, provenance)
        runs.set_aside(work, header["dataset"]["manifest"])
        provenance.facts["wandb_run"] = None if mirror == "off" else header["id"]
        switches = Switches(
            args.precision, args.channels_last, args.fused_optimizer, args.deterministic
        )
        attempt = {"git": header["git"], **switches.facts()}
        with RunLogHook(work / run_log.NAME, header, mirror, **attempt) as log:
            made = run(
                cfg,
                args.seed,
                work,
                output,
                weights.get("init_from"),
                deadline=ends,
                hooks=[log],
                images_per_gpu=args.images_per_gpu,
                switches=switches,
                workers=args.workers,
                classes=names_of(scale.entry),
            )
            log.copy(output.with_name(run_log.NAME))
        provenance.artefacts += made.pop("artefacts")
        provenance.facts |= made | runs.over_attempts(work / run_log.NAME, made)
        if made["seconds_per_iteration"] is None:  # all iterations had been done before
            provenance.facts |= runs.trained_before(output, work / run_log.NAME, provenance)
    seconds = provenance.facts["seconds_per_iteration"]
    each = f", {seconds} s each" if seconds is not None else ""
    print(f"{output}: {provenance.facts['iterations']} iterations{each}")


def _training(args: Namespace, scale: Scale) -> experiments.Training:
    """Return the row of a training that is built and has this seed."""
    table = scale.table
    training = table.training(args.training)
    for needed in (training, table.trainings.get(training.init_from or "")):
        if needed and needed.config is None:
            raise UserError(
                f"configs/*/{needed.id}.py is missing: this rung is not built; write it."
            )
    seeds = claims.training_seeds(scale)[training.id]
    if args.seed not in seeds and not args.fingerprint:
        raise UserError(
            f"seed {args.seed} is not among seeds {seeds} of {training.id}; add it to {table.path}."
        )
    return training


def _starting_weights(
    training: experiments.Training, cfg: Config, scale: Scale, seed: int
) -> tuple[dict[str, Path], list[tuple[Path, str, int]]]:
    """Return what a training starts from, by its name in the record.

    Besides, for what other verbs make: the file, the verb's words, and the seed.
    """
    from seesaw.spec.config import backbone_checkpoint

    assert training.config
    backbone_checkpoint(training.config)  # refuses one that names none, or gives a list
    weights, made_by = {}, []
    if training.init_from:
        weights["init_from"] = scale.model(training.init_from, seed)
        made_by.append((weights["init_from"], f"train {training.init_from}", seed))
    checkpoint, files = cfg.model.backbone.init_cfg.checkpoint, downloads.load()
    weights["pretrained"] = path = files.weights(checkpoint)
    if scale.overlay.backbones:
        made_by.append((path, f"pretrain {path.stem}", 0))
    elif "://" in checkpoint:
        files.pretrained(checkpoint).check()
    elif not path.is_file():
        raise UserError(f"{path} is missing; correct init_cfg in {training.config}.")
    return weights, made_by


def _refuse_edited(args: Namespace, scale: Scale, training: experiments.Training) -> None:
    """Refuse a job of a workflow that read other code or configs than there are now.

    It would train what is there now, and record the fingerprint of what was there before. A SLURM
    job reads the workflow anew at each start, so there the fingerprint of its submission counts.
    """
    name = f"{training.id}/seed{args.seed}"
    submission = ledger.of(os.environ.get("SLURM_JOB_ID"))
    before = (submission and submission.fingerprint) or args.fingerprint
    if not before or before == dependencies.cached(scale).get(f"train/{name}"):
        return
    work = scale.working(training.id, args.seed) / before
    saved = any(work.glob("iter_*.pth"))
    anew = f", which begins it anew; to go on from {work}, restore what was there before" * saved
    raise UserError(
        f"{training.config}, or code or data of {training.id}, has changed since the workflow "
        f"began; run the same command again{anew}."
    )


def wandb_sync(args: Namespace) -> int:
    """Send the run logs to W&B; exit code 1 if one could not be sent."""
    from seesaw.results import wandb

    scale = scale_of(args)
    only = "*"
    if args.training is not None:  # an empty one is a script's variable that is not set
        only = experiments.load().training(args.training).id
    logs = sorted(scale.results.glob(f"{only}/seed*/{run_log.NAME}"))
    finished = {path.parent.relative_to(scale.results): _written(path) for path in logs}
    for path in sorted(scale.work.glob(f"{only}/seed*/*/{run_log.NAME}")):
        # a training that has begun anew leaves the log of the one before in results/
        before = finished.get(path.parents[1].relative_to(scale.work), -1.0)
        if _written(path) > before:  # of a copied folder, the files' times say nothing
            logs.append(path)
    if not logs:
        raise UserError(
            f"{scale.results} and {scale.work} hold no {run_log.NAME}; train something first."
        )
    failed = 0
    for log in logs:
        run = run_log.read(log).header
        mode = "offline" if args.offline else "online"
        sent = bool(run) and wandb.send(log, mode, scale, run["seed"], args.weights)
        print(f"{log}: {'sent' if sent else 'not sent'} as {run.get('id', 'unknown')}")
        failed += not sent
    if failed:
        print(f"{failed} of {len(logs)} runs could not be sent.", file=sys.stderr)
    return int(failed > 0)


def _written(path: Path) -> float:
    """Return when a run log's last attempt or iteration was written, s since 1970."""
    log = run_log.read(path)
    return max((line.get("at") or 0.0 for line in (*log.attempts, *log.steps)), default=0.0)
