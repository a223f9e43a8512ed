"""Cameras: body points in metres to image points, x right and y down.

The body faces the camera at +z: the camera looks along -z, and its image's y runs down.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks

FLIP = np.array([1.0, -1.0], np.float32)
"""y up in the world, y down in the image."""
LEAST_DEPTH = 0.05
"""Share of the body's distance at which a point is taken to be when it is nearer or behind."""


class WeakPerspective(NamedTuple):
    """LGD's camera (Song et al. 2020, Eq. 1).

    Attributes:
      scale: [] image units per metre.
      translation: [2] image units.
    """

    scale: jax.Array
    translation: jax.Array


class Perspective(NamedTuple):
    """A pinhole camera at the origin that looks along -z.

    Attributes:
      focal: [] or [2] focal length, pixels.
      centre: [2] principal point, pixels.
      position: [3] where the body's origin is, metres; its z is negative in front of the camera.
    """

    focal: jax.Array
    centre: jax.Array
    position: jax.Array


class Intrinsics(NamedTuple):
    """What is known of the lens a person was seen through.

    With a `WeakPerspective` it makes a perspective camera: the scale holds at the depth of the
    body's origin, which is seen at the translation.

    Attributes:
      inverse_focal: [] 1 / focal length, per image unit; 0 for a camera infinitely far away.
      centre: [2] principal point, image units.
    """

    inverse_focal: jax.Array
    centre: jax.Array


def slopes(image: jax.Array, intrinsics: Intrinsics | None) -> jax.Array:
    """How far lines of sight through image points [..., 2] lean from the optical axis: [..., 2].

    These are normalised image coordinates, (x - c) / f; zero without intrinsics.
    """
    checks.arrays(("image", image, "[..., 2] image points"))
    if intrinsics is None:
        return jnp.zeros_like(image)
    _check_intrinsics(intrinsics)
    return (image - _like(intrinsics.centre, image)) * intrinsics.inverse_focal


def along(points: jax.Array, leaning: jax.Array) -> jax.Array:
    """Points [..., 3] moved along lines of sight into the plane of the body's origin: [..., 2].

    A perspective camera's x = c + f (X + T_x) / (T_z - Z), multiplied out, is linear in its scale
    s = f / T_z and translation t:

        x = s (X + Z (x - c) / f) + t

    which is weak perspective along each keypoint's own line of sight instead of parallel ones.

    Args:
      points: body points, metres.
      leaning: [..., 2] `slopes` where each is seen.
    """
    checks.arrays(
        ("points", points, "[..., 3] body points, metres"), ("leaning", leaning, "[..., 2] slopes")
    )
    return points[..., :2] * _like(FLIP, points) + leaning * points[..., 2:]


def project(
    camera: WeakPerspective, points: jax.Array | np.ndarray, intrinsics: Intrinsics | None
) -> jax.Array:
    """Points [..., 3] to the image [..., 2], through a lens where one is given.

    In numpy where all that is given is numpy's.
    """
    if intrinsics is None:
        return project_weak(camera, points)
    checks.arrays(*_described(camera), ("points", points, "[..., 3] body points, metres"))
    _check_intrinsics(intrinsics)
    centre = _like(intrinsics.centre, points)
    # x^ = c + (s X + t - c) / (1 - s Z / f)
    nearer = 1 - camera.scale * intrinsics.inverse_focal * points[..., 2:]
    plane = camera.scale * (points[..., :2] * _like(FLIP, points))
    offset = _like(camera.translation, points) - centre
    return centre + (plane + offset) / _namespace(nearer).maximum(nearer, LEAST_DEPTH)


def position(camera: WeakPerspective, intrinsics: Intrinsics) -> jax.Array:
    """Where the body's origin is from a camera that looks along -z: [..., 3] metres.

    Infinitely far away for an inverse focal length of zero. In numpy where all that is given is
    numpy's.

    Args:
      camera: of one body, or of several: its arrays have any leading axes.
      intrinsics: likewise.
    """
    checks.arrays(
        ("camera.scale", camera.scale, "[...] image units per metre"),
        ("camera.translation", camera.translation, "[..., 2] image units"),
        ("intrinsics.inverse_focal", intrinsics.inverse_focal, "[...] per image unit"),
        ("intrinsics.centre", intrinsics.centre, "[..., 2] principal point"),
    )
    offset = camera.translation - intrinsics.centre
    plane = offset / camera.scale[..., None] * _like(FLIP, offset)
    # T_z = f / s
    depth = 1 / (camera.scale * intrinsics.inverse_focal)
    place: jax.Array = _namespace(plane, depth).concatenate([plane, -depth[..., None]], -1)
    return place


