"""Bodies in poses of the pose prior, seen from a random side: their meshes and keypoints."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax.body import joints, pose_prior, smpl
from ief_jax.geometry import rotations, skeletons
from ief_jax.lgd import synthetic_views


class Bodies(NamedTuple):
    """N bodies turned as the camera sees them (y up, facing +z), in metres.

    Attributes:
      vertices: [N, V, 3].
      points: [N, K, 3] keypoints.
      up: [N, 3] the direction that was up before the view tilted the body.
    """

    vertices: np.ndarray
    points: np.ndarray
    up: np.ndarray


Draw = Callable[[np.ndarray], Bodies]
"""Seeds [N] to N bodies, each a function of its seed alone."""


def drawing(body: smpl.BodyModel, prior: pose_prior.PosePrior, layout: tuple[str, ...]) -> Draw:
    """A function that draws bodies.

    Poses are the prior's, betas standard normal, views those of `sampling.random_view`.

    Args:
      body: the body model.
      prior: how it is posed.
      layout: names of the K keypoints.
    """
    model = joints.fold(body)
    read = skeletons.selection(layout, model.names)

    def draw(seeds: np.ndarray) -> Bodies:
        # The same on machines with accelerators, which others may be using.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            drawn = _draw(body, model, prior, read, np.asarray(seeds, np.uint32))
        return Bodies(*(np.asarray(array) for array in drawn))

    return draw


@jax.jit
def _draw(
    body: smpl.BodyModel,
    model: joints.JointModel,
    prior: pose_prior.PosePrior,
    read: jax.Array,
    seeds: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    def one(seed: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        pose_key, shape_key, view_key = jax.random.split(jax.random.key(seed), 3)
        betas = jax.random.normal(shape_key, (body.betas,))
        local = rotations.axis_angle_to_matrix(pose_prior.sample(prior, pose_key))
        view = synthetic_views.random_view(view_key, jnp.eye(3))
        local = local.at[0].set(view @ local[0])
        points = read @ joints.positions(model, local, betas)
        return smpl.vertices(body, local, betas), points, view[:, 1]

    return jax.vmap(one)(seeds)
