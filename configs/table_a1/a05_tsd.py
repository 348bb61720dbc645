"""+ TSD box heads in all three stages (supplementary, section 4.2).

The classifier sees features gathered at learned offsets, the regressor a translated proposal; the
sibling head remains in training for the progressive constraints.

Paper: AP 23.5 (+1.6), AP_r 2.3, AP_c 22.3, AP_f 34.0, AP_box 25.5 (+1.9).
Cost: about 384 V100-hours.
"""

_base_ = "./a04_htc_lite.py"
model = _base_.model
model.roi_head.type = "TSDHTCLiteRoIHead"
# deformable RoI pooling equals RoIAlign at zero offset only with the same samples
model.roi_head.bbox_roi_extractor.roi_layer.sampling_ratio = 2
model.roi_head.bbox_head = [
    dict(
        type="TSDBBoxHead",
        in_channels=256,
        roi_feat_size=7,
        fc_out_channels=1024,
        delta_channels=256,
        gamma=0.1,
        pc_cls=0.2,
        pc_loc=0.2,
        num_classes=1203,
        reg_class_agnostic=True,
        bbox_coder=head.bbox_coder,
        loss_cls=head.loss_cls,
        loss_bbox=head.loss_bbox,
    )
    for head in model.roi_head.bbox_head
]
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
