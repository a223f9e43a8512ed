"""The joints-only path: points of the posed body without its vertices, exactly.

A point that is a fixed weighted sum of vertices, X = W M(theta, beta), is linear in everything
that skinning is linear in, so W and the skinning weights fold into small tensors once:

    X_i = sum_v W_iv sum_k w_vk (R_k (T_v + S_v beta + P_v f) + t_k)
        = sum_k (R_k A_ik [1, beta, f] + m_ik t_k)

with A_ik = sum_v W_iv w_vk [T_v, S_v, P_v] and m_ik = sum_v W_iv w_vk. Only the pairs (i, k) of a
point and a bone that carries part of it are kept. For a few points this is one to two orders of
magnitude less work than the mesh.
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import smpl
from ief_jax.geometry import rotations


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class JointModel:
    """A body reduced to its 24 joints and I further points.

    Attributes:
      joint_template: [24, 3] rest joints of the mean body.
      joint_shapes: [24, 3, B] their displacement per unit of each beta.
      bone_offsets: [S, 3, 1 + B] A_ik for 1 and beta, of the S pairs.
      bone_pose_offsets: [S, 3, 207] A_ik for the pose feature.
      bone_weights: [S] m_ik.
      parents: the kinematic tree (static).
      point_bone_pairs: (i, k) of each pair: the further point and the bone (static).
      names: of all 24 + I points (static).
    """

    joint_template: jax.Array
    joint_shapes: jax.Array
    bone_offsets: jax.Array
    bone_pose_offsets: jax.Array
    bone_weights: jax.Array
    parents: tuple[int, ...] = field(metadata={"static": True})
    point_bone_pairs: tuple[tuple[int, int], ...] = field(metadata={"static": True})
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def betas(self) -> int:
        """B, the number of shape coefficients."""
        return self.joint_shapes.shape[-1]

    @property
    def bones(self) -> np.ndarray:
        """[S] the bone of each pair."""
        return np.array([bone for _, bone in self.point_bone_pairs], np.int32)

    @property
    def owners(self) -> np.ndarray:
        """[I, S] float32: 1 where the column's pair is one of the row's point."""
        points = np.array([point for point, _ in self.point_bone_pairs], np.int32)
        further = len(self.names) - smpl.JOINTS
        return (np.arange(further)[:, None] == points).astype(np.float32)


def fold(body: smpl.BodyModel, regressors: Mapping[str, np.ndarray] | None = None) -> JointModel:
    """Folds a body into its joints, its landmarks and `regressors`.

    Args:
      body: any SMPL-format body.
      regressors: rows W_i [V] of further points, by name (Human3.6M's joints, say).

    Raises:
      ValueError: the body's arrays do not belong together; a regressor's length is not the body's
        number of vertices, or its name is a joint's.
    """
    smpl.check(body)
    template = np.asarray(body.template, np.float64)
    shapes = np.asarray(body.shape_directions, np.float64)
    weights = np.asarray(body.weights, np.float64)
    vertex_count = len(template)
    rows = {
        name: np.eye(1, vertex_count, int(vertex))[0]
        for name, vertex in zip(body.landmark_names, np.asarray(body.landmarks), strict=True)
    }
    for name, row in (regressors or {}).items():
        if np.shape(row) != (vertex_count,):
            raise ValueError(
                f"regressor '{name}' has shape {np.shape(row)}, expected ({vertex_count},): "
                "one weight a vertex of the body"
            )
        if name in smpl.JOINT_NAMES:
            raise ValueError(f"regressor '{name}' has the name of a joint; give it another")
        rows[name] = np.asarray(row, np.float64)
    selected = np.stack(list(rows.values())) if rows else np.zeros((0, vertex_count))
    used = np.flatnonzero(np.abs(selected).sum(0))
    # w_ik = sum_v |W_iv| w_vk > 0: bone k carries part of point i
    point, bone = np.nonzero(np.abs(selected[:, used]) @ weights[used])
    # W_iv w_vk
    spread = selected[point][:, used] * weights[used][:, bone].T
    per_vertex = np.concatenate([template[used, :, None], shapes[used]], -1)
    pose_directions = np.asarray(body.pose_directions)[used]
    regressor = np.asarray(body.joint_regressor, np.float64)
    return JointModel(
        joint_template=_f32(regressor @ template),
        joint_shapes=_f32(np.tensordot(regressor, shapes, 1)),
        bone_offsets=_f32(np.tensordot(spread, per_vertex, 1)),
        bone_pose_offsets=_f32(np.tensordot(spread, pose_directions, 1)),
        bone_weights=_f32(spread.sum(1)),
        parents=body.parents,
        point_bone_pairs=tuple(zip(point.tolist(), bone.tolist(), strict=True)),
        names=smpl.JOINT_NAMES + tuple(rows),
    )


def restrict(model: JointModel, names: Collection[str]) -> JointModel:
    """The model without the further points that are not among `names`; the 24 joints stay."""
    further = model.names[smpl.JOINTS :]
    kept = [i for i, name in enumerate(further) if name in names]
    chosen = [n for n, (point, _) in enumerate(model.point_bone_pairs) if point in kept]
    rows = np.array(chosen, np.int32)
    return dataclasses.replace(
        model,
        bone_offsets=model.bone_offsets[rows],
        bone_pose_offsets=model.bone_pose_offsets[rows],
        bone_weights=model.bone_weights[rows],
        point_bone_pairs=tuple(
            (kept.index(model.point_bone_pairs[n][0]), model.point_bone_pairs[n][1]) for n in chosen
        ),
        names=smpl.JOINT_NAMES + tuple(further[i] for i in kept),
    )


class Points(NamedTuple):
    """Posed points and what a second-order method needs to move them.

    Attributes:
      positions: [24 + I, 3] metres.
      shape_jacobian: [24 + I, 3, B] derivative by the betas at this pose (exact, linear).
      world: [24, 3, 3] rotations of the bones.
      parts: [S, 3] the summands of the further points: what each pair adds to its point.
    """

    positions: jax.Array
    shape_jacobian: jax.Array
    world: jax.Array
    parts: jax.Array


def positions(model: JointModel, local: jax.Array, betas: jax.Array) -> jax.Array:
    """Where the points are: `local` [24, 3, 3], `betas` [B] to [24 + I, 3], metres."""
    _check_pose(model, local, betas)
    # J(beta) = J_T + J_S beta
    joints = model.joint_template + model.joint_shapes @ betas
    posed = smpl.pose(joints, local, model.parents)
    # A_ik [1, beta, f]
    offset = (
        model.bone_offsets[..., 0]
        + model.bone_offsets[..., 1:] @ betas
        + model.bone_pose_offsets @ smpl.pose_feature(local)
    )
    # X_i = sum_k (R_k A_ik [1, beta, f] + m_ik t_k)
    turned = rotations.rotate(posed.rotations[model.bones], offset)
    parts = turned + model.bone_weights[:, None] * posed.translations[model.bones]
    return jnp.concatenate([posed.joints, jnp.matmul(model.owners, parts)])


def evaluate(model: JointModel, local: jax.Array, betas: jax.Array) -> Points:
    """As `positions`, together with the exact derivative by the betas."""
    _check_pose(model, local, betas)
    world = smpl.world_rotations(local, model.parents)
    parent = np.maximum(model.parents, 0)
    # Rest joints and their shape directions side by side: [24, 3, 1 + B].
    rest = jnp.concatenate([model.joint_template[..., None], model.joint_shapes], -1)
    offsets = jnp.concatenate([rest[:1], rest[1:] - rest[parent[1:]]])
    carried = jnp.concatenate(
        [offsets[:1], rotations.compose(world[parent[1:]], offsets[1:])]
    ).reshape(smpl.JOINTS, -1)
    posed = jnp.matmul(smpl.ancestors(model.parents), carried).reshape(rest.shape)
    # t_k = J'_k - R_k J_k, again for 1 and each beta
    turning = world[model.bones]
    translation = posed[model.bones] - rotations.compose(turning, rest[model.bones])
    offset = model.bone_offsets.at[..., 0].add(model.bone_pose_offsets @ smpl.pose_feature(local))
    parts = rotations.compose(turning, offset) + model.bone_weights[:, None, None] * translation
    further = jnp.tensordot(model.owners, parts, 1)
    everything = jnp.concatenate([posed, further])
    homogeneous = jnp.concatenate([jnp.ones(1), betas])
    return Points(everything @ homogeneous, everything[..., 1:], world, parts @ homogeneous)


def levers(model: JointModel, points: Points) -> jax.Array:
    """What of each point turns with each joint, as seen from that joint: [24 + I, 24, 3] metres.

    dX_i = w x lever_ik when the subtree of joint k turns by a small w (world axes) about the joint.
    Pose blend shapes are held fixed, which is a matter of millimetres.
    """
    checks.arrays(
        ("points.positions", points.positions, "[P, 3] metres"),
        ("points.parts", points.parts, "[S, 3] metres"),
        P=len(model.names),
        S=len(model.point_bone_pairs),
    )
    below = smpl.ancestors(model.parents)
    joints = points.positions[: smpl.JOINTS]
    # A joint turns with every joint above it; its own rotation does not move it.
    own = below[..., None] * (joints[:, None] - joints[None])
    # sum over the parts carried by bones below k of (part_is - m_is J'_k)
    carried = below[model.bones]
    each = carried[..., None] * (
        points.parts[:, None] - model.bone_weights[:, None, None] * joints[None]
    )
    return jnp.concatenate([own, jnp.tensordot(model.owners, each, 1)])


def moved_by_turns(levers: jax.Array, axes: jax.Array) -> jax.Array:
    """Derivative of points by the joints' turns: [N, 3, 72].

    Args:
      levers: [N, 24, 3] of the points, metres.
      axes: [24, 3, 3]; joint k turns by `axes[k] @ turn_k`, in the world.
    """
    checks.arrays(
        ("levers", levers, "[N, J, 3] metres"), ("axes", axes, "[J, 3, 3] axes in columns")
    )
    # dX_i = (sum_a A_ka turn_ka) x lever_ik
    x, y, z = (levers[:, :, axis, None] for axis in range(3))
    a, b, c = (axes[None, :, axis] for axis in range(3))
    parts = (b * z - c * y, c * x - a * z, a * y - b * x)
    return jnp.stack([part.reshape(len(levers), -1) for part in parts], 1)


def _check_pose(model: JointModel, local: jax.Array, betas: jax.Array) -> None:
    checks.arrays(
        ("local", local, "[24, 3, 3] rotations of the joints"),
        ("betas", betas, "[B] shape coefficients"),
        B=model.betas,
    )


def _f32(array: np.ndarray) -> jax.Array:
    # Without a program to compile, which jnp.asarray has.
    return jax.device_put(np.asarray(array, np.float32))
