"""The context encoder's loss over the categories that were judged in an image."""

import torch
import torch.nn.functional as F
from mmdet.models.roi_heads.mask_heads import GlobalContextHead
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class FederatedContextHead(GlobalContextHead):
    """mmdet's ``GlobalContextHead``; categories that LVIS did not judge in an image are ignored.

    mmdet takes every category without an annotation for absent. In a federated dataset an image is
    judged only for its positive categories and its ``neg_category_ids``; the training dataset must
    be a ``FederatedLVISDataset`` with "absent_labels" among the ``meta_keys``.
    """

    def loss(self, pred: Tensor, labels: list[Tensor], absent: list[list[int]]) -> Tensor:
        """Binary cross-entropy, averaged over the judged (image, category) pairs.

        Args:
            pred: Logits, (N, C).
            labels: Ground-truth labels of each image.
            absent: Labels verified to be absent from each image.

        Returns:
            Scalar, times ``loss_weight``; 0 if nothing was judged.
        """
        targets, judged = torch.zeros_like(pred), torch.zeros_like(pred)
        for i, (present, missing) in enumerate(zip(labels, absent, strict=True)):
            judged[i, missing] = 1.0
            judged[i, present] = targets[i, present] = 1.0
        loss = F.binary_cross_entropy_with_logits(pred, targets, judged, reduction="sum")
        return self.loss_weight * loss / judged.sum().clamp(min=1)
