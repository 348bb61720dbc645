"""The checks of a preflight, each with the expected and found values or why it was skipped.

The sections are: dataset, numbers that follow from it, each training's model, schedule, batch and
memory, and the weights with which backbones are initialised.
"""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from seesaw.cli.checks.preflight_dataset import RFS, dataset_checks, derived_checks
from seesaw.cli.checks.preflight_report import Check, Report, Row
from seesaw.core import paths
from seesaw.data import facts
from seesaw.errors import UserError
from seesaw.models import weights
from seesaw.models.meta import build, with_counts
from seesaw.models.sizes import Size, Sizes
from seesaw.spec import downloads, paper
from seesaw.spec.config import resolve
from seesaw.spec.expected import FILE, Dataset, Expected
from seesaw.spec.scales import Scale
from seesaw.spec.site import Site
from seesaw.training.schedule import iterations, least_images, passes


def preflight(scale: Scale, expected: Expected, site: Site, memory: float | None = None) -> Report:
    """Check a scale before any training.

    ``memory`` (GB of a GPU) is by default that of the site's ``gpu_model``.
    """
    known = expected.datasets.get(scale.entry.name)
    found = facts.facts(scale.entry, RFS)
    memory = memory or expected.memory.of(site.gpu_model)
    checks = [*dataset_checks(scale, found, known), *derived_checks(scale, found, known)]
    rows, sizes = [], Sizes()
    backbones: dict[str, Config] = {}
    for t in scale.table.trainings.values():
        row = Row(t.id)
        rows.append(row)
        if t.config is None:
            row.faults.append(f"configs/*/{t.id}.py is missing")
            continue
        try:
            cfg = resolve(t.config, scale)
            checkpoint = cfg.model.backbone.init_cfg.checkpoint
            with_counts(cfg, found.get("counts"), scale.entry.classes)
            if t.init_from is None:
                backbones.setdefault(checkpoint, cfg)
            row.size = sizes.measure(cfg)
        except UserError as error:
            row.faults.append(str(error))
            continue
        except Exception as error:  # mmdet may raise anything, and the page must be complete
            row.faults.append(f"{t.config}: {type(error).__name__}: {' '.join(str(error).split())}")
            continue
        _check_size(row, scale, expected)
        _check_schedule(row, t.schedule, cfg, scale, expected, found, known)
        _check_batch(row, cfg, scale, expected, site, memory)
    files = downloads.load()
    checks += [compare_weights(f"weights {c}", files.weights(c), b) for c, b in backbones.items()]
    return Report(checks, rows, site.gpus.get(scale.name, 0), memory)


def _check_size(row: Row, scale: Scale, expected: Expected) -> None:
    if scale.name != "paper" or scale.entry.name != scale.overlay.dataset:
        return
    assert row.size is not None
    millions = round(row.size.parameters / 1e6, 3)
    stated = paper.load().parameters.get(row.name)
    if stated is not None and abs(millions - stated) > 5.01e-4:
        row.faults.append(f"{millions} M parameters, but {paths.PAPER_VALUES} says {stated}")
    for part, macs in expected.macs.get(row.name, {}).items():
        if abs(row.size.macs[part] / 1e9 / macs - 1) > 0.005:
            have = f"{row.size.macs[part] / 1e9:.4g} GMAC in {part}"
            row.faults.append(f"{have}, but {FILE} says {macs}")


def _check_schedule(
    row: Row,
    schedule: str,
    cfg: Config,
    scale: Scale,
    expected: Expected,
    found: dict,
    known: Dataset | None,
) -> None:
    sampler = "rfs" if "oversample_thr" in cfg.train_dataloader.dataset else "random"
    if "epoch" in found:
        images = found["epoch"][sampler]
    elif known is not None:
        images = 16 * known.epoch[sampler]
    else:
        return
    try:
        row.iterations, _ = iterations(cfg.schedule, images, cfg.batch_size)
    except UserError as error:
        row.faults.append(str(error))
        return
    if known is None:
        return
    stated = expected.iterations.get(scale.name, {}).get(sampler, {}).get(schedule)
    if stated is not None and row.iterations != stated:
        have = f"{row.iterations:,} iterations of {schedule}, {sampler}"
        row.faults.append(f"{have}, but {FILE} says {stated:,}")


def _check_batch(
    row: Row,
    cfg: Config,
    scale: Scale,
    expected: Expected,
    site: Site,
    memory: float | None,
) -> None:
    gpus = site.gpus.get(scale.name, 0)
    most = min(site.images_per_gpu, cfg.get("images_per_gpu", site.images_per_gpu))
    try:
        row.images, row.passes = passes(cfg.batch_size, max(gpus, 1), most, least_images(cfg))
    except UserError as error:
        row.faults.append(f"site.yaml: gpus.{scale.name}: {error}")
        return
    assert row.size is not None
    row.gigabytes = gigabytes(row.size, row.images, expected)
    if not gpus or memory is None or row.gigabytes <= memory:
        return
    # the fewest images of a GPU that a pass over all GPUs may have and that divide its share
    fewest = -(-least_images(cfg) // gpus)
    fix = (
        f"set images_per_gpu: {fewest} in site.yaml"
        if fewest < row.images and gigabytes(row.size, fewest, expected) <= memory
        else "use a larger GPU"
    )
    row.faults.append(f"needs about {row.gigabytes:.0f} GB of a GPU's {memory:g}; {fix}")


def gigabytes(size: Size, images: int, expected: Expected) -> float:
    """Estimate the memory in GB of a GPU that trains on ``images`` images at once."""
    counted = size.training_bytes(images) / 1e9
    return counted * expected.memory.factor + expected.memory.context


def compare_weights(name: str, path: Path, cfg: Config) -> Check:
    """Check whether a pre-trained file fits the backbone, by the tensors' names and shapes.

    The file's classifier (``fc``) is not used; deformable offsets and batch counters are not in the
    file and are initialised anew.
    """
    if not path.is_file():
        return Check(name, None, f"{path} is absent: `seesaw download pretrained`")
    try:
        state = weights.state_dict(path, "download it again", mmap=True)
    except UserError as error:
        return Check(name, False, str(error))
    state = {str(k).removeprefix("backbone."): v for k, v in state.items()}
    model = build(cfg).backbone.state_dict()
    new = ("num_batches_tracked", "conv_offset.weight", "conv_offset.bias")
    missing = [k for k in model if k not in state and not k.endswith(new)]
    left = [k for k in state if k not in model and not k.startswith("fc.")]
    other = [k for k in model if k in state and model[k].shape != state[k].shape]
    if wrong := [*missing, *left, *other]:
        fault = f"{len(missing)} tensors missing, {len(left)} unexpected, {len(other)} of another"
        return Check(name, False, f"{path}: {fault} shape, first {wrong[0]}; download it again")
    return Check(name, True, f"{len(state)} tensors fit")
