"""Detect with a model, image by image, and write the detections to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed

from seesaw.core import stopping
from seesaw.core.pace import Pace
from seesaw.errors import Interrupted, unreadable_image
from seesaw.evaluation.paste import rle_masks
from seesaw.evaluation.resumable import ResumableWriter
from seesaw.models import weights as weights_of


def build_model(cfg: Config, weights: Path) -> torch.nn.Module:
    """Build the config's model with a finished training's weights, ready for inference.

    Raises:
        UserError: the weights are missing, unreadable or of another model.
    """
    init_default_scope(cfg.default_scope)
    cfg = cfg.copy()
    # The finished weights replace the pre-trained ones, whose file need not exist.
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    weights_of.fill(model, weights, cfg.filename or "its config", "train it again")
    if torch.cuda.is_available():
        return model.cuda().eval()
    model = revert_sync_batchnorm(model)
    model.eval()
    return model


def dataloader(
    cfg: Config, choose: Callable[[list[int]], list[int]] = list, workers: int | None = None
) -> torch.utils.data.DataLoader:
    """Return a loader of the config's test images in the order of the detections file (image id).

    Args:
        cfg: A resolved config.
        choose: Function from all image ids to those to load; by default all are loaded.
        workers: Processes that load images; by default the config's on a GPU, none on a CPU. End
            them with `stopping.end_workers`.
    """
    init_default_scope(cfg.default_scope)
    loader = cfg.test_dataloader.to_dict()
    dataset = DATASETS.build(loader["dataset"])
    index = {dataset.get_data_info(i)["img_id"]: i for i in range(len(dataset))}
    loader |= dict(dataset=dataset, sampler=[index[i] for i in choose(sorted(index))])
    if workers is None:
        workers = loader["num_workers"] if torch.cuda.is_available() else 0
    loader |= dict(
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=dict(type=stopping.leave_signals_to_the_main_process),
    )
    return Runner.build_dataloader(loader)


@torch.no_grad()
def detect(
    cfg: Config,
    weights: Path,
    output: Path,
    key: str,
    work: Path,
    deadline: float | None = None,
    workers: int | None = None,
) -> dict:
    """Detect on the config's test images and write one line per image.

    With ``tta_model`` in the config, the test pipeline ends in ``TestTimeAug`` and that wrapper
    merges the views of every image. Lines that were written before an interruption with the same
    key are reused. Each attempt detects on at least one image.

    Args:
        cfg: A resolved config.
        weights: A finished training's weights.
        output: The detections file.
        key: Hash of everything that affects the detections (weights, config, data, code).
        work: Folder of the record of an interruption.
        deadline: Time by which the detection must end, s since 1970.
        workers: Processes that load images; by default the config's on a GPU, none on a CPU.

    Returns:
        Facts for the provenance record: images and detections.

    Raises:
        Interrupted: a signal arrived or the deadline is near, and images are left.
        UserError: the weights or an image cannot be read, or another process makes the same file.
    """
    (work / Interrupted.RECORD).unlink(missing_ok=True)
    set_random_seed(0)
    model = build_model(cfg, weights)
    if "tta_model" in cfg:
        model = MODELS.build(cfg.tta_model, default_args=dict(module=model))
    with ResumableWriter(output, key) as writer, rle_masks(model):
        loader = dataloader(cfg, writer.todo, workers)
        try:
            _write(model, loader, writer, work, deadline)
        finally:
            stopping.end_workers(loader)
    return dict(images=writer.images, detections=writer.detections)


def _batches(loader: torch.utils.data.DataLoader) -> Iterator[dict]:
    try:
        yield from loader
    except (AssertionError, FileNotFoundError) as error:
        raise unreadable_image(error) or error from None


def _write(
    model: torch.nn.Module,
    loader: torch.utils.data.DataLoader,
    writer: ResumableWriter,
    work: Path,
    deadline: float | None,
) -> None:
    with stopping.Watch(deadline) as watch:
        total = len(loader.dataset)
        pace = Pace("images", total, writer.images)
        for batch in _batches(loader):
            for sample in model.test_step(batch):
                found = sample.pred_instances
                height, width = sample.ori_shape
                writer.write(
                    sample.img_id,
                    height,
                    width,
                    found.bboxes.cpu().numpy(),
                    found.scores.cpu().numpy(),
                    found.labels.cpu().numpy(),
                    found.masks,
                    found.mask_scores.cpu().numpy() if "mask_scores" in found else None,
                )
            pace.report(writer.images)
            if writer.images < total and (code := watch.code()):
                reason = stopping.reason(code)
                stopping.note(work, writer.images, total, reason)
                raise Interrupted(
                    f"stopped by {reason} after image {writer.images} of {total}; "
                    f"run the same command again and it goes on from there."
                )
