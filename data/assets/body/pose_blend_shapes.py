"""Fits SMPL's pose blend shapes: corrections that are linear in the joints' rotation matrices.

For every vertex, linear blend skinning of template + correction should give the vertex of the
reference skin. The correction is linear in the 207 entries of the 23 matrices minus identity; a
vertex only uses the joints that it is found to depend on, which keeps the result sparse.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from data.assets.body.arrays import BoolArray, FloatArray, IntArray
from data.assets.body.poses import CENTRAL_RANGES, LEFT_RANGES, sample_rotation
from data.assets.body.reference_skin import ReferenceSkin
from data.assets.body.rotations import MIRROR_FACTORS, linear_blend
from data.assets.body.skeleton import (
    JOINT_COUNT,
    MIRRORED_JOINTS,
    forward_kinematics,
    joint,
    rest_rotations,
)

FEATURE_COUNT = 9 * (JOINT_COUNT - 1)
RIDGE = 10.0
SENSITIVITY = 4e-4  # metres: a joint that corrects a vertex by less is left out for it
TRIALS_PER_JOINT = 10


def pose_features(rotations: FloatArray) -> FloatArray:
    """SMPL's pose features [207]: relative rotations without the root, minus identity."""
    return (rotations[1:] - np.eye(3)).reshape(-1)


def skinning_matrices(
    weights: FloatArray, rotations: FloatArray, joints: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Each vertex's blended matrix [V, 3, 3] and translation [V, 3] in a pose."""
    global_rotations, translations = forward_kinematics(rotations, joints)
    return np.tensordot(weights, global_rotations, 1), weights @ translations


def sensitive_joints(
    reference: ReferenceSkin, template: FloatArray, weights: FloatArray, mirror: IntArray,
    rng: np.random.Generator,
) -> BoolArray:  # fmt: skip
    """Which joints [V, 24] correct which vertices, found by moving one joint at a time."""
    depends = np.zeros((len(template), JOINT_COUNT), dtype=bool)
    for name, limits in (CENTRAL_RANGES | LEFT_RANGES).items():
        k = joint(name)
        for _ in range(TRIALS_PER_JOINT):
            rotations = rest_rotations()
            rotations[k] = sample_rotation(rng, limits)
            moves = forward_kinematics(rotations, reference.joints)
            plain = linear_blend(template, weights, *moves)
            depends[:, k] |= (
                np.linalg.norm(reference.posed(rotations) - plain, axis=1) > SENSITIVITY
            )
        depends[:, MIRRORED_JOINTS[k]] |= depends[mirror, k]
    return depends


def fit_vertex(
    features: FloatArray, matrices: FloatArray, residuals: FloatArray, ridge: float
) -> FloatArray:
    """Ridge regression of one vertex's correction [3, F].

    Minimises sum_n |M_n P phi_n - e_n|^2 + ridge |P|^2 over P for `features` phi [N, F],
    `matrices` M [N, 3, 3] and `residuals` e [N, 3].
    """
    count = features.shape[1]
    gram = np.einsum("nic,nid->ncd", matrices, matrices)  # M^T M
    projected = np.einsum("nic,ni->nc", matrices, residuals)  # M^T e
    system = np.zeros((3, count, 3, count))
    for c in range(3):
        for d in range(c, 3):
            block = features.T @ (gram[:, c, d, None] * features)
            system[c, :, d] = block
            system[d, :, c] = block.T
    square = system.reshape(3 * count, 3 * count)
    square[np.diag_indices(3 * count)] += ridge
    return np.linalg.solve(square, (projected.T @ features).ravel()).reshape(3, count)


def mirror_blend_shapes(blend_shapes: FloatArray, mirror: IntArray) -> FloatArray:
    """The mirror image of `blend_shapes` [V, 3, 207] in the plane x = 0."""
    vertex_count = len(blend_shapes)
    # A mirrored rotation is M R M; so entry (i, j) of R changes its sign as m_i m_j.
    shapes = blend_shapes.reshape(vertex_count, 3, JOINT_COUNT - 1, 3, 3)
    shapes = shapes[mirror][:, :, MIRRORED_JOINTS[1:] - 1]
    signs = (
        MIRROR_FACTORS[:, None, None] * MIRROR_FACTORS[None, :, None] * MIRROR_FACTORS[None, None]
    )
    return (shapes * signs[None, :, None]).reshape(vertex_count, 3, FEATURE_COUNT)


def fit_blend_shapes(
    reference: ReferenceSkin,
    template: FloatArray,
    weights: FloatArray,
    mirror: IntArray,
    depends: BoolArray,
    poses: Iterable[FloatArray],
) -> FloatArray:
    """Blend shapes [V, 3, 207] in metres fitted on `poses`, each [24, 3, 3].

    Only the left half (and the middle line) is fitted; the right one is its mirror image.
    """
    fitted = np.nonzero(template[:, 0] > -1e-6)[0]
    fitted = fitted[depends[fitted].any(axis=1)]
    features, matrices, residuals = [], [], []
    for rotations in poses:
        turns, shifts = skinning_matrices(weights[fitted], rotations, reference.joints)
        plain = np.einsum("vij,vj->vi", turns, template[fitted]) + shifts
        features.append(pose_features(rotations))
        matrices.append(turns.astype(np.float32))
        residuals.append((reference.posed(rotations, fitted) - plain).astype(np.float32))
    phi, turns, errors = np.stack(features), np.stack(matrices, 1), np.stack(residuals, 1)

    half = np.zeros((len(template), 3, FEATURE_COUNT))
    for i, vertex in enumerate(fitted):
        used = np.nonzero(depends[vertex])[0]
        columns = (9 * (used[:, None] - 1) + np.arange(9)).ravel()
        half[vertex][:, columns] = fit_vertex(
            phi[:, columns], turns[i].astype(float), errors[i].astype(float), RIDGE
        )
    other = mirror_blend_shapes(half, mirror)
    middle = (mirror == np.arange(len(mirror)))[:, None, None]
    return np.where(middle, 0.5 * (half + other), half + other)


def blend_shape_errors(
    reference: ReferenceSkin,
    template: FloatArray,
    weights: FloatArray,
    blend_shapes: FloatArray,
    poses: Iterable[FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Distances [N, V] in metres to the reference skin without and with blend shapes."""
    before, after = [], []
    for rotations in poses:
        moves = forward_kinematics(rotations, reference.joints)
        target = reference.posed(rotations)
        corrected = template + blend_shapes @ pose_features(rotations)
        before.append(np.linalg.norm(linear_blend(template, weights, *moves) - target, axis=1))
        after.append(np.linalg.norm(linear_blend(corrected, weights, *moves) - target, axis=1))
    return np.stack(before), np.stack(after)
