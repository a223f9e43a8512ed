"""GoogLeNet, the backbone of the IEF paper: Szegedy et al. 2015, in torchvision's variant.

That variant has batch normalisation (here a scale and a bias) instead of local response
normalisation, and 3 x 3 where the paper has 5 x 5. It has no auxiliary classifiers and no dropout.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ief_jax.ief.backbones import pooling
from ief_jax.ief.backbones.backbone import Backbone, HeatmapStage
from ief_jax.ief.backbones.layers import ScaledConvolution


class Block(NamedTuple):
    """The channels of an inception block: a line of table 1 of Szegedy et al. 2015."""

    name: str
    inputs: int
    ones: int
    """Of the branch of a 1 x 1 convolution."""
    reduced: int
    """Before the 3 x 3 convolution."""
    threes: int
    fives_reduced: int
    """Before the convolution that is 5 x 5 in the paper."""
    fives: int
    pooled: int
    """After the maximum pooling."""

    @property
    def outputs(self) -> int:
        return self.ones + self.threes + self.fives + self.pooled


BLOCKS = {
    block.name: block
    for block in (
        Block("3a", 192, 64, 96, 128, 16, 32, 32),
        Block("3b", 256, 128, 128, 192, 32, 96, 64),
        Block("4a", 480, 192, 96, 208, 16, 48, 64),
        Block("4b", 512, 160, 112, 224, 24, 64, 64),
        Block("4c", 512, 128, 128, 256, 24, 64, 64),
        Block("4d", 512, 112, 144, 288, 32, 64, 64),
        Block("4e", 528, 256, 160, 320, 32, 128, 128),
        Block("5a", 832, 256, 160, 320, 32, 128, 128),
        Block("5b", 832, 384, 192, 384, 48, 128, 128),
    )
}


class Inception(nn.Module):
    """Four branches side by side.

    The three that begin with a 1 x 1 convolution of the block's input share one, `points`.
    """

    block: Block

    def setup(self) -> None:
        b = self.block
        self.points = ScaledConvolution(b.inputs, b.ones + b.reduced + b.fives_reduced)
        self.threes = ScaledConvolution(b.reduced, b.threes, size=3)
        self.fives = ScaledConvolution(b.fives_reduced, b.fives, size=3)
        self.pooled = ScaledConvolution(b.inputs, b.pooled)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, inputs] to [B, H, W, outputs]."""
        b = self.block
        points = nn.relu(self.points(x))
        ones, reduced, fives_reduced = jnp.split(points, (b.ones, b.ones + b.reduced), -1)
        branches = (
            ones,
            nn.relu(self.threes(reduced)),
            nn.relu(self.fives(fives_reduced)),
            nn.relu(self.pooled(pooling.max_pool(x, 3, 1, (1, 1)))),
        )
        return jnp.concatenate(branches, -1)


class First(nn.Module):
    """conv-1's activation, conv-2 and conv-3."""

    def setup(self) -> None:
        self.conv2 = ScaledConvolution(64, 64)
        self.conv3 = ScaledConvolution(64, 192, size=3)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = pooling.max_pool(nn.relu(x), 3, 2, "CEIL")
        return nn.relu(self.conv3(nn.relu(self.conv2(x))))


class Blocks(nn.Module):
    """Inception blocks after a pooling that halves.

    Attributes:
      names: of the blocks in `BLOCKS`.
      window: of the pooling.
    """

    names: tuple[str, ...]
    window: int

    def setup(self) -> None:
        self.blocks = [Inception(BLOCKS[name]) for name in self.names]

    def __call__(self, x: jax.Array) -> jax.Array:
        x = pooling.max_pool(x, self.window, 2, "CEIL")
        for block in self.blocks:
            x = block(x)
        return x


STAGES = ((("3a", "3b"), 3), (("4a", "4b", "4c", "4d", "4e"), 3), (("5a", "5b"), 2))
"""The blocks of each stage but the first, and the window of the pooling before them."""


class GoogLeNet(Backbone):
    """GoogLeNet; see `Backbone`."""

    HEATMAP_STAGES = (
        HeatmapStage("conv-1 and its activation, pooling; conv-2 and conv-3", 2, 64),
        HeatmapStage("pooling; inception 3a to 3b", 4, 192),
        HeatmapStage("pooling; inception 4a to 4e", 8, 480),
        HeatmapStage("pooling; inception 5a to 5b", 16, 832),
    )
    # torchvision's `transform_input` undoes ImageNet's normalisation and applies this one.
    MEAN = (0.5, 0.5, 0.5)
    DEVIATION = (0.5, 0.5, 0.5)

    def first(self) -> ScaledConvolution:
        return ScaledConvolution(3, 64, size=7, stride=2, padding=(3, 3))

    def rest(self) -> list[nn.Module]:
        return [First(), *(Blocks(names, window) for names, window in STAGES)]
