"""How a fit depends on what it was given: the derivative of the whole unrolled fit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ief_jax import compiling, stored_programs
from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d
from ief_jax.io import checkpoint_files
from ief_jax.lgd import checkpoints, fitting
from ief_jax.lgd.config import LGDConfig


@stored_programs.writable
class Jacobian(NamedTuple):
    """Derivatives of N fitted bodies by their 27 keypoints.

    Attributes:
      poses: [N, 24, 3, 27, 2] of the axis-angle pose, radians per pixel.
      joints: [N, 24, 3, 27, 2] of the joints, metres per pixel.
    """

    poses: jax.Array
    joints: jax.Array


def jacobian(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: ArrayLike,
    confidence: ArrayLike,
    steps: int | None = None,
    intrinsics: camera.Intrinsics | None = None,
) -> Jacobian:
    """Which keypoint moves which joint, through all steps of `fitting.fit`.

    Keypoints of confidence 0 have derivatives of zero. Arguments and errors are those of `fit`.
    """
    return _jacobian(*fitting.arguments(checkpoint, model, points, confidence, steps, intrinsics))


def derivatives(
    configuration: LGDConfig,
    steps: int,
    weights: checkpoint_files.Weights,
    model: joints.JointModel,
    pixels: keypoints2d.Keypoints2D,
) -> Jacobian:
    """`jacobian` of what `fitting.arguments` gives, not compiled."""
    # Where hidden keypoints are does not count, and it may be nowhere.
    points = jnp.where(pixels.confidence[..., None] > 0, pixels.points, 0.0)

    def fitted(points: jax.Array) -> Jacobian:
        bodies, *_ = fitting.ended(
            configuration, steps, weights, model, pixels._replace(points=points)
        )
        return Jacobian(bodies.poses.reshape(*bodies.joints.shape), bodies.joints)

    def along(direction: jax.Array) -> Jacobian:
        # One coordinate of one keypoint, of all people at once: they do not depend on each other.
        return jax.jvp(fitted, (points,), (jnp.broadcast_to(direction[None], points.shape),))[1]

    keypoints, axes = points.shape[1:]
    directions = jnp.eye(keypoints * axes).reshape(-1, keypoints, axes)
    by_direction = jax.vmap(along, out_axes=-1)(directions)
    return jax.tree.map(lambda d: d.reshape(*d.shape[:-1], keypoints, axes), by_direction)


_jacobian = stored_programs.jit(derivatives, compiling.LEAN, static_argnums=(0, 1))
