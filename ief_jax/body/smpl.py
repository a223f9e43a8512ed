"""The SMPL body model (Loper et al. 2015) as staged pure functions: shape, pose, skin.

Units are metres and radians; y points up, the body faces +z, its left side is at +x.
Functions take one body; `jax.vmap` gives batches.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.geometry import rotations

JOINT_NAMES = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
JOINTS = len(JOINT_NAMES)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BodyModel:
    """An SMPL-format body with V vertices, 24 joints and B shape coefficients.

    Attributes:
      template: [V, 3] vertices of the mean body in the T-pose, metres.
      shape_directions: [V, 3, B] displacement of each vertex per unit of each beta.
      pose_directions: [V, 3, 207] displacement per entry of the 23 matrices R_k - I.
      joint_regressor: [24, V] joints as weighted means of vertices.
      weights: [V, 24] skinning weights; rows sum to one.
      faces: [F, 3] int32 triangles.
      landmarks: [L] int32 vertices of the `landmark_names`.
      parents: each joint's parent, -1 at the root (static).
      landmark_names: names of `landmarks` (static).
    """

    template: jax.Array
    shape_directions: jax.Array
    pose_directions: jax.Array
    joint_regressor: jax.Array
    weights: jax.Array
    faces: jax.Array
    landmarks: jax.Array
    parents: tuple[int, ...] = field(metadata={"static": True})
    landmark_names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def betas(self) -> int:
        """B, the number of shape coefficients."""
        return self.shape_directions.shape[-1]


class Shaped(NamedTuple):
    """A body at rest: vertices [V, 3] and joints [24, 3]."""

    vertices: jax.Array
    joints: jax.Array


class Posed(NamedTuple):
    """The skeleton in a pose.

    Attributes:
      rotations: [24, 3, 3] each bone's rotation in the world.
      joints: [24, 3] where the joints are.
      translations: [24, 3]; bone k takes a rest point p to `rotations[k] p + translations[k]`.
    """

    rotations: jax.Array
    joints: jax.Array
    translations: jax.Array


def check(body: BodyModel) -> None:
    """Raises ValueError unless a body's arrays belong together."""
    checks.arrays(
        ("body.template", body.template, "[V, 3] vertices, metres"),
        ("body.shape_directions", body.shape_directions, "[V, 3, B]"),
        ("body.pose_directions", body.pose_directions, "[V, 3, 207]"),
        ("body.joint_regressor", body.joint_regressor, "[24, V]"),
        ("body.weights", body.weights, "[V, 24] skinning weights"),
        ("body.faces", body.faces, "int [F, 3] triangles"),
        ("body.landmarks", body.landmarks, "int [L] vertices"),
        L=len(body.landmark_names),
    )


def shape(body: BodyModel, betas: jax.Array) -> Shaped:
    """The rest body of shape coefficients `betas` [B] (SMPL, Eqs. 8 and 10)."""
    checks.arrays(("betas", betas, "[B] shape coefficients"), B=body.betas)
    # T_S = T + sum_b beta_b S_b
    vertices = body.template + body.shape_directions @ betas
    # J(beta) = J_regressor T_S
    return Shaped(vertices, body.joint_regressor @ vertices)


def pose(joints: jax.Array, local: jax.Array, parents: tuple[int, ...]) -> Posed:
    """Forward kinematics (SMPL, Eqs. 3 and 4).

    Args:
      joints: [24, 3] rest joints.
      local: [24, 3, 3] each joint's rotation relative to its parent; the root's is the body's.
      parents: the kinematic tree.
    """
    checks.arrays(("joints", joints, "[J, 3] rest joints, metres"), J=len(parents))
    world = world_rotations(local, parents)
    parent = np.maximum(parents, 0)
    offsets = jnp.concatenate([joints[:1], joints[1:] - joints[parent[1:]]])
    carried = jnp.concatenate([offsets[:1], rotations.rotate(world[parent[1:]], offsets[1:])])
    # Each joint is the sum of the rotated offsets on its way from the root.
    posed = jnp.matmul(ancestors(parents), carried)
    # p -> R_k (p - J_k) + J'_k
    return Posed(world, posed, posed - rotations.rotate(world, joints))


