"""MoveNet MultiPose (Google 2021): everybody in an image at once, with their boxes.

It is `movenet` with two heads more, which say of each person's middle how large their box is and
where in its pixel the middle is; and it takes images of any height and width that are multiples
of 32. As released it gives the six surest people; here it gives as many as are asked for. Heads
whose answer counts in a few places only are evaluated there alone: a quarter of the time.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from ief_jax import stored_programs
from ief_jax.ief.backbones.movenet import Head, MoveNet, Shape

MULTIPOSE = Shape(256, 48, (24, 40, 48, 96, 144, 240, 480))
PEAK = 5
"""A person's middle is the largest of a square of so many pixels of the map, along an axis."""
SPREAD = 0.3
"""Of where a keypoint is looked for: s^2 below, in shares of the map's shorter side."""
REACH = 16
"""Pixels of the map from there, along an axis, beyond which it is not looked for: the exponential
below is 0 there but for a thousandth."""
SEEN = 0.127
"""Keypoints of lower scores do not count for a person's."""


@stored_programs.writable
class People(NamedTuple):
    """The N surest people of an image, the surest first.

    Attributes:
      boxes: [N, 4] left, top, right and bottom, in shares of the image's width and height.
      points: [N, 17, 2] (x, y) of `COCO_17`'s keypoints, likewise.
      confidence: [N, 17] of the keypoints, 0 to 1.
      score: [N] of the person, 0 to 1; 0 where there are not so many.
    """

    boxes: jax.Array
    points: jax.Array
    confidence: jax.Array
    score: jax.Array


class MultiPose(MoveNet):
    """The network as it was released; see this module.

    In the released graph a keypoint's confidence is the largest that any of the six people would
    have at its place. Here it is this person's, whoever else is found.
    """

    shape: Shape = MULTIPOSE

    def setup(self) -> None:
        super().setup()
        self.size, self.place = Head(2), Head(2)

    def people(self, image: jax.Array, count: int) -> People:
        """The people of one image.

        Args:
          image: [H, W, 3] of `movenet.normalise`.
          count: N.
        """
        features = self.features(image[None])[0]
        height, width, _ = features.shape
        sides = jnp.array([height, width], jnp.float32)
        centre = nn.sigmoid(self.centre(features[None])[0, ..., 0])
        largest = lax.reduce_window(centre, -jnp.inf, lax.max, (PEAK, PEAK), (1, 1), "SAME")
        peaks, best = lax.top_k(jnp.where(centre == largest, centre, 0).reshape(-1), count)
        c = jnp.stack([best // width, best % width], -1)
        around = _patches(features, c)
        # The box has its middle at  c + place(c)  and is as large as  size(c)
        middle, half = c + _middle(self.place(around)), _middle(self.size(around)) / 2
        low, high = (
            jnp.clip(side, 0, sides.reshape(1, 2))
            for side in (middle - nn.relu(half), middle + nn.relu(half))
        )
        # About here is each keypoint:  c + regress(c)
        about = c[:, None] + _middle(self.regress(around)).reshape(count, -1, 2)

        # p_k = argmax of  a_k(p) = sigmoid(heat_k(p)) exp(-|p - about_k|^2 / s^2)  within the box
        steps = jnp.arange(-REACH, REACH + 1).reshape(1, 1, 1, -1)
        start = jnp.round(about).astype(jnp.int32)[..., None] + steps
        within = (start >= low[:, None, :, None]) & (start < high[:, None, :, None])
        near = jnp.exp(-((start - about[..., None]) ** 2) / (SPREAD * sides.min())) * within
        rows, columns = start[..., 0, :, None], start[..., 1, None, :]
        heat = nn.sigmoid(self.heat(features[None])[0])
        joints = jnp.arange(heat.shape[-1])
        # What is read for pixels beyond the edges does not matter: they are in no box.
        a = heat[rows, columns, joints.reshape(1, -1, 1, 1)]
        a = (a * near[..., 0, :, None] * near[..., 1, None, :]).reshape(*about.shape[:2], -1)
        best, confidence = a.argmax(-1), a.max(-1)
        first = start[..., 0]
        pixel = first + jnp.stack([best // (2 * REACH + 1), best % (2 * REACH + 1)], -1)
        offsets = _middle(self.offset(_patches(features, pixel.reshape(-1, 2))))
        offsets = offsets.reshape(*pixel.shape[:2], -1, 2)
        offset = jnp.take_along_axis(offsets, joints.reshape(1, -1, 1, 1), 2)[:, :, 0]
        # score = centre(c) times the mean confidence of the keypoints that are seen
        seen = confidence > SEEN
        mean = jnp.where(seen, confidence, 0).sum(-1) / jnp.maximum(seen.sum(-1), 1)
        scale = 1 / sides[::-1].reshape(1, 2)
        return People(
            jnp.concatenate([low[:, ::-1] * scale, high[:, ::-1] * scale], -1),
            (pixel + offset)[..., ::-1] * scale[None],
            confidence,
            peaks * mean,
        )


def _patches(x: jax.Array, places: jax.Array) -> jax.Array:
    """The 3 x 3 pixels of a map [h, w, C] about places [N, 2] (row, column): [N, 3, 3, C]."""
    padded = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))
    step = jnp.arange(3)
    rows, columns = (places[:, axis, None] + step.reshape(1, 3) for axis in (0, 1))
    return padded[rows[:, :, None], columns[:, None, :]]


def _middle(patches: jax.Array) -> jax.Array:
    return patches[:, 1, 1]
