"""Adds up the gradients of each category's logit over the training (supplementary, Figure A1)."""

custom_hooks = [
    dict(
        type="seesaw.training.gradients.GradientRatioHook",
        category_counts="data/lvis_v1/category_counts.json",
    )
]
