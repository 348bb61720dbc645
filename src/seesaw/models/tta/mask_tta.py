"""Test-time augmentation of instance segmentation: scales and flips (supplementary, Sec. 4.2)."""

from dataclasses import dataclass
from typing import Any

import torch
from mmcv.ops import batched_nms
from mmdet.models.roi_heads import CascadeRoIHead
from mmdet.models.test_time_augs import merge_aug_masks
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, bbox_mapping, bbox_mapping_back
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.models.mask_heads.class_indexed import select_class
from seesaw.models.ops.multiclass_nms import lazy_multiclass_nms
from seesaw.models.roi_heads.htc import HTCRoIHeadFixed
from seesaw.models.roi_heads.htc_lite import HTCLiteRoIHead

MIRRORED = dict(horizontal=[-1], vertical=[-2], diagonal=[-2, -1])


@dataclass
class View:
    """One augmented view of an image.

    Attributes:
        feats: Feature pyramid, with the context vector of this view if the RoI head has one.
        proposals: Proposals of this view, ``bboxes`` (n, 4) in its pixels and ``scores`` (n,).
        meta: Meta information of the view.
        resize: Argument of `bbox_mapping` that scales boxes from the first view to this one.
    """

    feats: tuple[Tensor, ...]
    proposals: InstanceData
    meta: dict
    resize: tuple

    def enter(self, boxes: Tensor) -> Tensor:
        """Map boxes (n, 4) from the common frame to pixels of this view."""
        return bbox_mapping(boxes, *self.resize)

    def leave(self, boxes: Tensor) -> Tensor:
        """Map boxes (n, 4k) from pixels of this view back to the common frame."""
        return bbox_mapping_back(boxes, *self.resize)

    def unflip(self, masks: Tensor) -> Tensor:
        """Flip masks (n, h, w) inside the boxes of this view back to the common frame."""
        return masks.flip(MIRRORED[self.meta["flip_direction"]] if self.meta["flip"] else [])


