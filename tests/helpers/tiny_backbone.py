"""A backbone of a few weights: the real ones' interface, compiled in no time."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ief_jax.ief.backbones import EfficientNetLite0


class TinyBackbone(nn.Module):
    """One convolution of the stacked image, averaged over pool_size, and a dense layer."""

    outputs: int
    maps: int
    heatmap_stage: int = 0
    pool_size: int = 2
    heatmap_gain: float = 1.0

    normalise = staticmethod(EfficientNetLite0.normalise)
    corrections = staticmethod(EfficientNetLite0.corrections)
    presence = staticmethod(EfficientNetLite0.presence)

    def setup(self) -> None:
        self.of_image = nn.Conv(4, (4, 4), (4, 4), "VALID")
        self.of_maps = nn.Conv(4, (4, 4), (4, 4), "VALID", use_bias=False)
        self.last = nn.Dense(self.outputs)

    def __call__(self, image: jax.Array, maps: jax.Array) -> jax.Array:
        return self._rest(self.of_image(image) + self.heatmap_gain * self.of_maps(maps))

    def encode_image(self, image: jax.Array) -> jax.Array:
        return self.of_image(image)

    def correct(self, seen: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
        maps = jnp.einsum("bmh,bmw->bhwm", rows, columns)
        return self._rest(seen + self.heatmap_gain * self.of_maps(maps))

    def _rest(self, x: jax.Array) -> jax.Array:
        side = x.shape[1] // self.pool_size
        x = nn.avg_pool(nn.relu(x), (side, side), (side, side))
        return self.last(x.reshape(len(x), -1))
