"""Train stand-ins: small backbones that replace the ImageNet-trained ones of the paper scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import set_random_seed
from torch import nn
from torch.nn import functional

from seesaw.data.crops import class_crops
from seesaw.spec.datasets import DatasetEntry
from seesaw.training.train import save_model


def pretrain(
    backbone: dict, entry: DatasetEntry, output: Path, *, crop: int, batch: int, iterations: int
) -> dict:
    """Train a backbone to classify crops and write its weights.

    Classes are drawn uniformly, and crops uniformly within a class. Detection configs load the file
    through ``init_cfg=dict(type='Pretrained')``, so that frozen stages and frozen batch statistics
    work as with ImageNet weights.

    Args:
        backbone: config of the backbone, without ``init_cfg``.
        entry: dataset whose training crops are used.
        output: state dict of the backbone alone.
        crop: side of a crop, px.
        batch: crops per iteration.
        iterations: length of the training. The learning rate rises to 0.1 over the first tenth and
            then falls to almost 0, each along half a cosine.

    Returns:
        Facts for the provenance record: iterations, the number of crops, and the accuracy over the
        last tenth of the iterations.
    """
    set_random_seed(0)
    # All layers are trained here; the detection config decides which ones it freezes.
    plain = backbone | dict(frozen_stages=-1, norm_eval=False, with_cp=False, dcn=None)
    plain |= dict(stage_with_dcn=(False,) * 4, init_cfg=None)
    net = revert_sync_batchnorm(MODELS.build(plain))
    net.init_weights()
    images, labels = class_crops(entry.root, entry.train, crop)
    net.eval()
    with torch.no_grad():
        width = net(torch.zeros(1, 3, crop, crop))[-1].shape[1]
    head = nn.Linear(width, int(labels.max()) + 1)
    optimizer = torch.optim.SGD(
        [*net.parameters(), *head.parameters()], lr=0.1, momentum=0.9, weight_decay=1e-4
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, iterations, pct_start=0.1, cycle_momentum=False
    )
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    net.train()
    correct = []
    for _ in range(iterations):
        chosen = [rng.choice(groups[g]) for g in rng.integers(len(groups), size=batch)]
        x = _augment(images[chosen], rng)
        y = torch.from_numpy(labels[chosen]).long()
        logits = head(net(x)[-1].mean((2, 3)))
        loss = functional.cross_entropy(logits, y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        correct.append((logits.argmax(1) == y).float().mean().item())
    save_model(net, output)
    return dict(
        iterations=iterations,
        crops=len(images),
        accuracy=round(float(np.mean(correct[-max(iterations // 10, 1) :])), 4),
    )


def _augment(crops: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Apply random flips and shifts and the detection pipeline's normalisation.

    Args:
        crops: (N, S, S, 3) uint8, RGB.
        rng: random generator for flips and shifts.

    Returns:
        (N, 3, S, S) float32.
    """
    mean = np.array([123.675, 116.28, 103.53], np.float32)
    std = np.array([58.395, 57.12, 57.375], np.float32)
    out = []
    for crop in crops:
        flipped = crop[:, ::-1] if rng.random() < 0.5 else crop
        shift = rng.integers(-4, 5, size=2)
        out.append(np.roll(flipped, shift, axis=(0, 1)))
    x = (np.stack(out).astype(np.float32) - mean) / std
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
