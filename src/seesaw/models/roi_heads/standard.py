"""RoI heads that hand labels to class-indexed mask heads, written once for all of mmdet's heads."""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor, nn


class ClassIndexedRoIHead:
    """Mixin before a ``StandardRoIHead`` or ``CascadeRoIHead`` class.

    * Mask heads with ``class_indexed`` compute the ground-truth class of every positive RoI in
      training and the predicted class of every detection at inference; dense mask heads are left
      alone.
    * ``predict_mask`` keeps masks in the frame of the boxes, also when the image's meta says that
      the view is flipped, as ``StandardRoIHead`` does. mmdet's cascade heads mirror the masks but
      not the boxes, with a negative tensor step that raises (mmdet#10210). Test-time augmentation
      mirrors both boxes and masks back.
    * A batch without any proposal or object gets the whole image as background proposal. mmdet
      leaves the losses of later stages and of the mask heads out of such a batch (DDP then waits
      for their gradients), or raises (HTC).
    """

    @contextmanager
    def class_indexed(self, labels: Tensor) -> Iterator[None]:
        """Make the mask heads compute class ``labels[i]`` (n,) for RoI i inside the block."""
        heads = self.mask_head if isinstance(self.mask_head, nn.ModuleList) else [self.mask_head]
        with ExitStack() as stack:
            for head in heads:
                if hasattr(head, "class_indexed"):
                    stack.enter_context(head.class_indexed(labels))
            yield

    def loss(self, x: tuple[Tensor, ...], rpn_results_list: list, batch_data_samples: list) -> dict:
        """As upstream; see the class for batches without proposals."""
        objects = [sample.gt_instances for sample in batch_data_samples]
        if not any(map(len, [*rpn_results_list, *objects])):
            rpn_results_list = []
            for sample in batch_data_samples:
                h, w = sample.img_shape[:2]
                box = x[0].new_tensor([[0, 0, w, h]], dtype=torch.float32)
                rpn_results_list.append(InstanceData(bboxes=box))
        return super().loss(x, rpn_results_list, batch_data_samples)

    def mask_loss(self, *args, **kwargs) -> dict:
        """As upstream, with the ground-truth labels of the positives handed to the mask head."""
        bound = inspect.signature(super().mask_loss).bind(*args, **kwargs)
        labels = [result.pos_gt_labels for result in bound.arguments["sampling_results"]]
        with self.class_indexed(torch.cat(labels)):
            return super().mask_loss(*args, **kwargs)

    def predict_mask(self, *args, **kwargs) -> list:
        """As upstream, with the predicted labels handed to the mask head and without mirroring."""
        bound = inspect.signature(super().predict_mask).bind(*args, **kwargs)
        metas = bound.arguments["batch_img_metas"]
        bound.arguments["batch_img_metas"] = [{**meta, "flip": False} for meta in metas]
        labels = [results.labels for results in bound.arguments["results_list"]]
        with self.class_indexed(torch.cat(labels)):
            return super().predict_mask(*bound.args, **bound.kwargs)

    def forward(self, x: tuple[Tensor], *args, **kwargs) -> tuple:
        """Tensor mode (cost counting): every RoI's mask is of class 0."""
        with self.class_indexed(torch.zeros(1, dtype=torch.long, device=x[0].device)):
            return super().forward(x, *args, **kwargs)


@MODELS.register_module()
class ClassIndexedStandardRoIHead(ClassIndexedRoIHead, StandardRoIHead):
    """``StandardRoIHead`` (Mask R-CNN) for dense and class-indexed mask heads."""
