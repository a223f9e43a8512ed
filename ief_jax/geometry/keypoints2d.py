"""What is observed of a person: 2D keypoints with confidences, in pixels or normalised."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ief_jax import checks
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


def check(observed: Keypoints2D, **sizes: int) -> None:
    """Raises ValueError unless keypoints are those of one person.

    Args:
      observed: the keypoints.
      **sizes: K, where it is known.
    """
    checks.arrays(
        ("observed.points", observed.points, "[K, 2] keypoints"),
        ("observed.confidence", observed.confidence, "[K] 0 to 1"),
        **sizes,
    )


def check_batch(observed: Keypoints2D, **sizes: int) -> None:
    """As `check`, for N people."""
    checks.arrays(
        ("observed.points", observed.points, "[N, K, 2] keypoints"),
        ("observed.confidence", observed.confidence, "[N, K] 0 to 1"),
        **sizes,
    )


def _check_square(square: Square) -> None:
    checks.arrays(("square.centre", square.centre, "[2]"), ("square.half", square.half, "[]"))


def bounding_square(observed: Keypoints2D) -> Square:
    """The square round the visible keypoints; half a pixel at least when they coincide."""
    check(observed)
    seen = (observed.confidence > 0)[:, None]
    low = jnp.where(seen, observed.points, jnp.inf).min(0)
    high = jnp.where(seen, observed.points, -jnp.inf).max(0)
    any_seen = seen.any()
    low, high = jnp.where(any_seen, low, 0.0), jnp.where(any_seen, high, 0.0)
    return Square((low + high) / 2, jnp.maximum((high - low).max() / 2, 0.5))


def normalise(observed: Keypoints2D, square: Square) -> Keypoints2D:
    """Pixels to [-1, 1] within `square`; hidden keypoints become zero."""
    check(observed)
    _check_square(square)
    seen = (observed.confidence > 0)[:, None]
    return Keypoints2D(
        jnp.where(seen, (observed.points - square.centre[None]) / square.half, 0.0),
        observed.confidence,
    )


def camera_to_square(view: camera.WeakPerspective, square: Square) -> camera.WeakPerspective:
    """A camera of pixels to the one of normalised coordinates."""
    camera.check(view)
    _check_square(square)
    return camera.WeakPerspective(
        view.scale / square.half, (view.translation - square.centre) / square.half
    )


def camera_to_pixels(view: camera.WeakPerspective, square: Square) -> camera.WeakPerspective:
    """A camera of normalised coordinates to the one of the pixels."""
    camera.check(view)
    _check_square(square)
    return camera.WeakPerspective(
        view.scale * square.half, view.translation * square.half + square.centre
    )
