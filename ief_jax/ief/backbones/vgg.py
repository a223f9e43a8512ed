"""VGG-16, the IEF paper's other backbone: Simonyan and Zisserman 2015, configuration D."""

import flax.linen as nn
import jax

from ief_jax.ief.backbones import pooling
from ief_jax.ief.backbones.backbone import Backbone, HeatmapStage
from ief_jax.ief.backbones.layers import Convolution, DenseRelu

STAGES = (
    (64, 64),
    (64, 128, 128),
    (128, 256, 256, 256),
    (256, 512, 512, 512),
    (512, 512, 512, 512),
)
"""Channels along each stage, its input's first; a pooling follows each stage."""
WIDTH = 4096
"""Of the two hidden dense layers."""


class Stage(nn.Module):
    """3 x 3 convolutions with ReLU, and a pooling that halves.

    Attributes:
      channels: of the input and of each convolution.
    """

    channels: tuple[int, ...]

    def setup(self) -> None:
        pairs = zip(self.channels[:-1], self.channels[1:], strict=True)
        self.convolutions = [Convolution(i, o, size=3) for i, o in pairs]

    def __call__(self, x: jax.Array) -> jax.Array:
        for convolve in self.convolutions:
            x = nn.relu(convolve(x))
        return pooling.max_pool(x, 2, 2, (0, 0))


class First(nn.Module):
    """conv-1's activation and the rest of the first stage."""

    def setup(self) -> None:
        self.stage = Stage(STAGES[0])

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.stage(nn.relu(x))


class VGG16(Backbone):
    """VGG-16; see `Backbone`. The last map is averaged to 7 x 7, as torchvision does, so that
    images need not be 224 x 224. There is no dropout."""

    pool_size: int = 7

    HEATMAP_STAGES = (
        HeatmapStage("conv-1 and its activation; 1 convolution to 64 channels, pooling", 1, 64),
        HeatmapStage("2 convolutions to 128 channels, pooling", 2, 64),
        HeatmapStage("3 convolutions to 256 channels, pooling", 4, 128),
        HeatmapStage("3 convolutions to 512 channels, pooling", 8, 256),
        HeatmapStage("3 convolutions to 512 channels, pooling", 16, 512),
    )
    MEAN = (0.485, 0.456, 0.406)
    DEVIATION = (0.229, 0.224, 0.225)

    def first(self) -> Convolution:
        return Convolution(3, 64, size=3)

    def rest(self) -> list[nn.Module]:
        return [First(), *(Stage(channels) for channels in STAGES[1:])]

    def neck(self) -> list[nn.Module]:
        return [DenseRelu(WIDTH), DenseRelu(WIDTH)]
