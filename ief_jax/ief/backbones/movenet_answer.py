"""MoveNet's own answer as a correction: what IEF on its trunk (`movenet`) is measured against.

Whatever the keypoints are, the correction is the whole way from them to MoveNet's answer, so one
step is enough. There is nothing to train: `data.assets.movenet.answer` makes the checkpoint.
"""

import jax
import jax.numpy as jnp

from ief_jax.ief.backbones.backbone import Backbone
from ief_jax.ief.backbones.movenet import THUNDER, MoveNet, MoveNetPyramid, decode

_LEAST = 1e-4
"""Of a score, whose logit is taken."""


class MoveNetThunderAnswer(Backbone):
    """Thunder as it was released, for `COCO_17`'s keypoints in images of 256 x 256 pixels."""

    HEATMAP_STAGES = ()  # heatmaps are not looked at
    MEAN = MoveNetPyramid.MEAN
    DEVIATION = MoveNetPyramid.DEVIATION

    corrections = staticmethod(MoveNetPyramid.corrections)
    presence = staticmethod(MoveNetPyramid.presence)

    def setup(self) -> None:
        self.movenet = MoveNet(THUNDER)

    def __call__(self, image: jax.Array, maps: jax.Array) -> jax.Array:
        return self.encode_image(image)

    def encode_image(self, image: jax.Array) -> jax.Array:
        """[B, H, W, 3] to [B, 3 K]: (x, y) in shares of width and height, and K logits."""
        points, score = decode(self.movenet(image))
        score = jnp.clip(score, _LEAST, 1 - _LEAST)
        logits = jnp.log(score / (1 - score))
        return jnp.concatenate([points.reshape(len(points), -1), logits], -1)

    def correct(self, encoded: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
        return encoded
