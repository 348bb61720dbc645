"""CARAFE++ downsampling, which was announced but never released (mmdet#4277)."""

from mmcv.ops import CARAFEPack
from torch import Tensor

from seesaw.models.ops.carafe import reassemble


class CARAFEDown(CARAFEPack):
    """Content-aware downsampling of CARAFE++ (arXiv 2012.04733); supplementary, section 4.2.

    A 1x1 conv compresses the channels, a ``encoder_kernel`` conv with stride ``scale_factor``
    predicts one softmax-normalised ``down_kernel`` window per output cell, and the window
    reassembles the input around ``scale_factor`` times that cell. Windows are not renormalised at
    the border, as in CARAFE. (N, C, H, W) -> (N, C, ceil(H / scale_factor),
    ceil(W / scale_factor)), the size of a padded strided 3x3 conv.

    Args:
        channels: C.
        scale_factor: integer downsampling ratio.
        down_kernel: odd side of the reassembly window.
        down_group: channel groups with a window of their own.
        encoder_kernel: odd side of the content encoder (CARAFE++: ``down_kernel - 2``).
        compressed_channels: channels after the compressor (CARAFE++: 16 to go down, 64 to go up).
    """

    def __init__(
        self,
        channels: int,
        scale_factor: int = 2,
        down_kernel: int = 5,
        down_group: int = 1,
        encoder_kernel: int = 3,
        compressed_channels: int = 16,
    ) -> None:
        super().__init__(
            channels,
            scale_factor=1,
            up_kernel=down_kernel,
            up_group=down_group,
            encoder_kernel=encoder_kernel,
            compressed_channels=compressed_channels,
        )
        self.down_factor = scale_factor
        self.content_encoder.stride = (scale_factor, scale_factor)

    def feature_reassemble(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reassemble ``x`` with the normalised kernels ``mask`` at stride ``down_factor``.

        On CUDA mmcv's kernel computes all cells of ``x``, of which some are kept: on an H200 that
        was faster than matrix products over unfolded windows below 160 x 160 cells, and above that
        took half of their memory.
        """
        if x.is_cuda:
            kept = (..., slice(None, None, self.down_factor), slice(None, None, self.down_factor))
            masks = mask.new_zeros(*mask.shape[:2], *x.shape[2:])
            masks[kept] = mask
            return super().feature_reassemble(x, masks)[kept]
        return reassemble(x, mask, self.up_kernel, self.up_group, down=self.down_factor)
