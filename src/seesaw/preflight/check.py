"""The checks of a preflight: each says what was expected, what was found, or why it was not looked.

Sections: dataset, numbers that follow from it, each training's model, schedule, batch and memory,
and the weights that backbones start from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from seesaw import paths
from seesaw.cluster.site import Site
from seesaw.config import resolve
from seesaw.download import table as downloads
from seesaw.errors import UserError
from seesaw.models.losses.equalization_loss import EqualizationLoss
from seesaw.models.losses.group_softmax_loss import GroupSoftmaxLoss
from seesaw.preflight import dataset
from seesaw.preflight.expected import FILE, Dataset, Expected
from seesaw.preflight.models import Size, Sizes, build
from seesaw.reporting import paper
from seesaw.scales import Scale
from seesaw.training.schedule import iterations, least_images, passes

RFS = 1e-3  # threshold of LVIS's repeat factor sampling


@dataclass(frozen=True)
class Check:
    """One comparison: ``ok`` is None where it could not be made, and ``text`` says why."""

    name: str
    ok: bool | None
    text: str


@dataclass
class Row:
    """What is known of one training; ``faults`` are sentences, empty if all is well."""

    name: str
    size: Size | None = None
    iterations: int | None = None
    images: int | None = None
    passes: int | None = None
    gigabytes: float | None = None
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All checks of a scale."""

    checks: list[Check]
    rows: list[Row]
    gpus: int
    memory: float | None

    @property
    def green(self) -> bool:
        """Whether nothing that was checked is wrong."""
        return all(c.ok is not False for c in self.checks) and not any(r.faults for r in self.rows)


def same(name: str, found: Any, expected: Any, unit: str = "") -> Check:
    """A comparison of two values, told as one."""
    ok = found == expected
    text = _told(found) + unit
    return Check(name, ok, text if ok else f"{text}, but {FILE} says {_told(expected)}")


def preflight(scale: Scale, expected: Expected, site: Site, memory: float | None = None) -> Report:
    """Check a scale.

    Args:
        scale: overlay and dataset.
        expected: what should be found.
        site: GPUs of a training.
        memory: of a GPU, GB; default: by the site's ``gpu_model``.
    """
    known = expected.datasets.get(scale.entry.name)
    found = dataset.facts(scale.entry, RFS)
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
        except Exception as error:  # whatever mmdet raises: the page is to be finished
            row.faults.append(f"{t.config}: {type(error).__name__}: {' '.join(str(error).split())}")
            continue
        _check_size(row, scale, expected)
        _check_schedule(row, t.schedule, cfg, scale, expected, found, known)
        _check_batch(row, cfg, scale, expected, site, memory)
    checks += [weights_check(checkpoint, cfg) for checkpoint, cfg in backbones.items()]
    return Report(checks, rows, site.gpus.get(scale.name, 0), memory)


def dataset_checks(scale: Scale, found: dict, known: Dataset | None) -> Iterator[Check]:
    """Lengths and categories of the files."""
    entry = scale.entry
    for split, file in (("train", entry.train), ("val", entry.val), ("test_dev", entry.test_dev)):
        name = f"{split} images"
        if split not in found["images"]:
            told = f"{entry.root / file} is absent" if file else f"{entry.name} has no {split}"
            yield Check(name, None, told)
        elif known is None:
            yield Check(name, True, _told(found["images"][split]))
        else:
            yield same(name, found["images"][split], known.images[split])
    if known is None:
        yield Check("categories", None, f"{FILE} knows no numbers of {entry.name}")
        return
    yield same("categories", entry.classes, known.categories)


