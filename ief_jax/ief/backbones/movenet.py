"""MoveNet (Google 2021): MobileNetV2 with a feature pyramid, trained on people.

The trunk is MobileNetV2 (Sandler et al. 2018); its batch normalisations are part of the kernels.
A feature pyramid (Lin et al. 2017) brings it to a quarter of the image's resolution, and four
heads say where people's middles are, where from there their keypoints are about, where keypoints
are, and how far each is from its pixel's corner (after CenterNet: Zhou et al. 2019).

`MoveNet` is the network as it was released, and gives its own answer; `multipose` has the variant
for several people. `MoveNetThunder` and
`MoveNetLightning` are IEF on its trunk: the heatmaps of y_t come to a map of an eighth of the
image's resolution, and every keypoint's position is read off as in `pyramid`.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ief_jax.geometry.skeletons import COCO_17
from ief_jax.ief.backbones import rematerialisation
from ief_jax.ief.backbones.backbone import Backbone, HeatmapStage
from ief_jax.ief.backbones.depthwise import depthwise_convolution
from ief_jax.ief.backbones.efficientnet_lite import Blocks, InvertedResidual, Row
from ief_jax.ief.backbones.layers import Convolution
from ief_jax.ief.backbones.pyramid import REACH


class Shape(NamedTuple):
    """How wide a variant is.

    Attributes:
      size: of the square image that it was trained on, pixels.
      stem: channels of the first convolution.
      widths: channels of each row of blocks.
      last: channels of the last convolution.
    """

    size: int
    stem: int
    widths: tuple[int, ...]
    last: int = 1280


THUNDER = Shape(256, 56, (32, 40, 56, 112, 168, 280, 560))
LIGHTNING = Shape(192, 32, (16, 24, 32, 64, 96, 160, 320))
ROWS = ((1, 1, 1), (2, 2, 6), (3, 2, 6), (4, 2, 6), (3, 1, 6), (3, 2, 6), (1, 1, 6))
"""Repeats, stride and expansion of each row of blocks: Table 2 of Sandler et al. 2018."""
LEVELS = (1, 2, 3, 6)
"""Rows whose results go into the pyramid: 1/4, 1/8, 1/16 and 1/32 of the image's resolution."""
LATERALS = (24, 32, 64, 64)
"""Channels of each level of the pyramid."""
HIDDEN = 96
"""Channels within a head."""
STRIDE = 4
"""Image pixels for each pixel of the heads' maps, along an axis."""
NEARNESS = 1.8
"""Added to a distance, in pixels of a map, before a score is divided by it."""


class First(nn.Module):
    """conv-1's activation and the first row of blocks."""

    row: Blocks

    def setup(self) -> None:
        self.blocks = Row(self.row)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.blocks(nn.relu6(x))