def skin(body: BodyModel, shaped: Shaped, posed: Posed, local: jax.Array) -> jax.Array:
    """Posed vertices [V, 3]: pose blend shapes, then linear blend skinning (SMPL, Eqs. 2, 9)."""
    checks.arrays(
        ("shaped.vertices", shaped.vertices, "[V, 3] metres"),
        ("posed.rotations", posed.rotations, "[J, 3, 3]"),
        ("posed.translations", posed.translations, "[J, 3]"),
        ("local", local, "[J, 3, 3] rotations of the joints"),
        V=len(body.template),
        J=len(body.parents),
    )
    # T_P = T_S + sum_n (R_n(theta) - R_n(0)) P_n
    vertices = shaped.vertices + body.pose_directions @ pose_feature(local)
    # v' = sum_k w_k (R_k v + t_k)
    blended = (body.weights @ posed.rotations.reshape(-1, 9)).reshape(-1, 3, 3)
    return rotations.rotate(blended, vertices) + body.weights @ posed.translations


def vertices(body: BodyModel, local: jax.Array, betas: jax.Array) -> jax.Array:
    """The whole forward pass M(theta, beta): `local` [24, 3, 3], `betas` [B] to [V, 3]."""
    check(body)
    shaped = shape(body, betas)
    return skin(body, shaped, pose(shaped.joints, local, body.parents), local)


def posed_vertices(body: BodyModel, poses: jax.Array, betas: jax.Array) -> jax.Array:
    """The vertices [N, V, 3] of N axis-angle poses [N, 72] and betas [N, B]."""

    def posed(pose: jax.Array, shape: jax.Array) -> jax.Array:
        return vertices(body, rotations.axis_angle_to_matrix(pose.reshape(-1, 3)), shape)

    return jax.vmap(posed)(poses, betas)


def pose_feature(local: jax.Array) -> jax.Array:
    """R_k - I of the 23 joints below the root, row by row: [24, 3, 3] to [207]."""
    checks.arrays(("local", local, "[J, 3, 3] rotations of the joints"))
    return (local[1:] - jnp.eye(3, dtype=local.dtype)[None]).reshape(-1)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def world_rotations(local: jax.Array, parents: tuple[int, ...]) -> jax.Array:
    """Products of the local rotations [24, 3, 3] from the root down: [24, 3, 3].

    All joints of one depth are multiplied at once. Derivatives take all joints at once: they are
    those of rotations, and hold for nothing else.
    """
    checks.arrays(("local", local, "[J, 3, 3] rotations of the joints"), J=len(parents))
    levels = _levels(parents)
    ordered = local[np.concatenate(levels)]
    done, count = [ordered[:1]], 1
    for above, level in zip(levels, levels[1:], strict=False):
        upper = np.searchsorted(above, [parents[joint] for joint in level])
        own = ordered[count : count + len(level)]
        done.append(rotations.compose(_rows(done[-1], upper), own))
        count += len(level)
    return jnp.concatenate(done)[np.argsort(np.concatenate(levels))]


@world_rotations.defjvp
def _world_rotations_jvp(
    parents: tuple[int, ...], primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    world = world_rotations(*primals, parents)
    root = jnp.eye(3, dtype=world.dtype)[None]
    above = jnp.concatenate([root, world[np.array(parents[1:])]])
    # G_k = G_j (G_j^T G_k), with G_j = G_p(j) R_j for each joint j at or above k, and so
    # dG_k = (sum_j G_p(j) dR_j G_j^T) G_k
    each = rotations.compose(above, rotations.compose(tangents[0], jnp.swapaxes(world, 1, 2)))
    path = jnp.asarray(ancestors(parents), world.dtype)
    turned = jnp.matmul(path, each.reshape(-1, 9), precision=jax.lax.Precision.HIGHEST)
    return world, rotations.compose(turned.reshape(world.shape), world)


def _rows(array: jax.Array, index: np.ndarray) -> jax.Array:
    """`array[index]`, as a slice where it is one: XLA fuses those, and not what gathers."""
    first, count = int(index[0]), len(index)
    if (index == first + np.arange(count)).all():
        return array[first : first + count]
    return array[index]


def _levels(parents: tuple[int, ...]) -> list[np.ndarray]:
    """The joints at each depth of the tree, in ascending order; the root's level first."""
    depth = ancestors(parents).sum(1)
    return [np.flatnonzero(depth == d) for d in range(1, int(depth.max()) + 1)]


def ancestors(parents: tuple[int, ...]) -> np.ndarray:
    """[24, 24] float32: 1 where the column's joint is the row's joint or above it."""
    matrix = np.eye(len(parents), dtype=np.float32)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            matrix[joint] += matrix[parent]
    return matrix