def derived_checks(scale: Scale, found: dict, known: Dataset | None) -> Iterator[Check]:
    """Numbers that follow from the categories' counts: groups, factors, tails, epochs."""
    counts = found.get("counts")
    if known is None:
        return
    if counts is None:
        name = "frequency groups, filtered images, repeat factors, EQL tail, BAGS groups"
        yield Check(name, None, f"{scale.entry.category_counts} is absent: `seesaw data`")
    else:
        occurs = {c["id"]: c["image_count"] for c in counts["categories"]}
        factors = dataset.repeat_factors(occurs, counts["annotated_images"], RFS)
        yield same(
            "frequency r/c/f", list(dataset.groups(counts).values()), list(known.frequency.values())
        )
        yield same("annotated images", counts["annotated_images"], known.filtered)
        yield same("repeated categories", sum(f > 1 for f in factors.values()), known.repeated)
        yield same("largest factor", round(max(factors.values()), 2), known.largest_factor)
        yield from _loss_checks(scale, counts, known)
    for sampler, per_epoch in known.epoch.items():
        name = f"iterations an epoch, {sampler}"
        if "epoch" in found:
            yield same(name, -(-found["epoch"][sampler] // 16), per_epoch)
        else:
            told = f"{scale.entry.root / scale.entry.train} is absent"
            yield Check(name, None, f"{told}; {per_epoch:,} taken")


def _loss_checks(scale: Scale, counts: dict, known: Dataset) -> Iterator[Check]:
    """The two losses that know the counts, as the configs have them."""
    init_default_scope("mmdet")
    for name, training, kind, read, wanted in (
        ("EQL tail", "mask_rcnn_random_eql", EqualizationLoss, _tail, known.eql_tail),
        ("BAGS groups", "mask_rcnn_random_bags", GroupSoftmaxLoss, _sizes, known.bags_groups),
    ):
        t = scale.table.trainings.get(training)
        if t is None or t.config is None:
            continue
        cfg = resolve(t.config, scale).model.roi_head.bbox_head.loss_cls.to_dict()
        loss = kind(**{k: v for k, v in cfg.items() if k != "type"} | {"category_counts": counts})
        yield same(name, read(loss), wanted)


def _tail(loss: EqualizationLoss) -> int:
    return int(loss.tail.sum())


def _sizes(loss: GroupSoftmaxLoss) -> list[int]:
    return loss.group_sizes[:-1]  # the last is background


def with_counts(cfg: Config, counts: dict | None, classes: int) -> None:
    """Give losses the categories' counts as data; made-up ones where there are none.

    A model's size depends on their number alone.
    """
    counts = counts or {
        "annotated_images": classes,
        "categories": [
            {"id": i, "image_count": i, "instance_count": i} for i in range(1, classes + 1)
        ],
    }
    heads = cfg.model.roi_head.bbox_head
    for head in heads if isinstance(heads, list) else [heads]:
        if "category_counts" in head.loss_cls:
            head.loss_cls.category_counts = counts


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
    row.iterations, _ = iterations(cfg.schedule, images, cfg.batch_size)
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
    least = gigabytes(row.size, 1, expected)
    fix = (
        "set images_per_gpu: 1 in site.yaml"
        if least <= memory < row.gigabytes and row.images > 1
        else "use a larger GPU"
    )
    row.faults.append(f"needs about {row.gigabytes:.0f} GB of a GPU's {memory:g}; {fix}")


def gigabytes(size: Size, images: int, expected: Expected) -> float:
    """Memory of a GPU that trains so many images at once, GB; an estimate."""
    counted = size.training_bytes(images) / 1e9
    return counted * expected.memory.factor + expected.memory.context


def weights_check(checkpoint: str, cfg: Config) -> Check:
    """Whether a pre-trained file fits the backbone, tensor by tensor."""
    name = f"weights {checkpoint}"
    path = downloads.load().weights(checkpoint)
    if not path.is_file():
        return Check(name, None, f"{path} is absent: `seesaw download pretrained`")
    return compare_weights(name, path, cfg)


def compare_weights(name: str, path: Path, cfg: Config) -> Check:
    """A file's tensors against a backbone's: names and shapes.

    The classifier (``fc``) is left over, and deformable offsets and counters of batches start anew.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds on a damaged archive
        reason = str(error).split("\n")[0]
        return Check(name, False, f"{path} is no readable model ({reason}); download it again")
    state = {k.removeprefix("backbone."): v for k, v in state.get("state_dict", state).items()}
    model = build(cfg).backbone.state_dict()
    new = ("num_batches_tracked", "conv_offset.weight", "conv_offset.bias")
    missing = [k for k in model if k not in state and not k.endswith(new)]
    left = [k for k in state if k not in model and not k.startswith("fc.")]
    other = [k for k in model if k in state and model[k].shape != state[k].shape]
    if wrong := [*missing, *left, *other]:
        told = f"{len(missing)} tensors missing, {len(left)} unexpected, {len(other)} of another"
        return Check(name, False, f"{path}: {told} shape, first {wrong[0]}; download it again")
    return Check(name, True, f"{len(state)} tensors fit")


def _told(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "/".join(map(str, value)) if isinstance(value, list) else json.dumps(value)
