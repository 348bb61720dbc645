"""HTC-Lite's parts beyond a cascade of box heads (supplementary, section 4.1)."""

# mmdet's Cascade R-CNN: (IoU threshold, box deviations) of each stage
stages = [
    (0.5, [0.1, 0.1, 0.2, 0.2]),
    (0.6, [0.05, 0.05, 0.1, 0.1]),
    (0.7, [0.033, 0.033, 0.067, 0.067]),
]
# SCNet's released values (mmdet configs/scnet)
context_encoder = dict(
    type="GlobalContextHead",
    num_convs=4,
    in_channels=256,
    conv_out_channels=256,
    num_classes=1203,
    loss_weight=3.0,
    conv_to_res=True,
)
