"""Theta: the numbers that are refined, and the body and camera that they stand for.

A parameterisation is five pure functions of one example. Theta is a dict of vectors by group
(`pose`, `shape`, `rotation`, ...), and all zeros is always a person who stands facing the camera.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import smpl
from ief_jax.geometry import camera, rotations, skeletons
from ief_jax.geometry.keypoints2d import Keypoints2D

Theta = dict[str, jax.Array]

STANDING_SCALE = 1.1
"""Normalised image units per metre at which a standing adult fills the unit square."""


class Body(NamedTuple):
    """A body: local rotations [24, 3, 3] (the root's first) and betas [B]."""

    local: jax.Array
    betas: jax.Array


class Parameterisation(NamedTuple):
    """How Theta stands for a body seen by a camera.

    Attributes:
      start: number of betas -> Theta_0, all zeros.
      body: Theta -> `Body`.
      view: (Theta, keypoints [K, 3] of the body, what is observed) -> the camera.
      encode: (body, camera) -> Theta, the target of the parameter loss.
      mirror: Theta (or a gradient by it) -> that of the mirror image; linear, its own inverse.
    """

    start: Callable[[int], Theta]
    body: Callable[[Theta], Body]
    view: Callable[[Theta, jax.Array, Keypoints2D], camera.WeakPerspective]
    encode: Callable[[Body, camera.WeakPerspective], Theta]
    mirror: Callable[[Theta], Theta]


OPPOSITE = skeletons.opposite(smpl.JOINT_NAMES)
"""The joint on the other side of the body, of each of the 24."""


def check(body: Body, betas: int, name: str = "body") -> None:
    """Raises ValueError unless a body is one, with so many betas; `name` is the argument's."""
    checks.arrays(
        (f"{name}.local", body.local, "[24, 3, 3] rotations of the joints"),
        (f"{name}.betas", body.betas, "[B] shape coefficients"),
        B=betas,
    )


def mirror_axis_angle(vectors: jax.Array) -> jax.Array:
    """Joint rotations [24, 3] with left and right exchanged."""
    checks.arrays(("vectors", vectors, "[24, 3] axis-angle, radians"))
    # Reflection in x = 0 takes a rotation about (x, y, z) to one about (x, -y, -z).
    return vectors[OPPOSITE] * jnp.array([[1.0, -1.0, -1.0]])


def mirror_six_d(vectors: jax.Array) -> jax.Array:
    """6D rotations [24, 6], or differences of such, with left and right exchanged."""
    checks.arrays(("vectors", vectors, "[24, 6] two columns of each matrix"))
    # M R M with M = diag(-1, 1, 1), of which these are the first two columns
    return vectors[OPPOSITE] * jnp.array([[1.0, -1.0, -1.0, -1.0, 1.0, 1.0]])


def _mirror_joints(theta: Theta, mirror: Callable[[jax.Array], jax.Array]) -> Theta:
    """Mirrors `pose` and `rotation`, given what does so for all 24 joints."""
    width = theta["rotation"].size
    joints = jnp.concatenate([theta["rotation"], theta["pose"]]).reshape(smpl.JOINTS, width)
    joints = mirror(joints)
    return {**theta, "rotation": joints[0], "pose": joints[1:].reshape(-1)}


def _axis_angle_start(betas: int) -> Theta:
    sizes = {"pose": 69, "shape": betas, "rotation": 3, "translation": 2, "scale": 1}
    return {name: jnp.zeros(size) for name, size in sizes.items()}


def _axis_angle_body(theta: Theta) -> Body:
    vectors = jnp.concatenate([theta["rotation"], theta["pose"]]).reshape(smpl.JOINTS, 3)
    return Body(rotations.axis_angle_to_matrix(vectors), theta["shape"])


def _axis_angle_view(
    theta: Theta, points: jax.Array, observed: Keypoints2D
) -> camera.WeakPerspective:
    del points, observed
    # With s itself as the parameter, s = 0 would make every gradient vanish.
    return camera.WeakPerspective(STANDING_SCALE * jnp.exp(theta["scale"][0]), theta["translation"])


def _axis_angle_encode(body: Body, view: camera.WeakPerspective) -> Theta:
    vectors = rotations.matrix_to_axis_angle(body.local)
    return {
        "pose": vectors[1:].reshape(-1),
        "shape": body.betas,
        "rotation": vectors[0],
        "translation": view.translation,
        "scale": jnp.log(view.scale / STANDING_SCALE)[None],
    }


def _axis_angle_mirror(theta: Theta) -> Theta:
    mirrored = _mirror_joints(theta, mirror_axis_angle)
    return {**mirrored, "translation": theta["translation"] * jnp.array([-1.0, 1.0])}


AXIS_ANGLE = Parameterisation(
    _axis_angle_start, _axis_angle_body, _axis_angle_view, _axis_angle_encode, _axis_angle_mirror
)
"""The paper's: axis-angle pose, betas, global rotation, translation and (here) log-scale."""


def _six_d_start(betas: int) -> Theta:
    sizes = {"pose": 23 * 6, "shape": betas, "rotation": 6}
    return {name: jnp.zeros(size) for name, size in sizes.items()}


def _six_d_body(theta: Theta) -> Body:
    rest = rotations.matrix_to_six_d(jnp.eye(3))[None]
    vectors = jnp.concatenate([theta["rotation"], theta["pose"]]).reshape(smpl.JOINTS, 6)
    return Body(rotations.six_d_to_matrix(rest + vectors), theta["shape"])


def _six_d_view(theta: Theta, points: jax.Array, observed: Keypoints2D) -> camera.WeakPerspective:
    del theta
    return camera.solve_weak(points, observed.points, observed.weights, observed.intrinsics)


def _six_d_encode(body: Body, view: camera.WeakPerspective) -> Theta:
    del view
    rest = rotations.matrix_to_six_d(jnp.eye(3))[None]
    vectors = rotations.matrix_to_six_d(body.local) - rest
    return {"pose": vectors[1:].reshape(-1), "shape": body.betas, "rotation": vectors[0]}


def _six_d_mirror(theta: Theta) -> Theta:
    return _mirror_joints(theta, mirror_six_d)


SIX_D = Parameterisation(_six_d_start, _six_d_body, _six_d_view, _six_d_encode, _six_d_mirror)
"""6D rotations (Zhou et al. 2019) less those at rest; the camera is solved in closed form."""


def flatten(theta: Theta) -> jax.Array:
    """The groups of Theta one after the other, in alphabetical order as in any pytree: [..., D]."""
    return jnp.concatenate([theta[name] for name in sorted(theta)], -1)


def unflatten(vector: jax.Array, like: Theta) -> Theta:
    """[..., D] to the groups of `like`."""
    size = sum(group.shape[-1] for group in like.values())
    checks.arrays(("vector", vector, "[..., D] the groups of Theta"), D=size)
    names = sorted(like)
    ends = np.cumsum([like[name].shape[-1] for name in names])[:-1]
    return dict(zip(names, jnp.split(vector, ends, axis=-1), strict=True))
