"""EfficientNet-Lite0: Tan and Le 2019, in TensorFlow's variant for small devices.

Beside EfficientNet-B0 it has no squeeze-and-excitation, ReLU6 in place of swish, and a first and a
last convolution that do not scale with the network. It was trained at 224 x 224; any size will
do, and 128 or 160 are a third and half of the work.
"""

from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax

from ief_jax.ief.backbones.backbone import Backbone, HeatmapStage
from ief_jax.ief.backbones.layers import ScaledConvolution, ScaledDepthwise


class Blocks(NamedTuple):
    """A row of inverted residual blocks; only the first of them has the stride."""

    repeats: int
    size: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


STEM = 32
"""Channels of the first convolution."""
LAST = 1280
"""Channels of the last convolution."""
ROWS = (
    Blocks(1, 3, 1, 1, STEM, 16),
    Blocks(2, 3, 2, 6, 16, 24),
    Blocks(2, 5, 2, 6, 24, 40),
    Blocks(3, 3, 2, 6, 40, 80),
    Blocks(3, 5, 1, 6, 80, 112),
    Blocks(4, 5, 2, 6, 112, 192),
    Blocks(1, 3, 1, 6, 192, 320),
)
"""Table 1 of Tan and Le 2019."""


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; plus the input where the shapes agree.

    Attributes:
      inputs: channels.
      outputs: channels.
      size: of the depthwise kernel.
      stride: of the depthwise convolution.
      expansion: by which factor the channels are widened; 1 leaves the widening out.
    """

    inputs: int
    outputs: int
    size: int
    stride: int
    expansion: int

    def setup(self) -> None:
        wide = self.inputs * self.expansion
        if self.expansion > 1:
            self.expand = ScaledConvolution(self.inputs, wide)
        self.depthwise = ScaledDepthwise(wide, self.size, self.stride)
        self.project = ScaledConvolution(wide, self.outputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, inputs] to [B, h, w, outputs]."""
        y = nn.relu6(self.expand(x)) if self.expansion > 1 else x
        y = self.project(nn.relu6(self.depthwise(y)))
        return x + y if self.stride == 1 and self.inputs == self.outputs else y


class Row(nn.Module):
    """The blocks of one line of `ROWS`."""

    row: Blocks

    def setup(self) -> None:
        repeats, size, stride, expansion, inputs, outputs = self.row
        first = InvertedResidual(inputs, outputs, size, stride, expansion)
        others = [
            InvertedResidual(outputs, outputs, size, 1, expansion) for _ in range(repeats - 1)
        ]
        self.blocks = [first, *others]

    def __call__(self, x: jax.Array) -> jax.Array:
        for block in self.blocks:
            x = block(x)
        return x


class First(nn.Module):
    """conv-1's activation and the first row."""

    def setup(self) -> None:
        self.row = Row(ROWS[0])

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.row(nn.relu6(x))


class Last(nn.Module):
    """The last row and the last convolution."""

    def setup(self) -> None:
        self.row = Row(ROWS[-1])
        self.convolution = ScaledConvolution(ROWS[-1].outputs, LAST)

    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.relu6(self.convolution(self.row(x)))


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0; see `Backbone`. One stage for each row of blocks."""

    HEATMAP_STAGES: ClassVar[tuple[HeatmapStage, ...]] = (
        HeatmapStage("conv-1 and its activation; 1 block to 16 channels", 2, 32),
        HeatmapStage("2 blocks to 24 channels", 2, 16),
        HeatmapStage("2 blocks to 40 channels", 4, 24),
        HeatmapStage("3 blocks to 80 channels", 8, 40),
        HeatmapStage("3 blocks to 112 channels", 16, 80),
        HeatmapStage("4 blocks to 192 channels", 16, 112),
        HeatmapStage("1 block to 320 channels; convolution to 1280", 32, 192),
    )
    MEAN = (127 / 255,) * 3
    DEVIATION = (128 / 255,) * 3

    def first(self) -> ScaledConvolution:
        return ScaledConvolution(3, STEM, size=3, stride=2)

    def rest(self) -> list[nn.Module]:
        return [First(), *(Row(row) for row in ROWS[1:-1]), Last()]
