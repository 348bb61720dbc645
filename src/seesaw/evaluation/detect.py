"""Detect with a model, image by image, and write the detections to a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed

from seesaw.evaluation.paste import rle_masks
from seesaw.evaluation.shards import ShardWriter
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
    cfg: Config, choose: Callable[[list[int]], list[int]] = list
) -> torch.utils.data.DataLoader:
    """Return a loader of the config's test images in the order of the detections file (image id).

    Args:
        cfg: A resolved config.
        choose: Function from all image ids to those to load; by default all are loaded.
    """
    init_default_scope(cfg.default_scope)
    loader = cfg.test_dataloader.to_dict()
    dataset = DATASETS.build(loader["dataset"])
    index = {dataset.get_data_info(i)["img_id"]: i for i in range(len(dataset))}
    loader |= dict(dataset=dataset, sampler=[index[i] for i in choose(sorted(index))])
    if not torch.cuda.is_available():
        loader |= dict(num_workers=0, persistent_workers=False)
    return Runner.build_dataloader(loader)


@torch.no_grad()
def detect(cfg: Config, weights: Path, output: Path, key: str) -> dict:
    """Detect on the config's test images and write one line per image.

    With ``tta_model`` in the config, the test pipeline ends in ``TestTimeAug`` and that wrapper
    merges the views of every image. The processes of torchrun share the images; lines that were
    written before an interruption with the same key are reused.

    Args:
        cfg: A resolved config.
        weights: A finished training's weights.
        output: The detections file.
        key: Hash of everything that affects the detections (weights, config, data, code).

    Returns:
        Facts for the provenance record: images and detections.
    """
    if "WORLD_SIZE" in os.environ and not torch.distributed.is_initialized():
        gpu = torch.cuda.is_available()
        if gpu:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl" if gpu else "gloo")
    set_random_seed(0)
    model = build_model(cfg, weights)
    if "tta_model" in cfg:
        model = MODELS.build(cfg.tta_model, default_args=dict(module=model))
    with ShardWriter(output, key) as writer, rle_masks(model):
        for batch in dataloader(cfg, writer.todo):
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
    return dict(images=writer.images, detections=writer.detections)
