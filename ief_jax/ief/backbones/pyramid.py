"""EfficientNet-Lite0 that says where each keypoint is, instead of how far to move it.

Maps of three resolutions are brought to one and summed (a feature pyramid: Lin et al. 2017). The
heatmaps are added, and every keypoint's position is read off as the mean of a distribution over
the map (integral regression: Sun et al. 2018). The correction is what leads there from y_t. What
is learned is the same all over the image, so that thousands of examples are enough where a
dense layer takes a hundred thousand.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ief_jax.ief.backbones import rematerialisation
from ief_jax.ief.backbones.backbone import HeatmapStage
from ief_jax.ief.backbones.efficientnet_lite import (
    ROWS,
    EfficientNetLite0,
    First,
    InvertedResidual,
    Row,
)
from ief_jax.ief.backbones.layers import Convolution

CHANNELS = 64
"""Of the pyramid."""
LEVELS = (2, 4, 5)
"""Stages whose results are summed: 1/8, 1/16 and 1/32 of the image's resolution."""
STRIDE = 8
"""Image pixels for each pixel of the pyramid, along an axis."""
REACH = 4.0
"""How many pixels of the pyramid an offset of one stands for."""


class Positions(nn.Module):
    """Reads positions off a map: a distribution for each keypoint, and offsets.

    Attributes:
      count: K.
    """

    count: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, h, w, C] to [B, 2 K], (x, y) in shares of the image's width and height."""
        batch, height, width, _ = x.shape
        small = nn.initializers.normal(0.02)
        found = nn.Dense(3 * self.count, kernel_init=small)(x).reshape(batch, height * width, -1)
        likely, offsets = found[..., : self.count], found[..., self.count :]
        offsets = offsets.reshape(batch, height * width, self.count, 2)
        columns, rows = jnp.meshgrid(jnp.arange(width) + 0.5, jnp.arange(height) + 0.5)
        centres = jnp.stack([columns, rows], -1).reshape(1, -1, 1, 2)
        # p_k = sum over pool_size c of softmax(a_k)_c (c + d_kc)
        votes = (centres + REACH * offsets) / jnp.array([width, height]).reshape(1, 1, 1, 2)
        return jnp.einsum("bnk,bnkd->bkd", nn.softmax(likely, 1), votes).reshape(batch, -1)


class EfficientNetLite0Pyramid(EfficientNetLite0):
    """See this module. Heatmaps enter at conv-1, or at the pyramid (`heatmap_stage` 1)."""

    HEATMAP_STAGES = (
        EfficientNetLite0.HEATMAP_STAGES[0],
        HeatmapStage("the pyramid; 2 blocks and the positions", STRIDE, CHANNELS),
    )

    @staticmethod
    def corrections(numbers: jax.Array, y: jax.Array, size: int, unit: float) -> jax.Array:
        """The whole way from y to the positions that the network has put out."""
        # Pixel i of the crop has its centre at (i + 1/2) / S of its width.
        return size * numbers.reshape(y.shape) - 0.5 - y

    def rest(self) -> list[nn.Module]:
        return [First(), *(Row(row) for row in ROWS[1:-1])]

    def last(self) -> nn.Module:
        return Positions(self.outputs // 2)

    def setup(self) -> None:
        if self.pool_size != 1:
            raise ValueError(
                f"pool_size is {self.pool_size}, expected 1: no map is averaged to cells"
            )
        super().setup()
        self.laterals = [Convolution(ROWS[level].outputs, CHANNELS) for level in LEVELS]
        self.normal = nn.LayerNorm()
        self.blocks = [InvertedResidual(CHANNELS, CHANNELS, 5, 1, 2) for _ in range(3)]
        self.coarse = [InvertedResidual(CHANNELS, CHANNELS, 5, stride, 4) for stride in (2, 1)]

    def encode_image(self, image: jax.Array) -> jax.Array:
        x = self.conv1(image)
        return self._pyramid(x) if self.heatmap_stage else x

    def _pyramid(self, x: jax.Array) -> jax.Array:
        """conv-1's result to [B, H / 8, W / 8, CHANNELS]."""
        levels = []
        for index, stage in enumerate(self.stages):
            x = rematerialisation.kept(stage(x))
            if index in LEVELS:
                levels.append(self.laterals[LEVELS.index(index)](x))
        shape = levels[0].shape
        total = sum(jax.image.resize(level, shape, "linear") for level in levels)
        return rematerialisation.kept(self.blocks[0](self.normal(total)))

    def _finish(self, x: jax.Array) -> jax.Array:
        x = x if self.heatmap_stage else self._pyramid(x)
        # At half the resolution, where two blocks reach from one end of the body to the other:
        # which knee is the left one depends on where the shoulders are.
        coarse = x
        for block in self.coarse:
            coarse = rematerialisation.kept(block(coarse))
        x = x + jax.image.resize(coarse, x.shape, "linear")
        for block in self.blocks[1:]:
            x = rematerialisation.kept(block(x))
        return self.head(nn.relu6(x))
