"""Rotations, and the two ways of blending them over a skin."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from data.assets.body.arrays import FloatArray

# Mirror image in the plane x = 0, for points (as a factor) and for rotations (as M R M).
MIRROR_FACTORS = np.array([-1.0, 1.0, 1.0])
MIRROR_MATRIX = np.diag(MIRROR_FACTORS)


def from_axis_angle(axis_angle: FloatArray) -> FloatArray:
    """Rotation matrices [..., 3, 3] of axis-angle vectors [..., 3] in radians."""
    axis_angle = np.asarray(axis_angle, dtype=float)
    matrices = Rotation.from_rotvec(axis_angle.reshape(-1, 3)).as_matrix()
    return matrices.reshape(*axis_angle.shape[:-1], 3, 3)


def about_axis(axis: int, angle: float) -> FloatArray:
    """Rotation [3, 3] by `angle` radians about coordinate axis 0, 1 or 2."""
    return from_axis_angle(angle * np.eye(3)[axis])


def aligning(source: FloatArray, target: FloatArray) -> FloatArray:
    """The smallest rotation [3, 3] that turns direction `source` [3] into `target` [3]."""
    source = source / np.linalg.norm(source)
    target = target / np.linalg.norm(target)
    axis = np.cross(source, target)
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3)
    return from_axis_angle(axis / sine * np.arctan2(sine, source @ target))


def mirrored(rotation: FloatArray) -> FloatArray:
    """The mirror image [..., 3, 3] of rotations [..., 3, 3] in the plane x = 0."""
    return MIRROR_MATRIX @ rotation @ MIRROR_MATRIX


def quaternions(rotations: FloatArray) -> FloatArray:
    """Unit quaternions [..., 4] (w, x, y, z) of rotation matrices [..., 3, 3]."""
    return Rotation.from_matrix(rotations).as_quat()[..., [3, 0, 1, 2]]


def quaternion_product(left: FloatArray, right: FloatArray) -> FloatArray:
    """Hamilton product [..., 4] of quaternions [..., 4] (w, x, y, z)."""
    left_w, left_v = left[..., :1], left[..., 1:]
    right_w, right_v = right[..., :1], right[..., 1:]
    w = left_w * right_w - (left_v * right_v).sum(-1, keepdims=True)
    v = left_w * right_v + right_w * left_v + np.cross(left_v, right_v)
    return np.concatenate([w, v], axis=-1)


def twist_angle(rotation: FloatArray, axis: FloatArray) -> float:
    """Angle in radians, in (-pi, pi], of the twist of `rotation` [3, 3] about unit `axis` [3]."""
    quaternion = quaternions(rotation)
    if quaternion[0] < 0:  # q and -q are one rotation; w >= 0 keeps the angle below half a turn
        quaternion = -quaternion
    return float(2 * np.arctan2(quaternion[1:] @ axis, quaternion[0]))


def linear_blend(
    vertices: FloatArray, weights: FloatArray, rotations: FloatArray, translations: FloatArray
) -> FloatArray:
    """Linear blend skinning of `vertices` [V, 3] with `weights` [V, B].

    `rotations` [B, 3, 3] and `translations` [B, 3] move points from rest to posed.
    """
    blended = np.tensordot(weights, rotations, 1)
    return np.einsum("vij,vj->vi", blended, vertices) + weights @ translations


def dual_quaternion_blend(
    vertices: FloatArray, weights: FloatArray, rotations: FloatArray, translations: FloatArray
) -> FloatArray:
    """Dual quaternion skinning (Kavan et al. 2008); arguments as in `linear_blend`.

    Quaternions are flipped into the hemisphere of each vertex's heaviest bone.
    """
    real = quaternions(rotations)
    pure_translation = np.concatenate([np.zeros((len(translations), 1)), translations], axis=1)
    dual = 0.5 * quaternion_product(pure_translation, real)

    pivot = real[weights.argmax(axis=1)]
    signs = np.where(pivot @ real.T < 0, -1.0, 1.0)
    signed_weights = weights * signs
    blended_real = signed_weights @ real
    blended_dual = signed_weights @ dual
    length = np.linalg.norm(blended_real, axis=1, keepdims=True)
    blended_real /= length
    blended_dual /= length

    conjugate = blended_real * np.array([1.0, -1.0, -1.0, -1.0])
    translation = 2 * quaternion_product(blended_dual, conjugate)[:, 1:]
    # v' = v + w t + u x t + translation with u the vector part of the quaternion, t = 2 u x v
    vector = blended_real[:, 1:]
    twice = 2 * np.cross(vector, vertices)
    return vertices + blended_real[:, :1] * twice + np.cross(vector, twice) + translation
