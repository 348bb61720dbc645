"""+ HTC-Lite (supplementary, section 4.1 and Figure A3).

Three box heads, one mask head, and a context encoder whose vector is added to the RoI features.
Heads keep the convolutions, norms and CARAFE of the rungs before; all else is that of mmdet's HTC.

Paper: AP 21.9 (+2.5), AP_r 1.1, AP_c 19.8, AP_f 33.5, AP_box 23.6 (+3.2).
Cost: about 258 V100-hours.
"""

_base_ = ["./a03_carafe.py", "../_base_/htc_lite.py"]
# or "mask_rcnn", the RPN of the rung before; a config that inherits this one sets the keys below
rpn = "htc"
model = _base_.model
if rpn == "htc":
    model.rpn_head.loss_bbox = dict(type="SmoothL1Loss", beta=1 / 9, loss_weight=1.0)
    model.train_cfg.rpn.allowed_border = 0
    model.train_cfg.rpn_proposal.max_per_img = 2000
roi_head = model.roi_head
rcnn = model.train_cfg.rcnn
model.type = "CascadeRCNN"
roi_head.type = "HTCLiteRoIHead"
roi_head.num_stages = 3
roi_head.stage_loss_weights = [1, 0.5, 0.25]
roi_head.glbctx_head = _base_.context_encoder
roi_head.bbox_head.update(
    reg_class_agnostic=True, loss_bbox=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0)
)
roi_head.bbox_head = [
    dict(
        roi_head.bbox_head,
        bbox_coder=dict(
            type="DeltaXYWHBBoxCoder", target_means=[0.0, 0.0, 0.0, 0.0], target_stds=stds
        ),
    )
    for _, stds in _base_.stages
]
model.train_cfg.rcnn = [
    dict(
        rcnn,
        assigner=dict(rcnn.assigner, pos_iou_thr=iou, neg_iou_thr=iou, min_pos_iou=iou),
    )
    for iou, _ in _base_.stages
]
del roi_head, rcnn
