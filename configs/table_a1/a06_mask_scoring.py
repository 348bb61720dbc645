"""+ Mask scoring: a mask IoU head ranks masks apart from boxes (supplementary, section 4.2).

Paper: AP 23.9 (+0.4), AP_r 2.8, AP_c 22.4, AP_f 35.0, AP_box 25.6 (+0.1).
Cost: about 417 V100-hours.
"""

_base_ = "./a05_tsd.py"
model = dict(
    roi_head=dict(
        mask_iou_head=dict(
            type="SeparateMaskIoUHead",
            num_convs=4,
            num_fcs=2,
            roi_feat_size=14,
            in_channels=256,
            conv_out_channels=256,
            fc_out_channels=1024,
            num_classes=1203,
        )
    )
)
