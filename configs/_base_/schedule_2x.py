"""2x: 24 epochs, learning rate x 0.1 after epochs 16 and 22; batch 16."""

# Iterations follow from the length of the dataset, repeats included.
schedule = dict(epochs=24, milestones=[16, 22], gamma=0.1, warmup_iters=500, warmup_start=1e-3)
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=1e-4)
)
