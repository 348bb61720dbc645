"""Seesaw Loss with its normalised linear predictor (main paper, sections 3.2 and 3.3)."""

# Temperature 20 is NormedLinear's default; its keyword differs between mmdet and its forks.
classifier = dict(
    cls_predictor_cfg=dict(type="NormedLinear"),
    loss_cls=dict(type="SyncedSeesawLoss", p=0.8, q=2.0, num_classes=1203, loss_weight=1.0),
)
