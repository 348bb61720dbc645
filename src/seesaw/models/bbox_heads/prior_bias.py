"""Box head whose classifier starts at a small prior probability, for sigmoid losses."""

from mmdet.registry import MODELS
from mmengine.model import bias_init_with_prob
from torch import nn

from seesaw.models.bbox_heads.lazy_nms import LazyNMSShared2FCBBoxHead


@MODELS.register_module()
class PriorBiasShared2FCBBoxHead(LazyNMSShared2FCBBoxHead):
    """``LazyNMSShared2FCBBoxHead`` with classifier bias -log((1 - prior) / prior).

    Without it, C sigmoids at 1/2 on N RoIs make the first loss of EQL about 0.7 C. ``BBoxHead``'s
    init_cfg, and ``NormedLinear``'s own initialisation, set the bias to 0, so ours comes after.
    Relates to the ``prior_prob`` of tztztztztz/eql.detectron2.

    Args:
        prior_prob: Probability of each category at the start; 1e-3 gives the bias -6.907.
        **kwargs: As ``LazyNMSShared2FCBBoxHead``.
    """

    def __init__(self, *args, prior_prob: float = 1e-3, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.prior_prob = prior_prob

    def init_weights(self) -> None:
        """Initialise as mmdet, then set the classifier's bias."""
        super().init_weights()
        nn.init.constant_(self.fc_cls.bias, bias_init_with_prob(self.prior_prob))
