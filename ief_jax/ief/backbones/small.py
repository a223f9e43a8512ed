"""A network of a few layers, to be trained from nothing on a CPU: for comparisons and tests."""

import flax.linen as nn
import jax

from ief_jax.ief.backbones.backbone import Backbone, HeatmapStage
from ief_jax.ief.backbones.layers import Convolution, DenseRelu

CHANNELS = (16, 32, 64, 128)
"""Of the stages; each halves the resolution."""
WIDTH = 256
"""Of the hidden dense layer."""


class First(nn.Module):
    """conv-1's activation, and a convolution whose result is added to it."""

    def setup(self) -> None:
        self.convolve = Convolution(CHANNELS[0], CHANNELS[0], size=3)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(x)
        return x + nn.relu(self.convolve(x))


class Stage(nn.Module):
    """A convolution of stride 2, and one whose result is added to it.

    Attributes:
      inputs: channels of x.
      outputs: channels of both convolutions.
    """

    inputs: int
    outputs: int

    def setup(self) -> None:
        self.halve = Convolution(self.inputs, self.outputs, size=3, stride=2)
        self.convolve = Convolution(self.outputs, self.outputs, size=3)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(self.halve(x))
        return x + nn.relu(self.convolve(x))


class Small(Backbone):
    """Eight convolutions and two dense layers; see `Backbone`. 0.3 million parameters; 11 MFLOP
    for an image of 48 pixels."""

    HEATMAP_STAGES = (
        HeatmapStage("conv-1 and its activation; 1 convolution of 16 channels", 2, 16),
        HeatmapStage("2 convolutions of 32 channels", 2, 16),
        HeatmapStage("2 convolutions of 64 channels", 4, 32),
        HeatmapStage("2 convolutions of 128 channels", 8, 64),
    )
    MEAN = (0.5, 0.5, 0.5)
    DEVIATION = (0.25, 0.25, 0.25)

    def first(self) -> Convolution:
        return Convolution(3, CHANNELS[0], size=3, stride=2)

    def rest(self) -> list[nn.Module]:
        pairs = zip(CHANNELS[:-1], CHANNELS[1:], strict=True)
        return [First(), *(Stage(inputs, outputs) for inputs, outputs in pairs)]

    def neck(self) -> list[nn.Module]:
        return [DenseRelu(WIDTH)]
