"""+ Stronger backbone: ResNeSt-200 with DCNv2 (supplementary, section 4.2).

Paper: AP 29.9 (+2.9), AP_r 4.2, AP_c 29.4, AP_f 41.8, AP_box 32.1 (+3.0).
Cost: about 3,230 V100-hours.
"""

_base_ = "./a08_stronger_neck.py"
model = dict(
    # the released weights' own normalisation
    data_preprocessor=dict(mean=[123.68, 116.779, 103.939], std=[58.393, 57.12, 57.375]),
    backbone=dict(
        type="ResNeSt",
        depth=200,
        stem_channels=128,
        radix=2,
        reduction_factor=4,
        avg_down_stride=True,
        with_cp=True,
        dcn=dict(type="DCNv2", deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnest200"),
    ),
)
