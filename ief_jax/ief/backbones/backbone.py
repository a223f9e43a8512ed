"""What all backbones have in common: an image and heatmaps in, numbers out."""

from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ief_jax.ief.backbones import convolutions, layers, pooling, rematerialisation


class HeatmapStage(NamedTuple):
    """A place where the heatmaps can come in: before a stage."""

    stage: str
    """What the stage holds, in the words of its paper."""
    stride: int
    """Image pixels for each pixel of the stage's input, along an axis."""
    channels: int
    """Of the stage's input."""


class Backbone(nn.Module):
    """f of IEF's equation 1, e_t = f(x_t) with x_t = I (+) g(y_t), for any network.

    A network is a first convolution and stages. The heatmaps' part is added to what a stage
    takes in. With `heatmap_stage` 0 that is conv-1's result, and their part is conv-1's convolution
    of the heatmaps: the sum is conv-1 of image and heatmaps stacked, as in the paper. With a later
    stage it is a 1 x 1 convolution of the heatmaps averaged to the stage's resolution:
    the paper's closing idea, for which the stages before it run once for all steps.

    `correct(encode_image(image), rows, columns)` gives what `__call__(image, maps)` does, and the
    part that does not change from step to step is computed once:

        encoded = encode_image(image)
        for each step: corrections = correct(encoded, rows, columns)

    Attributes:
      outputs: numbers to put out, 2 K for K keypoints.
      maps: heatmaps, M.
      heatmap_stage: the index, in `HEATMAP_STAGES`, of the stage before which the heatmaps come in.
      pool_size: the last map is averaged to pool_size x pool_size before the last dense layer.
      heatmap_gain: factor on the heatmaps' kernel; 1.0 in the paper. On the fixed path, where a
        keypoint goes can be read off where it has come from, without the image: a network whose
        heatmaps are weaker learns it from the image.
    """

    outputs: int
    maps: int
    heatmap_stage: int = 0
    pool_size: int = 1
    heatmap_gain: float = 1.0

    HEATMAP_STAGES: ClassVar[tuple[HeatmapStage, ...]]
    """One for each stage."""
    MEAN: ClassVar[tuple[float, float, float]]
    """Of red, green and blue, in [0, 1], as the pretrained weights expect them."""
    DEVIATION: ClassVar[tuple[float, float, float]]

    @classmethod
    def normalise(cls, images: jax.Array) -> jax.Array:
        """uint8 [..., 3] RGB to the float32 that the network takes in."""
        shape = (1,) * (images.ndim - 1) + (3,)
        mean, deviation = (
            np.reshape(v, shape).astype(np.float32) for v in (cls.MEAN, cls.DEVIATION)
        )
        return (images.astype(jnp.float32) / 255 - mean) / deviation

    def first(self) -> layers.Convolution:
        """The first convolution, with its bias and without what follows."""
        raise NotImplementedError

    def rest(self) -> list[nn.Module]:
        """The stages; the first of them begins with conv-1's activation."""
        raise NotImplementedError

    def neck(self) -> list[nn.Module]:
        """What comes between the flattened last map and the last dense layer."""
        return []

    def last(self) -> nn.Module:
        """What puts out the numbers."""
        # Small at first: an untrained network hardly moves the keypoints.
        small = nn.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")
        return nn.Dense(self.outputs, kernel_init=small)

    @staticmethod
    def corrections(numbers: jax.Array, y: jax.Array, size: int, unit: float) -> jax.Array:
        """What the network's numbers say is wrong with keypoints.

        Args:
          numbers: [B, 2 K], what the network puts out.
          y: [B, K, 2] the keypoints that it was shown, pixels.
          size: of the square image, pixels.
          unit: pixels that a number of one stands for.

        Returns:
          [B, K, 2] pixels.
        """
        return unit * numbers.reshape(y.shape)

    @staticmethod
    def presence(numbers: jax.Array) -> jax.Array | None:
        """Logits [B, K] of whether each keypoint can be seen, of what the network has put out.

        None where it puts out nothing of the kind.
        """
        del numbers
        return None

    def setup(self) -> None:
        if not 0 <= self.heatmap_stage < len(self.HEATMAP_STAGES):
            last = len(self.HEATMAP_STAGES) - 1
            raise ValueError(f"heatmap_stage is {self.heatmap_stage}, expected 0 to {last}")
        if self.pool_size < 1:
            raise ValueError(f"pool_size is {self.pool_size}, expected at least 1")
        self.conv1 = self.first()
        self.stages = self.rest()
        self.dense = self.neck()
        self.head = self.last()
        if self.heatmap_stage == 0:
            size = self.conv1.size
            # conv-1 sees inputs + maps channels, whatever their kernels are kept in.
            fan_in = size**2 * (self.conv1.inputs + self.maps)
            initial = nn.initializers.normal((2 / fan_in) ** 0.5)
            shape = (size, size, self.maps, self.conv1.outputs)
        else:
            initial = nn.initializers.normal(1.0)
            shape = (1, 1, self.maps, self.HEATMAP_STAGES[self.heatmap_stage].channels)
        self.maps_kernel = self.heatmap_gain * self.param("maps_kernel", initial, shape)

    def __call__(self, image: jax.Array, maps: jax.Array) -> jax.Array:
        """The plain form, with the heatmaps as images.

        Args:
          image: [B, H, W, 3], of `normalise`.
          maps: [B, H, W, M].

        Returns:
          [B, outputs].
        """
        if self.heatmap_stage == 0:
            x = jnp.concatenate([image, maps], -1)
            kernel = jnp.concatenate([self.conv1.weights(), self.maps_kernel], 2)
            x = convolutions.convolution(x, kernel, self.conv1.stride, self.conv1.padding)
            return self._finish(x + self.conv1.bias.reshape(1, 1, 1, -1))
        encoded = self.encode_image(image)
        pooled = pooling.average_pool(maps, *encoded.shape[1:3])
        return self._finish(encoded + convolutions.convolution(pooled, self.maps_kernel, 1, "SAME"))

    def encode_image(self, image: jax.Array) -> jax.Array:
        """All that does not depend on the keypoints: [B, H, W, 3] to [B, h, w, C]."""
        x = self.conv1(image)
        for stage in self.stages[: self.heatmap_stage]:
            x = rematerialisation.kept(stage(x))
        return x

    def correct(self, encoded: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """The rest, for heatmaps that are products of profiles.

        Args:
          encoded: of `encode_image`.
          rows: [B, M, H], the heatmaps' profiles along y.
          columns: [B, M, W], and along x.

        Returns:
          [B, outputs].
        """
        return self._finish(self.stack_heatmaps(encoded, rows, columns))

    def stack_heatmaps(self, encoded: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """x_t = I (+) g(y_t) (Eq. 3), as the stage takes it in; arguments as for `correct`.

        What a convolution makes of stacked inputs is the sum of what it makes of each.
        """
        if self.heatmap_stage == 0:
            stride, padding = self.conv1.stride, self.conv1.padding
        else:
            stride, padding = 1, "SAME"
            # The average over a rectangle of a product is the product of the averages.
            down = pooling.averaging(rows.shape[-1], encoded.shape[1])
            across = pooling.averaging(columns.shape[-1], encoded.shape[2])
            rows, columns = rows @ down.T.astype(rows.dtype), columns @ across.T.astype(rows.dtype)
        return encoded + convolutions.separable(rows, columns, self.maps_kernel, stride, padding)

    def _finish(self, x: jax.Array) -> jax.Array:
        for stage in self.stages[self.heatmap_stage :]:
            x = rematerialisation.kept(stage(x))
        x = pooling.average_pool(x, self.pool_size, self.pool_size)
        x = x.reshape(len(x), -1)
        for layer in self.dense:
            x = layer(x)
        return self.head(x)
