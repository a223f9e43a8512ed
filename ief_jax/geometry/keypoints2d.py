"""What is observed of a person: 2D keypoints with confidences, in pixels or normalised."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ief_jax.geometry import camera


class Keypoints2D(NamedTuple):
    """Keypoints of one person.

    Attributes:
      points: [K, 2] x right, y down.
      confidence: [K] in [0, 1]; 0 hides a keypoint, whose coordinates are then ignored.
    """

    points: jax.Array
    confidence: jax.Array


class Square(NamedTuple):
    """The square in which keypoints are normalised: its centre [2] and half its side []."""

    centre: jax.Array
    half: jax.Array


def bounding_square(observed: Keypoints2D) -> Square:
    """The square round the visible keypoints; half a pixel at least when they coincide."""
    seen = (observed.confidence > 0)[:, None]
    low = jnp.where(seen, observed.points, jnp.inf).min(0)
    high = jnp.where(seen, observed.points, -jnp.inf).max(0)
    any_seen = seen.any()
    low, high = jnp.where(any_seen, low, 0.0), jnp.where(any_seen, high, 0.0)
    return Square((low + high) / 2, jnp.maximum((high - low).max() / 2, 0.5))


def normalise(observed: Keypoints2D, square: Square) -> Keypoints2D:
    """Pixels to [-1, 1] within `square`; hidden keypoints become zero."""
    seen = (observed.confidence > 0)[:, None]
    return Keypoints2D(
        jnp.where(seen, (observed.points - square.centre[None]) / square.half, 0.0),
        observed.confidence,
    )


def camera_to_square(view: camera.WeakPerspective, square: Square) -> camera.WeakPerspective:
    """A camera of pixels to the one of normalised coordinates."""
    return camera.WeakPerspective(
        view.scale / square.half, (view.translation - square.centre) / square.half
    )


def camera_to_pixels(view: camera.WeakPerspective, square: Square) -> camera.WeakPerspective:
    """A camera of normalised coordinates to the one of the pixels."""
    return camera.WeakPerspective(
        view.scale * square.half, view.translation * square.half + square.centre
    )
