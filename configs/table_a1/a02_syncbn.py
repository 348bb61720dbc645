"""+ SyncBN in the backbone and the heads (supplementary, section 4.2).

Norms in the box head need convolutions: its two fc layers become four convolutions and one fc, as
in mmdet's configs with SyncBN in "backbone+head".

Paper: AP 18.9 (+0.2), AP_r 0.7, AP_c 16.0, AP_f 30.3, AP_box 20.2 (+0.1).
Cost: about 182 V100-hours.
"""

_base_ = "./a01_mask_rcnn.py"
norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    backbone=dict(norm_cfg=norm_cfg, norm_eval=False),
    roi_head=dict(
        bbox_head=dict(
            type="LazyNMSConvFCBBoxHead",
            num_shared_convs=4,
            num_shared_fcs=1,
            conv_out_channels=256,
            norm_cfg=norm_cfg,
        ),
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
