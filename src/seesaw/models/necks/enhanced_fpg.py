"""Enhanced Feature Pyramid Grids: DCNv2 after upsampling, CARAFE++ for downsampling."""

from functools import partial
from typing import Any

from mmcv.cnn import ConvModule
from mmcv.ops import ModulatedDeformConv2dPack
from mmdet.models.necks.fpg import FPG, Transition
from mmdet.registry import MODELS
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.models.ops.carafe_down import CARAFEDown

_SYNC_BN = dict(type="SyncBN", requires_grad=True)


class CARAFEDownConv(Transition):
    """FPG transition that halves a map with CARAFE++ and then convolves it.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: odd side of the stride-1 convolution; 0 leaves the convolution out.
        compressed_channels: of the CARAFE++ content encoder.
        kwargs: passed on to ``ConvModule`` (norm_cfg, order, ...).

    Raises:
        UserError: there is no convolution, but the numbers of channels differ.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        compressed_channels: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, out_channels)
        if not kernel_size and in_channels != out_channels:
            raise UserError(
                f"model.neck.down 'carafe_down' keeps the number of channels and cannot turn "
                f"{in_channels} into {out_channels}: use 'carafe_down_conv' or 'carafe_down_1x1'."
            )
        self.down = CARAFEDown(in_channels, compressed_channels=compressed_channels)
        self.conv = (
            ConvModule(in_channels, out_channels, kernel_size, padding=kernel_size // 2, **kwargs)
            if kernel_size
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, ceil(H / 2), ceil(W / 2))."""
        return self.conv(self.down(x))


@MODELS.register_module()
class EnhancedFPG(FPG):
    """FPG with the two changes of the supplementary's section 4.2 ("enhanced FPG").

    DCNv2 replaces the 3x3 conv after each nearest-neighbour upsampling, CARAFE++ the strided 3x3
    conv of each downsampling; everything else has the values of mmdet's
    configs/fpg/mask-rcnn_r50_fpg_crop640-50e_coco.py. ``down='conv', deform_groups=0`` is that
    shipped FPG itself (mmdet/models/necks/fpg.py).

    Handled here because mmdet's FPG does not: its ``init_cfg`` overwrites the zero offsets of
    DCNv2 and the content encoders of CARAFE (nn.ModuleList hides their own ``init_weights``);
    ``skip_inds=None`` crashes; a map size that is no multiple of the coarsest stride leads to a
    shape mismatch; ``skip_inds`` of 'td' paths index the wrong level, so all paths are 'bu'.

    Args:
        in_channels: channels of the backbone levels, finest first.
        out_channels: channels of every output level, also inside the grid.
        num_outs: number of output levels; those above the backbone's come from max pooling.
        stack_times: number of pathways of the grid.
        down: 'carafe_down_conv' (CARAFE++, then a 3x3 conv), 'carafe_down_1x1' (then a 1x1
            conv), 'carafe_down' (CARAFE++ alone) or 'conv' (strided 3x3 conv of plain FPG).
        compressed_channels: of the CARAFE++ content encoders.
        deform_groups: of the DCNv2 after upsampling; 0 keeps the plain 3x3 conv.
        norm_cfg: normalisation of all transitions but the output convs.
        kwargs: passed on to ``FPG`` (start_level, end_level, init_cfg, ...).

    Raises:
        UserError: ``down`` is unknown.
    """

    transition_types = FPG.transition_types | {
        "carafe_down_conv": CARAFEDownConv,
        "carafe_down_1x1": partial(CARAFEDownConv, kernel_size=1),
        "carafe_down": partial(CARAFEDownConv, kernel_size=0),
    }

    def __init__(
        self,
        in_channels: list[int],
        out_channels: int = 256,
        num_outs: int = 5,
        stack_times: int = 9,
        down: str = "carafe_down_conv",
        compressed_channels: int = 16,
        deform_groups: int = 1,
        norm_cfg: dict | None = _SYNC_BN,
        **kwargs: Any,
    ) -> None:
        order = dict(inplace=False, order=("act", "conv", "norm"))
        conv = dict(norm_cfg=norm_cfg, **order)
        downs = {
            name: dict(type=name, compressed_channels=compressed_channels, **conv)
            for name in ("carafe_down_conv", "carafe_down_1x1", "carafe_down")
        } | {"conv": dict(type="conv", kernel_size=3, stride=2, padding=1, **conv)}
        if down not in downs:
            raise UserError(f"model.neck.down is {down!r}: use one of {', '.join(sorted(downs))}.")
        up = dict(type="interpolation_conv", mode="nearest", kernel_size=3, **conv)
        if deform_groups:
            up["conv_cfg"] = dict(type="DCNv2", deform_groups=deform_groups)
        super().__init__(
            in_channels,
            out_channels,
            num_outs,
            stack_times,
            ["bu"] * stack_times,
            same_up_trans=downs[down],
            across_lateral_trans=dict(type="conv", kernel_size=1, **conv),
            across_down_trans=up,
            across_skip_trans=dict(type="conv", kernel_size=1, **conv),
            output_trans=dict(type="last_conv", kernel_size=3, **order),
            norm_cfg=norm_cfg,
            # The lower left triangle of the grid is left out; its last pathway is always whole.
            skip_inds=[
                tuple(range(min(num_outs - 1 - level, stack_times - 1)))
                for level in range(num_outs)
            ],
            **kwargs,
        )

    def init_weights(self) -> None:
        """Initialise as FPG, then initialise DCNv2 offsets and CARAFE encoders again."""
        if self.is_init:
            return
        super().init_weights()
        for module in self.modules():
            if isinstance(module, ModulatedDeformConv2dPack):
                nn.init.zeros_(module.conv_offset.weight)
                nn.init.zeros_(module.conv_offset.bias)
            elif isinstance(module, CARAFEDown):
                module.init_weights()

    def forward(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        """Fuse the backbone's levels.

        Args:
            inputs: one (N, in_channels[i], H / 2**i, W / 2**i) per level, finest first.

        Returns:
            ``num_outs`` tensors (N, out_channels, H / 2**i, W / 2**i).

        Raises:
            UserError: a level above the coarsest has an odd side, so that upsampling the next one
                would not fit.
        """
        height, width = inputs[self.start_level].shape[-2:]
        multiple = 2 ** (self.num_outs - 1)
        if height % multiple or width % multiple:
            raise UserError(
                f"The finest map of the enhanced FPG is {height} x {width} but must be a multiple "
                f"of {multiple}: set model.data_preprocessor.pad_size_divisor to the coarsest "
                f"stride (64 for strides 4 to 64)."
            )
        return super().forward(inputs)