def project_weak(camera: WeakPerspective, points: jax.Array | np.ndarray) -> jax.Array:
    """Points [..., 3] to the image [..., 2]."""
    checks.arrays(*_described(camera), ("points", points, "[..., 3] body points, metres"))
    # x^ = s Pi(X) + t, the global rotation being part of X
    return camera.scale * (points[..., :2] * _like(FLIP, points)) + _like(
        camera.translation, points
    )


def project_perspective(camera: Perspective, points: jax.Array) -> jax.Array:
    """Points [..., 3] to the image [..., 2]; points behind the camera give mirrored images."""
    checks.arrays(
        ("camera.focal", camera.focal, "[2] focal lengths" if np.ndim(camera.focal) else "[]"),
        ("camera.centre", camera.centre, "[2] principal point, pixels"),
        ("camera.position", camera.position, "[3] where the body's origin is, metres"),
        ("points", points, "[..., 3] body points, metres"),
    )
    seen = points + _like(camera.position, points)
    focal = _like(jnp.broadcast_to(camera.focal, 2), points)
    # x^ = f (X / Z) + c
    projected = seen[..., :2] * _like(FLIP, points) / -seen[..., 2:]
    return focal * projected + _like(camera.centre, points)


def solve_weak(
    points: jax.Array,
    image: jax.Array,
    weights: jax.Array,
    intrinsics: Intrinsics | None = None,
) -> WeakPerspective:
    """The camera of least weighted squared error, in closed form.

    Args:
      points: [K, 3] body points.
      image: [K, 2] where they are seen.
      weights: [K], not negative; points of weight zero have no influence.
      intrinsics: of a perspective camera, whose errors count at the depth of the body's origin.

    Returns:
      The camera; its scale is at least 1e-3 of the ratio of the two spreads, so that a body seen
      from a hopeless side does not collapse or turn inside out.
    """
    checks.arrays(
        ("points", points, "[K, 3] body points, metres"),
        ("image", image, "[K, 2] where they are seen"),
        ("weights", weights, "[K]"),
    )
    w = (weights / jnp.maximum(weights.sum(), 1e-9))[:, None]
    plane = along(points, slopes(image, intrinsics))
    plane_mean, image_mean = (w * plane).sum(0), (w * image).sum(0)
    a, b = plane - plane_mean[None], image - image_mean[None]
    spread = (w * a**2).sum() + 1e-9
    # s = sum w a.b / sum w |a|^2, t = mean x - s mean Pi(X)
    floor = 1e-3 * jnp.sqrt((w * b**2).sum() / spread + 1e-12)
    scale = jnp.maximum((w * a * b).sum() / spread, floor)
    return WeakPerspective(scale, image_mean - scale * plane_mean)


def check(camera: WeakPerspective) -> None:
    """Raises ValueError unless the camera is that of one example."""
    checks.arrays(*_described(camera))


def _check_intrinsics(intrinsics: Intrinsics) -> None:
    checks.arrays(
        ("intrinsics.inverse_focal", intrinsics.inverse_focal, "[] per image unit"),
        ("intrinsics.centre", intrinsics.centre, "[2] principal point"),
    )


def _described(camera: WeakPerspective) -> tuple[tuple[str, object, str], ...]:
    return (
        ("camera.scale", camera.scale, "[] image units per metre"),
        ("camera.translation", camera.translation, "[2] image units"),
    )


def _like(vector: jax.Array | np.ndarray, points: jax.Array | np.ndarray) -> jax.Array:
    """A vector [n] with as many axes as points [..., 3], to be broadcast over them."""
    array: jax.Array = _namespace(vector, points).asarray(vector)
    return array.reshape((1,) * (points.ndim - 1) + (-1,))


def _namespace(*arrays: object) -> Any:
    """`numpy` where all arrays are its own, or else `jax.numpy`."""
    return np if all(isinstance(array, np.ndarray | np.generic) for array in arrays) else jnp
