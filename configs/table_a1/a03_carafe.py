"""+ CARAFE upsampling in the mask head (supplementary, section 4.2).

Paper: AP 19.4 (+0.5), AP_r 0.7, AP_c 16.5, AP_f 30.9, AP_box 20.4 (+0.2).
Cost: about 186 V100-hours.
"""

_base_ = "./a02_syncbn.py"
model = dict(
    roi_head=dict(
        mask_head=dict(
            upsample_cfg=dict(
                type="carafe",
                scale_factor=2,
                up_kernel=5,
                up_group=1,
                encoder_kernel=3,
                encoder_dilation=1,
                compressed_channels=64,
            )
        )
    )
)