class Last(nn.Module):
    """The last row of blocks and the last convolution."""

    row: Blocks
    outputs: int

    def setup(self) -> None:
        self.blocks = Row(self.row)
        self.convolution = Convolution(self.row.outputs, self.outputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.relu6(self.convolution(self.blocks(x)))


def stages(shape: Shape) -> list[nn.Module]:
    """MobileNetV2 after its first convolution: one stage a row."""
    inputs = (shape.stem, *shape.widths[:-1])
    rows = [
        Blocks(repeats, 3, stride, expansion, wide, narrow)
        for (repeats, stride, expansion), wide, narrow in zip(
            ROWS, inputs, shape.widths, strict=True
        )
    ]
    return [First(rows[0]), *(Row(row) for row in rows[1:-1]), Last(rows[-1], shape.last)]


class Separable(nn.Module):
    """A 3 x 3 filter for each channel, a 1 x 1 convolution, and ReLU.

    Attributes:
      inputs: channels.
      outputs: channels.
    """

    inputs: int
    outputs: int

    def setup(self) -> None:
        self.filters = self.param("filters", nn.initializers.normal(1 / 3), (3, 3, self.inputs))
        self.pointwise = Convolution(self.inputs, self.outputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, inputs] to [B, H, W, outputs]."""
        return nn.relu(self.pointwise(depthwise_convolution(x, self.filters, 1)))


class FeaturePyramid(nn.Module):
    """From the coarsest level up, each level added to what is below it, twice as large.

    Attributes:
      inputs: channels of the levels, the finest first.
    """

    inputs: tuple[int, ...]

    def setup(self) -> None:
        self.laterals = [Convolution(i, o) for i, o in zip(self.inputs, LATERALS, strict=True)]
        narrow = (LATERALS[0], *LATERALS[:-1])
        # The finest first, as the levels are.
        self.smooth = [Separable(wide, narrow[index]) for index, wide in enumerate(LATERALS[:-1])]

    def __call__(self, levels: Sequence[jax.Array]) -> jax.Array:
        """[B, H / 4, W / 4, C], ... to [B, H / 4, W / 4, 24]."""
        sides = [lateral(level) for lateral, level in zip(self.laterals, levels, strict=True)]
        x = sides[-1]
        for side, smooth in zip(sides[-2::-1], self.smooth[::-1], strict=True):
            x = smooth(jax.image.resize(x, side.shape[:3] + x.shape[3:], "linear") + side)
        return x


class Head(nn.Module):
    """A separable convolution, and a 1 x 1 convolution to what is put out.

    Attributes:
      outputs: channels.
    """

    outputs: int

    def setup(self) -> None:
        self.hidden = Separable(LATERALS[0], HIDDEN)
        self.final = Convolution(HIDDEN, self.outputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, h, w, 24] to [B, h, w, outputs]."""
        return self.final(self.hidden(x))


class Maps(NamedTuple):
    """What MoveNet puts out for a batch, at a quarter of the image's resolution.

    Attributes:
      centre: [B, h, w] logits of a person's middle.
      heat: [B, h, w, 17] logits of `COCO_17`'s keypoints.
      regress: [B, h, w, 17, 2] from a person's middle to each keypoint, (y, x) in pixels.
      offset: [B, h, w, 17, 2] from a pixel to the keypoint in it, likewise.
    """

    centre: jax.Array
    heat: jax.Array
    regress: jax.Array
    offset: jax.Array


class MoveNet(nn.Module):
    """The network as it was released; see this module."""

    shape: Shape

    def setup(self) -> None:
        count = len(COCO_17)
        self.conv1 = Convolution(3, self.shape.stem, 3, 2)
        self.stages = stages(self.shape)
        self.pyramid = FeaturePyramid(_level_channels(self.shape))
        self.centre, self.heat = Head(1), Head(count)
        self.regress, self.offset = Head(2 * count), Head(2 * count)

    def __call__(self, image: jax.Array) -> Maps:
        """[B, H, W, 3] of `normalise`."""
        return self.maps(self.features(image))

    def features(self, image: jax.Array) -> jax.Array:
        """What the heads see: [B, H, W, 3] of `normalise` to [B, H / 4, W / 4, 24]."""
        x, levels = self.conv1(image), []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in LEVELS:
                levels.append(x)
        return self.pyramid(levels)

    def maps(self, x: jax.Array) -> Maps:
        """What the heads say of `features`."""
        return Maps(
            self.centre(x)[..., 0],
            self.heat(x),
            *(y.reshape(*y.shape[:3], -1, 2) for y in (self.regress(x), self.offset(x))),
        )


def normalise(images: jax.Array) -> jax.Array:
    """uint8 [..., 3] RGB to -1 to 1."""
    return images.astype(jnp.float32) * (2 / 255) - 1


def decode(maps: Maps) -> tuple[jax.Array, jax.Array]:
    """MoveNet's own answer: the keypoints of the person in the middle.

    Returns:
      [B, 17, 2] (x, y) in shares of the image's width and height; [B, 17] scores, 0 to 1.
    """
    batch, height, width, count = maps.heat.shape
    rows, columns = jnp.mgrid[:height, :width]

    def weight(centre: jax.Array) -> jax.Array:
        """1 / (distance + 1.8) of each pixel from points [..., 2] (y, x): [..., h, w]."""
        y, x = (centre[..., axis, None, None] for axis in (0, 1))
        shape = (1,) * (centre.ndim - 1) + rows.shape
        down, across = rows.reshape(shape) - y, columns.reshape(shape) - x
        return 1 / (jnp.sqrt(down**2 + across**2) + NEARNESS)

    def flat(x: jax.Array) -> jax.Array:
        return x.reshape(batch, height * width, -1)

    middle = jnp.array([[height // 2, width // 2]], jnp.float32)
    # c = argmax of sigmoid(centre) / (|p - middle| + 1.8)
    best = flat(nn.sigmoid(maps.centre) * weight(middle)).argmax(1)
    c = jnp.stack([best // width, best % width], -1)
    # About here is each keypoint:  c + regress(c)
    ways = jnp.take_along_axis(flat(maps.regress), best[..., None], 1).reshape(batch, count, 2)
    about = c.astype(jnp.float32) + ways
    # p_k = argmax of sigmoid(heat_k) / (|p - about_k| + 1.8)
    scores = jnp.moveaxis(nn.sigmoid(maps.heat), -1, 1)
    place = (scores * weight(about)).reshape(batch, count, -1).argmax(-1)
    score = jnp.take_along_axis(scores.reshape(batch, count, -1), place[..., None], -1)[..., 0]
    pixel = jnp.stack([place // width, place % width], -1)
    offsets = flat(maps.offset).reshape(batch, height * width, count, 2)
    index = place[:, None, :, None]
    offset = jnp.take_along_axis(offsets, index, 1)[:, 0]
    found = (pixel + offset) / jnp.array([height, width]).reshape(1, 1, 2)
    return found[..., ::-1], score


def _level_channels(shape: Shape) -> tuple[int, ...]:
    return (*(shape.widths[level] for level in LEVELS[:-1]), shape.last)


CHANNELS = 96
"""Of the map that the heatmaps of IEF come to."""
FOLLOWING = (2, 3, 4, 6)
"""Rows that it sees directly: 1/8, 1/16, 1/16 and 1/32 of the image's resolution."""


class PositionsAndPresence(nn.Module):
    """Reads positions off a map, as `pyramid.Positions`, and whether each keypoint can be seen.

    Attributes:
      count: K.
    """

    count: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, h, w, C] to [B, 3 K]: (x, y) in shares of width and height, and then K logits."""
        batch, height, width, _ = x.shape
        small = nn.initializers.normal(0.02)
        found = nn.Dense(4 * self.count, kernel_init=small)(x)
        found = found.reshape(batch, height * width, 4, self.count)
        share = nn.softmax(found[:, :, 0], 1)
        columns, rows = jnp.meshgrid(jnp.arange(width) + 0.5, jnp.arange(height) + 0.5)
        centres = jnp.stack([columns, rows], -1).reshape(1, -1, 2, 1)
        # p_k = sum over pixels c of softmax(a_k)_c (c + d_kc)
        votes = (centres + REACH * found[:, :, 1:3]) / jnp.array([width, height]).reshape(
            1, 1, 2, 1
        )
        positions = jnp.einsum("bnk,bndk->bkd", share, votes).reshape(batch, -1)
        # b_k = sum over pixels c of softmax(a_k)_c b_kc
        presence = jnp.einsum("bnk,bnk->bk", share, found[:, :, 3])
        return jnp.concatenate([positions, presence], -1)


class MoveNetPyramid(Backbone):
    """IEF on MoveNet's trunk; see this module. Heatmaps enter at conv-1, or at the map (1)."""

    SHAPE: ClassVar[Shape]
    MEAN = (0.5,) * 3
    DEVIATION = (0.5,) * 3

    @staticmethod
    def corrections(numbers: jax.Array, y: jax.Array, size: int, unit: float) -> jax.Array:
        """The whole way from y to the positions that the network has put out."""
        # Pixel i of the crop has its centre at (i + 1/2) / S of its width.
        positions = numbers[:, : 2 * y.shape[-2]].reshape(y.shape)
        return size * positions - 0.5 - y

    @staticmethod
    def presence(numbers: jax.Array) -> jax.Array:
        """The last K of the numbers."""
        return numbers[:, 2 * (numbers.shape[1] // 3) :]

    def first(self) -> Convolution:
        return Convolution(3, self.SHAPE.stem, 3, 2)

    def rest(self) -> list[nn.Module]:
        return stages(self.SHAPE)

    def last(self) -> nn.Module:
        return PositionsAndPresence(self.outputs // 2)

    def setup(self) -> None:
        if self.pool_size != 1:
            raise ValueError(
                f"pool_size is {self.pool_size}, expected 1: no map is averaged to cells"
            )
        super().setup()
        shape = self.SHAPE
        widths = (*shape.widths[:-1], shape.last)
        self.pyramid = FeaturePyramid(_level_channels(shape))
        self.heat, self.regress = Separable(LATERALS[0], HIDDEN), Separable(LATERALS[0], HIDDEN)
        self.fine = Convolution(2 * HIDDEN + LATERALS[0], CHANNELS, 2, 2)
        self.laterals = [Convolution(widths[row], CHANNELS) for row in FOLLOWING]
        self.normal = nn.LayerNorm()
        self.blocks = [InvertedResidual(CHANNELS, CHANNELS, 5, 1, 2) for _ in range(3)]
        self.coarse = [InvertedResidual(CHANNELS, CHANNELS, 5, stride, 2) for stride in (2, 1, 1)]

    def encode_image(self, image: jax.Array) -> jax.Array:
        x = self.conv1(image)
        return self._map(x) if self.heatmap_stage else x

    def _map(self, x: jax.Array) -> jax.Array:
        """conv-1's result to [B, H / 8, W / 8, CHANNELS]."""
        levels, beside = [], []
        for index, stage in enumerate(self.stages):
            x = rematerialisation.kept(stage(x))
            if index in LEVELS:
                levels.append(x)
            if index in FOLLOWING:
                beside.append(self.laterals[FOLLOWING.index(index)](x))
        fine = self.pyramid(levels)
        total = self.fine(jnp.concatenate([fine, self.heat(fine), self.regress(fine)], -1))
        for side in beside:
            total += jax.image.resize(side, total.shape, "linear")
        return rematerialisation.kept(self.blocks[0](self.normal(total)))

    def _finish(self, x: jax.Array) -> jax.Array:
        x = x if self.heatmap_stage else self._map(x)
        # At half the resolution blocks reach from one end of the body to the other: which knee is
        # the left one depends on where the shoulders are.
        coarse = x
        for block in self.coarse:
            coarse = rematerialisation.kept(block(coarse))
        x = x + jax.image.resize(coarse, x.shape, "linear")
        for block in self.blocks[1:]:
            x = rematerialisation.kept(block(x))
        return self.head(nn.relu6(x))


def _heatmap_stages(shape: Shape) -> tuple[HeatmapStage, ...]:
    return (
        HeatmapStage("conv-1 and its activation; MobileNetV2", 2, shape.stem),
        HeatmapStage("the map; 5 blocks and the positions", 2 * STRIDE, CHANNELS),
    )


class MoveNetThunder(MoveNetPyramid):
    """On the larger variant, made for 256 x 256 pixels."""

    SHAPE = THUNDER
    HEATMAP_STAGES = _heatmap_stages(THUNDER)


class MoveNetLightning(MoveNetPyramid):
    """On the smaller variant, made for 192 x 192 pixels."""

    SHAPE = LIGHTNING
    HEATMAP_STAGES = _heatmap_stages(LIGHTNING)
