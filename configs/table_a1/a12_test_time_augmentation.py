"""+ Test-time augmentation: five scales, each with and without horizontal flip (section 4.2).

No training: evaluates a11's weights. The paper does not say which edge 1200..2000 px are; they are
taken as the longer one, on which the training-time augmentation is defined.

Paper: AP 38.8 (+1.5), AP_r 26.4, AP_c 38.3, AP_f 44.9, AP_box 41.5 (+0.9).
Cost: about 99 V100-hours for val and test-dev.
"""

_base_ = "./a11_dual_head.py"
# or 'shorter'; the longer one is then at most 5/3 of it, as in 1333 x 800. It acts here alone, not
# in a config that inherits this one.
edge = "longer"
longest = dict(longer=3, shorter=5)[edge]  # thirds of the size
scales = [(size * longest // 3, size) for size in range(1200, 2001, 200)]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=scale, keep_ratio=True) for scale in scales],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [
                dict(
                    type="PackDetInputs",
                    meta_keys=(
                        "img_id",
                        "img_path",
                        "ori_shape",
                        "img_shape",
                        "scale_factor",
                        "flip",
                        "flip_direction",
                    ),
                )
            ],
        ],
    ),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
tta_model = dict(type="InstSegTTAModel")
del scales, longest
