"""Motions whose joints are known, for the files of motion."""

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax.body import smpl
from ief_jax.body.motion import Motion
from ief_jax.geometry import rotations


def moving(seed: int, frames: int, first: float = 0.0, fps: float = 25.0) -> Motion:
    """Somebody who turns round, walks and bends every joint, far and smoothly."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames) / fps
    swing = np.sin(times[:, None, None] * rng.uniform(1, 6, (24, 3)) + rng.uniform(0, 6, (24, 3)))
    poses = swing * rng.uniform(0.2, 1.2, (24, 3))
    poses[:, 0] = np.stack([0.2 * swing[:, 0, 0], 2.5 * times + seed, 0.1 * swing[:, 0, 2]], 1)
    way = np.stack([0.8 * times, 0.05 * np.sin(9 * times), -4 - 0.3 * times], 1)
    return Motion(f"person_{seed}", poses, rng.normal(size=10), way, first + times)


def joints(body: smpl.BodyModel, motion: Motion) -> np.ndarray:
    """[T, 24, 3] metres, where the body model has the joints."""
    return np.asarray(_posed(body, motion)[0]) + motion.trans[:, None]


def skinned(body: smpl.BodyModel, motion: Motion) -> np.ndarray:
    """[T, V, 3] metres, linear blend skinning alone."""
    return np.asarray(_posed(body, motion)[1]) + motion.trans[:, None]


@jax.jit
def _bodies(
    body: smpl.BodyModel, poses: jax.Array, betas: jax.Array
) -> tuple[jax.Array, jax.Array]:
    shaped = smpl.shape(body, betas)

    def one(pose: jax.Array) -> tuple[jax.Array, jax.Array]:
        posed = smpl.pose(shaped.joints, rotations.axis_angle_to_matrix(pose), body.parents)
        turning = jnp.einsum("vk,kij->vij", body.weights, posed.rotations)
        moved = jnp.einsum("vij,vj->vi", turning, shaped.vertices)
        return posed.joints, moved + body.weights @ posed.translations

    return jax.lax.map(one, poses)


def _posed(body: smpl.BodyModel, motion: Motion) -> tuple[jax.Array, jax.Array]:
    return _bodies(
        body, jnp.asarray(motion.poses, jnp.float32), jnp.asarray(motion.betas, jnp.float32)
    )
