"""+ Training-time augmentation, 45 epochs (supplementary, section 4.2).

InstaBoost, longer edge uniform in 768..1792 px, crop of 1280 x 1280.

Paper: AP 26.5 (+2.6), AP_r 3.6, AP_c 25.7, AP_f 37.4, AP_box 28.1 (+2.5).
Cost: about 907 V100-hours.
"""

_base_ = "./a06_mask_scoring.py"
schedule = dict(epochs=45, milestones=[30, 40])
train_pipeline = [
    dict(type="LoadImageFromFile"),
    # before the annotations are loaded: it pastes instances and edits their polygons
    dict(type="SafeInstaBoost"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    # a range of pairs would draw both edges; a ratio draws the longer edge alone
    dict(type="RandomResize", scale=(1792, 1792), ratio_range=(768 / 1792, 1.0), keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="RandomCrop", crop_size=(1280, 1280), crop_type="absolute", allow_negative_crop=False
    ),
    dict(type="FilterAnnotations", min_gt_bbox_wh=(1e-2, 1e-2)),
    dict(type="PackDetInputs"),
]
train_dataset = dict(pipeline=train_pipeline)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
