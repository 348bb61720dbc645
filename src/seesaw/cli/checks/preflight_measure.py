"""``seesaw preflight --measure``: time and memory of each training and evaluation here.

The results are data, with a file for each model of GPU (``configs/costs/<gpu>.yaml``). The file is
rewritten after every measurement, so that an interrupted call loses only one.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from mmengine.config import Config

from seesaw.core.files import write_atomic
from seesaw.core.yaml import read_yaml, short
from seesaw.errors import UserError
from seesaw.evaluation import measure
from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss
from seesaw.models.meta import with_counts
from seesaw.models.precision import Switches
from seesaw.models.sizes import train_px
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training import loading

SECTIONS = ("fps", "peer", "training", "detection", "loader", "switches")
# One rung of each kind, on which the performance switches are compared.
_SWITCHED = ("a01_mask_rcnn", "a06_mask_scoring", "a10_seesaw")
_SWITCHES = {
    "fp32": Switches("fp32"),
    "tf32": Switches("tf32"),
    "tf32-matmul": Switches("tf32-matmul"),
    "bf16": Switches("bf16"),
    "tf32, channels-last": Switches("tf32", channels_last=True),
    "tf32, fused optimiser": Switches("tf32", fused=True),
    "bf16, channels-last, fused optimiser": Switches("bf16", channels_last=True, fused=True),
}
_FRAMEWORKS = ("b01_cascade_mask_rcnn", "b02_htc_without_semantic", "b03_htc_lite")
_PEERS = (
    "a01_mask_rcnn",
    "mask_rcnn_random_seesaw",
    "b01_cascade_mask_rcnn",
    "b02_htc_without_semantic",
)
_LARGE = {"a01_mask_rcnn": 16, "b01_cascade_mask_rcnn": 16}  # images of a further step on a GPU
_ROIS = 1024  # in a pass of two images
_LEFT_FREE = 2e9  # bytes of a GPU that PyTorch does not use


def device_name() -> str:
    """Return the GPU's name or, without a GPU, the processor's architecture."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()


def file_of(scale: Scale, folder: Path) -> Path:
    """Return the file for the measurements of this device and scale."""
    name = re.sub(r"[^a-z0-9]+", "-", device_name().lower()).strip("-")
    return folder / (f"{name}.yaml" if scale.name == "paper" else f"{name}.{scale.name}.yaml")


def run(
    scale: Scale,
    sections: tuple[str, ...],
    folder: Path,
    until: float | None,
) -> Path:
    """Measure section by section into `file_of`, and keep measurements of other sections.

    No measurement starts after ``until``, a value of `time.time()`. ``sections`` are of `SECTIONS`.

    Raises:
        UserError: a section that the file has already is none.
    """
    path = file_of(scale, folder)
    known = _known(path) | _header(scale)
    for section, name, work in _work(scale, sections):
        if until is not None and time.time() > until:
            print(f"not begun, for want of time: {section} {name}, and all after it")
            break
        start = time.perf_counter()
        try:
            made = work()
        except Exception as error:  # recorded, because one failure must not cost the others
            made = {"failed": " ".join(str(error).split())[:300]}
        seconds = time.perf_counter() - start
        measure.free()
        known.setdefault(section, {})[name] = made
        print(f"{section} {name} ({seconds:.1f} s): {made}", flush=True)
        write_atomic(path, yaml.safe_dump(known, sort_keys=False, width=100))
    return path


def failures(path: Path, sections: tuple[str, ...]) -> list[str]:
    """Return "section name: reason" for each measurement of these sections that failed."""
    known = _known(path)
    return [
        f"{section} {name}: {made['failed']}"
        for section in sections
        for name, made in known.get(section, {}).items()
        if "failed" in made
    ]


def _known(path: Path) -> dict[str, Any]:
    """Return the content of a file, if there is one; a hand may have changed it."""
    known = read_yaml(path) if path.is_file() else {}
    for section in SECTIONS:
        if known.get(section) is None:
            known.pop(section, None)
            continue
        rows = known[section]
        if not (isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())):
            raise UserError(
                f"{path}: {section} is {short(rows)}, but has a mapping for each measurement; "
                "correct it, or remove it to measure it again."
            )
    return known


def _header(scale: Scale) -> dict[str, Any]:
    import mmcv
    import mmdet

    cuda = torch.cuda.is_available()
    return {
        "device": device_name(),
        "memory_gigabytes": round(_memory() / 1e9, 1) if cuda else None,
        "scale": scale.name,
        "date": datetime.date.today().isoformat(),
        "versions": {
            "torch": str(torch.__version__),
            "cuda": torch.version.cuda,
            "mmcv": mmcv.__version__,
            "mmdet": mmdet.__version__,
            "python": platform.python_version(),
        },
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)),
    }


def _memory() -> int:
    return torch.cuda.get_device_properties(0).total_memory


