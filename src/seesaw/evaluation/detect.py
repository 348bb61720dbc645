"""Detections of a model, image by image, to a file."""

from __future__ import annotations

from pathlib import Path

import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed

import seesaw.models  # noqa: F401  (registers)
from seesaw.errors import UserError
from seesaw.evaluation.detections import DetectionWriter


def build_model(cfg: Config, weights: Path) -> torch.nn.Module:
    """The config's model with a finished training's weights, ready for inference.

    Raises:
        UserError: the weights are missing, unreadable or of another model.
    """
    init_default_scope(cfg.default_scope)
    cfg = cfg.copy()
    # The finished weights replace the pre-trained ones, which need not exist here.
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
    except FileNotFoundError:
        raise UserError(f"{weights} is missing; train this experiment first.") from None
    except Exception as error:  # torch raises many kinds on a damaged archive
        reason = str(error).split("\n")[0]
        raise UserError(f"{weights} is no readable model ({reason}); train it again.") from None
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing or unexpected:
        raise UserError(
            f"{weights} is not of this config ({len(missing)} tensors missing, "
            f"{len(unexpected)} unexpected, first {[*missing, *unexpected][0]}); train it again."
        )
    if torch.cuda.is_available():
        return model.cuda().eval()
    model = revert_sync_batchnorm(model)
    model.eval()
    return model


def dataloader(cfg: Config) -> torch.utils.data.DataLoader:
    """The config's test images, ascending in image id, as the detections file wants them."""
    init_default_scope(cfg.default_scope)
    loader = cfg.test_dataloader.to_dict()
    dataset = DATASETS.build(loader["dataset"])
    ids = [dataset.get_data_info(i)["img_id"] for i in range(len(dataset))]
    loader |= dict(dataset=dataset, sampler=sorted(range(len(ids)), key=ids.__getitem__))
    if not torch.cuda.is_available():
        loader |= dict(num_workers=0, persistent_workers=False)
    return Runner.build_dataloader(loader)


@torch.no_grad()
def detect(cfg: Config, weights: Path, output: Path) -> dict:
    """Detect on the config's test images and write one line an image.

    With ``tta_model`` in the config, the test pipeline ends in ``TestTimeAug`` and that wrapper
    merges the views of every image.

    Returns:
        Facts for the provenance record: images and detections.
    """
    set_random_seed(0)
    model = build_model(cfg, weights)
    if "tta_model" in cfg:
        model = MODELS.build(cfg.tta_model, default_args=dict(module=model))
    detections = images = 0
    with DetectionWriter(output) as writer:
        for batch in dataloader(cfg):
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
                    found.masks.cpu().numpy(),
                    found.mask_scores.cpu().numpy() if "mask_scores" in found else None,
                )
                images, detections = images + 1, detections + len(found)
    return dict(images=images, detections=detections)
