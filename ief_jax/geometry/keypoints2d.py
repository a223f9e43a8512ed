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
      confidence: [K] in [0, 1]; 0 hides a keypoint, whose coordinates are then ignored. Beside one
        another, confidences say how exact keypoints are: errors are taken to be 1 / confidence.
      intrinsics: of the lens, in the same units as the points; None for weak perspective.
    """

    points: jax.Array
    confidence: jax.Array
    intrinsics: camera.Intrinsics | None = None

    @property
    def weights(self) -> jax.Array:
        """[K] 1 / variance, up to a factor."""
        return self.confidence**2


class Square(NamedTuple):
    """The square in which keypoints are normalised.

    Attributes:
      centre: [2].
      half: [] half its side.
      turn: [] by how much the person is turned in the image, radians, clockwise as one sees it;
        normalised keypoints are turned back.
    """

    centre: jax.Array
    half: jax.Array
    turn: jax.Array


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
    if observed.intrinsics is not None:
        checks.arrays(
            ("observed.intrinsics.inverse_focal", observed.intrinsics.inverse_focal, "[]"),
            ("observed.intrinsics.centre", observed.intrinsics.centre, "[2] principal point"),
        )


def check_batch(observed: Keypoints2D, **sizes: int) -> None:
    """As `check`, for N people."""
    checks.arrays(
        ("observed.points", observed.points, "[N, K, 2] keypoints"),
        ("observed.confidence", observed.confidence, "[N, K] 0 to 1"),
        **sizes,
    )
    if observed.intrinsics is not None:
        checks.arrays(
            ("observed.points", observed.points, "[N, K, 2] keypoints"),
            ("observed.intrinsics.inverse_focal", observed.intrinsics.inverse_focal, "[N]"),
            ("observed.intrinsics.centre", observed.intrinsics.centre, "[N, 2]"),
        )


def _check_square(square: Square) -> None:
    checks.arrays(
        ("square.centre", square.centre, "[2]"),
        ("square.half", square.half, "[]"),
        ("square.turn", square.turn, "[] radians"),
    )


def turned(points: jax.Array, angle: jax.Array) -> jax.Array:
    """Image points [..., 2] turned about the origin by [] radians, clockwise as one sees them."""
    checks.arrays(("points", points, "[..., 2] image points"), ("angle", angle, "[] radians"))
    x, y = points[..., 0], points[..., 1]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cos * x - sin * y, sin * x + cos * y], -1)


def bounding_square(observed: Keypoints2D, turn: jax.Array | float = 0.0) -> Square:
    """The square round the visible keypoints; half a pixel at least when they coincide.

    Args:
      observed: the keypoints.
      turn: [] of the square in the image, radians.
    """
    check(observed)
    turn = jnp.asarray(turn, observed.points.dtype)
    seen = (observed.confidence > 0)[:, None]
    upright = turned(observed.points, -turn)
    low = jnp.where(seen, upright, jnp.inf).min(0)
    high = jnp.where(seen, upright, -jnp.inf).max(0)
    any_seen = seen.any()
    low, high = jnp.where(any_seen, low, 0.0), jnp.where(any_seen, high, 0.0)
    centre = turned((low + high) / 2, turn)
    return Square(centre, jnp.maximum((high - low).max() / 2, 0.5), turn)


def lens_to_pixels(lens: camera.Intrinsics | None, square: Square) -> camera.Intrinsics:
    """Intrinsics of normalised coordinates, None for weak perspective, to those of the pixels."""
    _check_square(square)
    if lens is None:
        return camera.Intrinsics(jnp.zeros_like(square.half), square.centre)
    return camera.Intrinsics(lens.inverse_focal / square.half, to_pixels(lens.centre, square))


def to_pixels(points: jax.Array, square: Square) -> jax.Array:
    """Normalised image points [..., 2] to those of the pixels."""
    _check_square(square)
    centre = square.centre.reshape((1,) * (points.ndim - 1) + (2,))
    return turned(points * square.half, square.turn) + centre


def normalise(observed: Keypoints2D, square: Square) -> Keypoints2D:
    """Pixels to [-1, 1] within `square`; hidden keypoints become zero."""
    check(observed)
    _check_square(square)
    seen = (observed.confidence > 0)[:, None]

    def within(points: jax.Array) -> jax.Array:
        moved = (points - square.centre.reshape((1,) * (points.ndim - 1) + (2,))) / square.half
        return turned(moved, -square.turn)

    lens = observed.intrinsics
    if lens is not None:
        lens = camera.Intrinsics(lens.inverse_focal * square.half, within(lens.centre))
    return Keypoints2D(jnp.where(seen, within(observed.points), 0.0), observed.confidence, lens)
