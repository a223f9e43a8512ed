"""Where annotators put keypoints on the body: found from their keypoints, and a body that has them.

The offsets come of a fitter's own residuals on 2D keypoints of many people (`calibrate`), and
`displace` makes the body that has its keypoints there. Ours; SPIN, for one, leaves the hips out.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax.body import joints, smpl
from ief_jax.geometry import camera, rotations, skeletons
from ief_jax.lgd import annotators, checkpoints, fitting

RIDGE = 0.05
"""What holds offsets back along directions that the camera hardly sees, of 1 for those it sees."""
CLOSE = 0.03
"""Residuals beyond this count linearly (Huber), metres."""
FEWEST = 50
"""Seen keypoints of a kind, left and right together, without which none is displaced."""


class Calibration(NamedTuple):
    """What `calibrate` found.

    Attributes:
      offsets: of each keypoint that was seen often enough.
      before: [N, 27] distance of the keypoints from those of bodies fitted without offsets, metres
        at the body's depth; NaN where they are not seen.
      after: [N, 27] the same, of the displaced body's.
    """

    offsets: annotators.Offsets
    before: np.ndarray
    after: np.ndarray


def displace(model: joints.JointModel, offsets: annotators.Offsets) -> joints.JointModel:
    """The body whose keypoints lie elsewhere: X_i + R_k o_i; its joints stay where they are.

    Args:
      model: of `joints.fold`.
      offsets: `annotators.COCO`, `annotators.LSP`, or those of `calibrate`.

    Raises:
      ValueError: no keypoint has such a name, the body has no such point, or an offset is not
        three finite metres.
    """
    pairs = list(model.point_bone_pairs)
    names = list(model.names)
    constants, poses, masses = [], [], []
    for name, given in offsets.items():
        offset = np.asarray(given, np.float64)
        if name not in annotators.BONES:
            raise ValueError(f"offsets: no keypoint '{name}', expected {skeletons.UNION_27}")
        if offset.shape != (3,) or not np.isfinite(offset).all():
            raise ValueError(f"offsets: expected 3 finite metres for '{name}', got {given}")
        members = skeletons.selection((name,), model.names)[0]
        if not members.any():
            raise ValueError(f"offsets: the body has no point for '{name}'")
        bone = smpl.JOINT_NAMES.index(annotators.BONES[name])
        shares = members[: smpl.JOINTS]
        # Joints are at the ends of the bone: they are fixed to it.
        template = shares @ np.asarray(model.joint_template) + offset
        shapes = np.tensordot(shares, np.asarray(model.joint_shapes), 1)
        point = len(names) - smpl.JOINTS
        names.append(name)
        pairs.append((point, bone))
        constants.append(np.concatenate([template[:, None], shapes], -1))
        poses.append(np.zeros(model.bone_pose_offsets.shape[1:]))
        masses.append(shares.sum())
        for row, (other, carrier) in enumerate(model.point_bone_pairs):
            share = members[smpl.JOINTS + other]
            if share:
                pairs.append((point, carrier))
                constants.append(share * np.asarray(model.bone_offsets[row]))
                poses.append(share * np.asarray(model.bone_pose_offsets[row]))
                masses.append(share * float(model.bone_weights[row]))
    if not constants:
        return model
    return dataclasses.replace(
        model,
        bone_offsets=_joined(model.bone_offsets, constants),
        bone_pose_offsets=_joined(model.bone_pose_offsets, poses),
        bone_weights=_joined(model.bone_weights, masses),
        point_bone_pairs=tuple(pairs),
        names=tuple(names),
    )


def _joined(array: jax.Array, more: list[Any]) -> jax.Array:
    return jnp.concatenate([array, jnp.asarray(np.stack(more), jnp.float32)])


def calibrate(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: np.ndarray,
    confidence: np.ndarray,
    rounds: int = 3,
) -> Calibration:
    """Mean offsets of the keypoints of many people, of one annotator or detector.

    Bodies are fitted, offsets solved for that bring their keypoints nearest to the given ones
    (least squares with Huber's loss), and bodies fitted again that have them there. Left and right
    are each other's mirror image; what lies in the middle stays there.

    Args:
      checkpoint: of `checkpoints.load`.
      model: the body, of `joints.fold`.
      points: [N, 27, 2] keypoints in pixels, in `skeletons.UNION_27`'s order.
      confidence: [N, 27] in [0, 1]; 0 for those that are not seen.
      rounds: how often offsets are solved for.

    Raises:
      ValueError: as of `fitting.fit`.
    """
    weight = np.asarray(confidence)
    total = {name: np.zeros(3) for name in skeletons.UNION_27}
    offsets: annotators.Offsets = {}
    distances = []
    for round in range(rounds + 1):
        displaced = displace(model, offsets)
        bodies = fitting.fit(checkpoint, displaced, points, confidence)
        residuals, jacobian = _residuals(displaced, bodies, np.asarray(points))
        distances.append(np.where(weight > 0, np.linalg.norm(residuals, axis=-1), np.nan))
        if round < rounds:
            for name, step in _solve(residuals, jacobian, weight).items():
                x, y, z = total[name] = total[name] + step
                offsets = {**offsets, name: (float(x), float(y), float(z))}
    return Calibration(offsets, distances[0], distances[-1])


@jax.jit
def _seen_points(model: joints.JointModel, bodies: fitting.Bodies) -> tuple[jax.Array, jax.Array]:
    """Where keypoints are seen, [N, 27, 2], and how that changes with o_i, [N, 27, 2, 3]."""
    selection = jnp.asarray(skeletons.selection(skeletons.UNION_27, model.names))

    def of_person(
        pose: jax.Array,
        betas: jax.Array,
        view: camera.WeakPerspective,
        lens: camera.Intrinsics,
    ) -> tuple[jax.Array, jax.Array]:
        local = rotations.axis_angle_to_matrix(pose.reshape(smpl.JOINTS, 3))
        world = smpl.world_rotations(local, model.parents)[annotators.BONE_ROWS]
        placed = selection @ joints.positions(model, local, betas)

        def seen(point: jax.Array) -> jax.Array:
            return camera.project(view, point[None], lens)[0]

        # d pi(X_i + R_k o_i) / d o_i = dpi/dX R_k
        return jax.vmap(seen)(placed), jax.vmap(jax.jacfwd(seen))(placed) @ world

    return jax.vmap(of_person)(bodies.poses, bodies.betas, bodies.view, bodies.intrinsics)


def _residuals(
    model: joints.JointModel, bodies: fitting.Bodies, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """In metres at the body's depth: [N, 27, 2] and their derivative by o_i, [N, 27, 2, 3]."""
    placed, jacobian = _seen_points(model, bodies)
    scale = np.asarray(bodies.scale)[:, None, None]
    return (points - np.asarray(placed)) / scale, np.asarray(jacobian) / scale[..., None]


def _solve(
    residuals: np.ndarray, jacobian: np.ndarray, weight: np.ndarray
) -> dict[str, np.ndarray]:
    """Offsets o_i [3] that minimise the sum over people of w rho(|r - J o_i|), by name."""
    found = {}
    opposite = skeletons.opposite(skeletons.UNION_27)
    mirror = np.diag([-1.0, 1.0, 1.0])
    for row, name in enumerate(skeletons.UNION_27):
        other = int(opposite[row])
        if other < row or name in skeletons.COMBINED and name != "upper_neck":
            continue  # the other side's mirror image; or the mean of others
        sides = [(row, np.eye(3))] if other == row else [(row, np.eye(3)), (other, mirror)]
        r = np.concatenate([residuals[:, side] for side, _ in sides])
        j = np.concatenate([jacobian[:, side] @ turn for side, turn in sides])
        w = np.concatenate([weight[:, side] for side, _ in sides])
        if (w > 0).sum() < FEWEST:
            continue
        r, j, w = r[w > 0], j[w > 0], w[w > 0]
        if other == row:
            j = j * np.array([0.0, 1.0, 1.0])
        offset = np.zeros(3)
        for _ in range(20):
            length = np.linalg.norm(r - j @ offset, axis=-1)
            huber = w * np.minimum(1.0, CLOSE / np.maximum(length, 1e-9))
            # (sum w J^T J / sum w + ridge I) o = sum w J^T r / sum w
            normal = np.einsum("n,nij,nik->jk", huber, j, j) / huber.sum()
            right = np.einsum("n,nij,ni->j", huber, j, r) / huber.sum()
            offset = np.linalg.solve(normal + RIDGE * np.eye(3), right)
        found[name] = offset
        if other != row:
            found[skeletons.UNION_27[other]] = mirror @ offset
    return found
