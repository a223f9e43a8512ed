"""Random crops of people: turned, scaled, mirrored, recoloured, covered, cut off, not alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments.ief.on_device import pictures
from experiments.ief.on_device.pictures import Pictures

TURN = 35.0
"""Standard deviation of the rotation in degrees; one in `ANY_TURN` is turned anyhow."""
ANY_TURN = 0.2
SCALES = (0.75, 1.35)
CLOSE = 0.1
"""Share of crops that show a part of the person alone."""
SHIFT = 0.05
COLOUR = 0.35
GREY = 0.08
COVERED = 0.5
BESIDE = 0.2
CUT = 0.2
STRETCHED = 0.3
"""Share of crops that are not black outside the picture."""
HIDDEN_WEIGHT = 0.3
"""How much the position of a keypoint counts that something was laid over."""
OUTSIDE_WEIGHT = 0.15
"""And of one that is cut off."""


class Labels(NamedTuple):
    """What is known of a person's K keypoints.

    Attributes:
      points: [K, 2] pixels.
      weight: [K] how much each position counts.
      present: [K] 1 where it can be seen, 0 where not.
      known: [K] how much that counts.
    """

    points: jax.Array
    weight: jax.Array
    present: jax.Array
    known: jax.Array


def example(
    key: jax.Array, person: Pictures, labels: Labels, opposite: jax.Array, size: int
) -> tuple[jax.Array, Labels]:
    """One crop, [S, S, 3] 0 to 255, and the keypoints in it, in its pixels."""
    keys = jax.random.split(key, 8)
    uniform = jax.random.uniform(keys[0], (8,))
    angle = jnp.radians(TURN) * jax.random.truncated_normal(keys[1], -2.5, 2.5)
    angle = jnp.where(uniform[0] < ANY_TURN, jnp.pi * (2 * uniform[1] - 1), angle)
    low, high = jnp.log(jnp.array(SCALES))
    scale = jnp.exp(low + (high - low) * uniform[2])
    close = uniform[3] < CLOSE
    scale = jnp.where(close, 0.4 + 0.35 * uniform[4], scale)
    shift = jnp.where(close, 0.2, SHIFT) * jax.random.normal(keys[2], (2,))
    mirrored = uniform[5] < 0.5
    view = pictures.view(person, size, angle, scale, mirrored, shift)
    order = jnp.where(mirrored, opposite, jnp.arange(len(opposite)))
    points, weight, present, known = (part[order] for part in labels)
    points = pictures.to_crop(view, points, size)
    image = pictures.crop(person, view, size, uniform[6] < STRETCHED)
    image = _coloured(keys[3], image)
    inside = ((points >= 0) & (points <= size - 1)).all(-1)
    return image, Labels(
        points,
        weight * jnp.where(inside, 1.0, OUTSIDE_WEIGHT),
        present * inside,
        jnp.where(inside, known, 1.0),
    )


def disturb(
    key: jax.Array, image: jax.Array, labels: Labels, other: jax.Array
) -> tuple[jax.Array, Labels]:
    """Lays parts of another crop over the crop, and cuts it off at a side."""
    size = image.shape[0]
    keys = jax.random.split(key, 8)
    uniform = jax.random.uniform(keys[0], (8,))
    columns, rows = jnp.meshgrid(jnp.arange(size), jnp.arange(size))
    grid = jnp.stack([columns, rows], -1).astype(jnp.float32)

    # Another person beside this one, or a part of another picture over a keypoint.
    for number in range(2):
        draws = jax.random.uniform(keys[1 + number], (12,))
        beside = (draws[0] < BESIDE) & (number == 0)
        side = jnp.where(draws[1] < 0.5, -1.0, 1.0)
        next_to = size * jnp.array([0.5 + side * (0.28 + 0.2 * draws[2]), 0.35 + 0.3 * draws[3]])
        pick = (draws[2] * len(labels.points)).astype(jnp.int32)
        over = labels.points[pick] + 0.08 * size * (draws[3:5] - 0.5)
        centre = jnp.where(beside, next_to, over)
        half = size * jnp.where(
            beside,
            jnp.array([0.1, 0.3]) + 0.06 * draws[5:7],
            0.04 + 0.16 * draws[5:7] ** 2,
        )
        angle = jnp.where(beside, 0.5 * (draws[7] - 0.5), jnp.pi * draws[7])
        round_ = beside | (draws[8] < 0.5)
        used = beside | (draws[9] < COVERED)

        def within(
            at: jax.Array,
            centre: jax.Array = centre,
            half: jax.Array = half,
            angle: jax.Array = angle,
            round_: jax.Array = round_,
            used: jax.Array = used,
        ) -> jax.Array:
            cos, sin = jnp.cos(angle), jnp.sin(angle)
            local = (at - centre) @ jnp.array([[cos, -sin], [sin, cos]]) / half
            norm = jnp.where(round_, jnp.square(local).sum(-1), jnp.abs(local).max(-1))
            return (norm < 1) & used

        moved = jnp.roll(other, (centre - size / 2).astype(jnp.int32)[::-1], (0, 1))
        plain = 255 * jax.random.uniform(keys[3 + number], (3,))
        filling = jnp.where((draws[10] < 0.3) & ~beside, plain, moved)
        image = jnp.where(within(grid)[..., None], filling, image)
        hidden = within(labels.points)
        labels = Labels(
            labels.points,
            labels.weight * jnp.where(hidden, HIDDEN_WEIGHT, 1.0),
            labels.present * ~hidden,
            jnp.where(hidden, 1.0, labels.known),
        )

    # The photograph ends here.
    direction = (uniform[0] * 4).astype(jnp.int32)
    edge = size * (0.08 + 0.4 * uniform[1])

    def beyond(at: jax.Array) -> jax.Array:
        from_edge = jnp.stack(
            [at[..., 0], size - 1 - at[..., 0], at[..., 1], size - 1 - at[..., 1]]
        )
        return (from_edge[direction] < edge) & (uniform[2] < CUT)

    image = jnp.where(beyond(grid)[..., None], 0.0, image)
    cut = beyond(labels.points)
    return image, Labels(
        labels.points,
        labels.weight * jnp.where(cut, OUTSIDE_WEIGHT, 1.0),
        labels.present * ~cut,
        jnp.where(cut, 1.0, labels.known),
    )


def moved_states(key: jax.Array, y: jax.Array, opposite: jax.Array, unit: float) -> jax.Array:
    """States [N, K, 2] that are off as they are on people who were not trained on.

    On those that were, the network's own states are so good that it would learn to leave
    keypoints where they are. Half of the people's are moved; of theirs some keypoints far, and
    now and then left and right change places.
    """
    keys = jax.random.split(key, 6)
    people, joints = y.shape[0], y.shape[:2]
    moved = jax.random.bernoulli(keys[0], 0.5, (people, 1, 1))
    far = jax.random.bernoulli(keys[1], 0.12, (*joints, 1))
    little = jax.random.uniform(keys[2], (people, 1, 1))
    off = unit * jnp.where(far, 3.0, little) * jax.random.normal(keys[3], y.shape)
    # A pair changes places where its lower index says so.
    pair = jnp.minimum(opposite, jnp.arange(len(opposite)))
    draw = jax.random.uniform(keys[4], joints)[:, pair]
    share = 0.4 * jax.random.bernoulli(keys[5], 0.3, (people, 1))
    y = jnp.where((moved & (draw < share)[..., None]), y[:, opposite], y)
    return jnp.where(moved, y + off, y)


def _coloured(key: jax.Array, image: jax.Array) -> jax.Array:
    """Brightness, contrast, saturation, white balance and grain; black stays black."""
    keys = jax.random.split(key, 4)
    draws = jax.random.uniform(keys[0], (5,))
    brightness, contrast, saturation = 1 + COLOUR * (2 * draws[:3] - 1)
    saturation = jnp.where(draws[3] < GREY, 0.0, saturation)
    balance = 1 + COLOUR / 3 * (2 * jax.random.uniform(keys[1], (3,)) - 1)
    grey = (image @ jnp.array([0.299, 0.587, 0.114]))[..., None]
    # c -> contrast (brightness balance mix c - 128) + 128
    mixed = brightness * balance * (saturation * image + (1 - saturation) * grey)
    grain = 12 * draws[4] ** 2 * jax.random.normal(keys[2], image.shape)
    coloured = jnp.clip(contrast * (mixed - 128) + 128 + grain, 0, 255)
    return jnp.where(image.any(-1, keepdims=True), coloured, 0.0)
