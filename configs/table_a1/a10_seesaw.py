"""+ Seesaw Loss on the classifiers of all TSD heads (supplementary, section 4.2).

TSD's progressive constraint on classification is removed, as the paper says.

Paper: AP 36.8 (+6.9), AP_r 25.5, AP_c 35.6, AP_f 42.9, AP_box 39.8 (+7.7).
Cost: about 3,230 V100-hours.
"""

_base_ = ["./a09_stronger_backbone.py", "../_base_/loss_seesaw.py"]
model = _base_.model
for head in model.roi_head.bbox_head:
    del head.loss_cls  # replaced, not merged
    head.update(_base_.classifier)
    head.pc_cls = None
del head