def _work(scale: Scale, sections: tuple[str, ...]) -> Iterator[tuple[str, str, Callable[[], dict]]]:
    trainings = [t for t in scale.table.trainings.values() if t.config]
    configs = {t.id: partial(_config, t.config, scale) for t in trainings if t.config}
    for section in sections:
        if section == "training":
            for name, config in configs.items():
                yield section, name, partial(_training, config)
        elif section == "detection":
            done = set()
            for e in scale.table.evaluations.values():
                if e.config_path not in done and e.config_path:
                    done.add(e.config_path)
                    config = partial(_config, e.config_path, scale)
                    yield section, e.id, partial(_detection, config)
        elif section == "loader":
            alike: dict[str, list[str]] = {}
            for name, config in configs.items():
                dataset = config().train_dataloader.dataset
                alike.setdefault(str(dataset.get("dataset", dataset).pipeline), []).append(name)
            for names in alike.values():
                real = scale.entry.manifest.is_file()
                yield section, names[0], partial(_loader, configs[names[0]], real, names)
        elif section == "switches":
            for name in filter(configs.__contains__, _SWITCHED):
                for label, switches in _SWITCHES.items():
                    yield section, f"{name}: {label}", partial(_switched, configs[name], switches)
        elif section == "fps":
            for name in filter(configs.__contains__, _FRAMEWORKS):
                yield section, name, partial(_modes, configs[name])
        elif section == "peer":
            for name in filter(configs.__contains__, _PEERS):
                yield section, name, partial(_peer, configs[name], 2)
                if name in _LARGE and torch.cuda.is_available():
                    images = _LARGE[name]
                    yield section, f"{name}, {images} images", partial(_peer, configs[name], images)
            yield section, "seesaw_loss", partial(_loss_peer, scale.entry.classes)


def _config(path: Path, scale: Scale) -> Config:
    cfg = resolve(path, scale)
    with_counts(cfg, None, scale.entry.classes)
    return cfg


def _training(config: Callable[[], Config]) -> dict:
    """Measure time at the typical size, and memory and the number of images at the largest."""
    trainer = measure.Trainer(cfg := config())
    made = trainer.measure()
    if torch.cuda.is_available():
        made["largest"] = _memory_of(trainer, train_px(cfg))
    return made


def _memory_of(trainer: measure.Trainer, px: tuple[int, int]) -> dict:
    """Return the memory of two images of ``px`` and of each further one in GB, and how many fit."""
    held = []
    for images in (2, 4):
        try:
            held.append(trainer.measure(images, px, steps=1, warm=1)["gigabytes"])
        except torch.OutOfMemoryError:
            return dict(px=list(px), gigabytes=held, images_that_fit=f"fewer than {images}")
    image = max((held[1] - held[0]) / 2, 1e-3)
    return dict(
        px=list(px),
        gigabytes=held[0],
        gigabytes_an_image=round(image, 2),
        images_that_fit=2 + int(((_memory() - _LEFT_FREE) / 1e9 - held[0]) / image),
    )


def _detection(config: Callable[[], Config]) -> dict:
    return measure.detection(config(), images=3 if torch.cuda.is_available() else 1)


def _loader(config: Callable[[], Config], real: bool, trainings: list[str]) -> dict:
    cfg = config()
    cores = len(os.sched_getaffinity(0))
    workers = min(cfg.train_dataloader.num_workers, cores)
    seconds = 10.0 if torch.cuda.is_available() else 1.0
    return loading.measure(cfg, workers, real, seconds=seconds) | {"trainings": trainings}


def _switched(config: Callable[[], Config], switches: Switches) -> dict:
    return measure.Trainer(config(), switches).measure()


def _modes(config: Callable[[], Config]) -> dict:
    return measure.post_processing_modes(config())


def _peer(config: Callable[[], Config], images: int) -> dict:
    """Time the same step with mmdet's own heads and losses alternately, twice."""
    cfg = config()
    theirs = measure.as_mmdet_ships(cfg)
    laps: dict[str, list[dict]] = {"ours": [], "mmdet": []}
    for _ in range(2):
        for name, one in (("ours", cfg), ("mmdet", theirs)):
            laps[name].append(measure.Trainer(one).measure(images))
            measure.free()
    best = {
        name: {key: min(lap[key] for lap in found) for key in ("seconds_per_image", "gigabytes")}
        for name, found in laps.items()
    }
    return best | {
        "ours_over_mmdet": {
            key: round(best["ours"][key] / best["mmdet"][key], 3) for key in best["ours"]
        }
    }


def _loss_peer(classes: int) -> dict:
    """Time Seesaw Loss, mmdet's and cross-entropy on one pass's logits: microseconds per step."""
    from mmdet.models.losses import CrossEntropyLoss, SeesawLoss

    device = measure.device()
    torch.manual_seed(0)
    labels = torch.full((_ROIS,), classes, device=device)
    labels[: _ROIS // 4] = torch.randint(0, classes, (_ROIS // 4,), device=device)
    weights = torch.ones(_ROIS, device=device)
    logits = torch.randn(_ROIS, classes + 2, device=device, requires_grad=True)
    plain = torch.randn(_ROIS, classes + 1, device=device, requires_grad=True)
    losses = {
        "cross_entropy": (CrossEntropyLoss(), plain),
        "ours": (SyncedSeesawLoss(p=0.8, q=2.0, num_classes=classes).to(device).train(), logits),
        "mmdet": (SeesawLoss(p=0.8, q=2.0, num_classes=classes).to(device).train(), logits),
    }

    def step(loss, given):
        value = loss(given, labels, weights, float(_ROIS))
        total: Any = sum(value.values()) if isinstance(value, dict) else value
        total.backward()
        given.grad = None

    runs = {name: partial(step, *both) for name, both in losses.items()}
    seconds = measure.alternating(runs, rounds=20 if torch.cuda.is_available() else 3)
    micro = {name: round(1e6 * value, 1) for name, value in seconds.items()}
    return dict(
        microseconds=micro,
        ours_over_cross_entropy=round(micro["ours"] / micro["cross_entropy"], 3),
        ours_over_mmdet=round(micro["ours"] / micro["mmdet"], 3),
    )
