"""Balanced Group Softmax (Li et al., CVPR 2020), trained end to end (main paper, Table 1)."""

classifier = dict(
    loss_cls=dict(
        type="GroupSoftmaxLoss",
        num_classes=1203,
        category_counts="data/lvis_v1/category_counts.json",
        edges=(10, 100, 1000),
        beta=8.0,
    )
)
