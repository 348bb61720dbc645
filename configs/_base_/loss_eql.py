"""Equalization Loss (Tan et al., CVPR 2020); lambda for LVIS v1 as in EQLv2's repository."""

classifier = dict(
    type="PriorBiasShared2FCBBoxHead",
    loss_cls=dict(
        type="EqualizationLoss",
        num_classes=1203,
        category_counts="data/lvis_v1/category_counts.json",
        lambda_=1.1e-3,
    ),
)