@MODELS.register_module()
class InstSegTTAModel(BaseTTAModel):
    """Boxes and masks of a two-stage detector from several views of an image.

    1. The proposals of all views are mapped to a common frame and merged by NMS.
    2. In every view the RoI head refines all of them through its stages; boxes and activated class
       scores are averaged over views, then class-wise NMS follows.
    3. In every view the mask heads predict the detections' classes; probabilities, mirrored back
       from flipped views, are averaged over mask heads and views and pasted once. Predicted mask
       IoUs are averaged over views.

    NMS and limits are those of the model's ``test_cfg``. The common frame is the first view's size,
    unflipped, so that a single unflipped view gives normal prediction bit by bit; the order of
    views affects rounding only. The images of a batch are processed one by one. Only the masks of
    one class per detection are kept, so memory does not grow with the number of classes (with a
    class-indexed mask head; a dense one computes all classes, one view at a time).

    mmdet 3.x (``mmdet/models/test_time_augs/det_tta.py``) merges boxes only, by concatenation; the
    averaging is that of the ``aug_test`` of mmdet 2.x (``mmdet/models/roi_heads/test_mixins.py``).

    Args:
        module: Detector with one of this project's RoI heads, or its config.
        data_preprocessor: As ``BaseTTAModel``.
    """

    merge_preds = None  # views are merged between the stages of the model, not after it

    @torch.no_grad()
    def test_step(self, data: dict) -> list[DetDataSample]:
        """Detect on a batch from mmcv's ``TestTimeAug``.

        Args:
            data: ``inputs`` and ``data_samples``, each a list over views of lists over images.
                Data samples have the meta keys ``ori_shape``, ``img_shape``, ``scale_factor``,
                ``flip`` and ``flip_direction``.

        Returns:
            Per image the data sample of its first view with ``pred_instances``, in pixels of the
            original image, as from the detector alone.

        Raises:
            UserError: a view does not say whether it is flipped.
        """
        views = [
            dict(inputs=inputs, data_samples=samples)
            for inputs, samples in zip(data["inputs"], data["data_samples"], strict=True)
        ]
        return [
            self._detect([{key: [value[image]] for key, value in view.items()} for view in views])
            for image in range(len(views[0]["inputs"]))
        ]

    def _detect(self, batches: list[dict]) -> DetDataSample:
        """Detect on one image, given as a batch of one per view."""
        roi_head, sample = self.module.roi_head, batches[0]["data_samples"][0]
        views = [self._view(batch, sample.scale_factor) for batch in batches]
        boxes, scores = self._boxes(views)
        cfg = roi_head.test_cfg
        dets, labels = lazy_multiclass_nms(boxes, scores, cfg.score_thr, cfg.nms, cfg.max_per_img)
        results = InstanceData(bboxes=dets[:, :-1], scores=dets[:, -1], labels=labels)
        self._add_masks(views, results)
        return self.module.add_pred_to_datasample([sample], [results])[0]

    def _view(self, batch: dict, first_scale: tuple[float, float]) -> View:
        """Features and proposals of one view."""
        model = self.module
        batch = model.data_preprocessor(batch, False)
        meta = batch["data_samples"][0].metainfo
        if "flip" not in meta or "flip_direction" not in meta:
            raise UserError(
                f"A view of {meta.get('img_path', 'an image')} does not say whether it is flipped: "
                "put RandomFlip (prob 0 and 1) into TestTimeAug of the test pipeline, and 'flip' "
                "and 'flip_direction' into meta_keys of PackDetInputs."
            )
        feats = model.extract_feat(batch["inputs"])
        (proposals,) = model.rpn_head.predict(feats, batch["data_samples"], rescale=False)
        if isinstance(model.roi_head, HTCLiteRoIHead):
            feats = model.roi_head.with_context(feats)
        scale = [new / old for new, old in zip(meta["scale_factor"], first_scale, strict=True)]
        resize = (meta["img_shape"], scale * 2, meta["flip"], meta["flip_direction"])
        return View(feats, proposals, meta, resize)

    def _proposals(self, views: list[View]) -> Tensor:
        """Merged proposals (n, 4) in the common frame, best first."""
        boxes = torch.cat([view.leave(view.proposals.bboxes) for view in views])
        if len(views) == 1 or not len(boxes):
            return boxes  # the proposals of one view have already passed NMS, level by level
        cfg = self.module.rpn_head.test_cfg
        scores = torch.cat([view.proposals.scores for view in views])
        merged, _ = batched_nms(boxes, scores, torch.zeros_like(scores), cfg.nms)
        return merged[: cfg.max_per_img, :4]

    def _boxes(self, views: list[View]) -> tuple[Tensor, Tensor]:
        """Mean boxes (n, 4 or 4C) in the common frame and class scores (n, C + 1), before NMS."""
        proposals, boxes, scores = self._proposals(views), 0, 0
        for view in views:
            entered = InstanceData(bboxes=view.enter(proposals))
            (raw,) = self.module.roi_head.predict_bbox(view.feats, [view.meta], [entered], None)
            boxes, scores = boxes + view.leave(raw.bboxes), scores + raw.scores
        return boxes / len(views), scores / len(views)

    def _add_masks(self, views: list[View], results: InstanceData) -> None:
        """Add ``masks`` (and ``mask_scores``); map the detections' boxes to the original image."""
        roi_head, labels, ious = self.module.roi_head, results.labels, 0
        probs: Any = 0
        for view in views:
            rois = bbox2roi([view.enter(results.bboxes)])
            logits, view_ious = _mask_logits(roi_head, view.feats, rois, labels)
            probs = probs + view.unflip(merge_aug_masks([mask.sigmoid() for mask in logits], {}))
            ious = ious if view_ious is None else ious + view_ious
        head = roi_head.mask_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head
        # One channel is left, whatever the class. Pasting rescales the boxes in place.
        pasted = InstanceData(bboxes=results.bboxes, labels=torch.zeros_like(labels))
        head.predict_by_feat(
            [probs[:, None] / len(views)],
            [pasted],
            [views[0].meta],
            roi_head.test_cfg,
            rescale=True,
            activate_map=True,
        )
        results.masks = pasted.masks
        if getattr(roi_head, "mask_iou_head", None):
            roi_head.mask_iou_head.predict_by_feat([ious / len(views)], [results])


def _mask_logits(
    roi_head: nn.Module, feats: tuple[Tensor, ...], rois: Tensor, labels: Tensor
) -> tuple[list[Tensor], Tensor | None]:
    """Logits (n, h, w) of ``labels`` (n,) from every mask head, and mask IoUs (n, C) if any."""
    if isinstance(roi_head, HTCLiteRoIHead):
        branch = roi_head.mask_branch(feats, rois, labels)
        return [branch["mask_preds"]], branch.get("mask_ious")
    with roi_head.class_indexed(labels):
        if isinstance(roi_head, HTCRoIHeadFixed):
            preds = roi_head._mask_forward(-1, feats, rois, training=False)["mask_preds"]
        elif isinstance(roi_head, CascadeRoIHead):
            stages = range(roi_head.num_stages)
            preds = (roi_head._mask_forward(stage, feats, rois)["mask_preds"] for stage in stages)
        else:
            preds = [roi_head._mask_forward(feats, rois)["mask_preds"]]
        return [select_class(pred, labels) for pred in preds], None
