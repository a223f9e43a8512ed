"""A sparse, non-negative, mirror-symmetric regressor from skin vertices to joints."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls
from scipy.spatial import KDTree

from data.assets.body.arrays import BoolArray, FloatArray, IntArray
from data.assets.body.skeleton import JOINT_COUNT, JOINT_NAMES, MIRRORED_JOINTS, PARENTS

# Joints of the torso need far vertices: the nearest 140 fail for the spine.
WIDE_JOINTS = ("pelvis", "left_hip", "spine1", "spine2", "spine3", "neck", "left_collar")
WIDE_CANDIDATES = 1200
CANDIDATES = 500
MIN_SKIN_WEIGHT = 0.02  # candidates move with the joint or its parent
SPREAD = 0.1  # ridge that spreads the weight over a ring of vertices
SUM_TO_ONE = 100.0
TEMPLATE_EMPHASIS = 10.0
SMALLEST_SHARE = 2e-3  # of the largest entry of a row; smaller entries are dropped


def candidates(
    k: int, template: FloatArray, position: FloatArray, weights: FloatArray, usable: BoolArray
) -> IntArray:
    """Vertices from which joint `k` at `position` [3] may be regressed, nearest first."""
    moves = weights[:, k] > MIN_SKIN_WEIGHT
    if PARENTS[k] >= 0:
        moves |= weights[:, PARENTS[k]] > MIN_SKIN_WEIGHT
    eligible = np.nonzero(moves & usable)[0]
    count = WIDE_CANDIDATES if JOINT_NAMES[k] in WIDE_JOINTS else CANDIDATES
    count = min(count, len(eligible))
    return eligible[KDTree(template[eligible]).query(position, k=count)[1]]


def fit_row(bodies: FloatArray, positions: FloatArray, emphasis: FloatArray) -> FloatArray:
    """Non-negative coefficients [C] that map `bodies` [N, C, 3] to `positions` [N, 3].

    Non-negative least squares with rows for coordinates (times `emphasis` [N]), for a sum of
    one, and for a small norm.
    """
    count = bodies.shape[1]
    scale = np.repeat(emphasis, 3)
    rows = bodies.transpose(0, 2, 1).reshape(-1, count) * scale[:, None]
    system = np.concatenate([rows, SUM_TO_ONE * np.ones((1, count)), SPREAD * np.eye(count)])
    wanted = np.concatenate([positions.ravel() * scale, [SUM_TO_ONE], np.zeros(count)])
    # The same least-squares problem with a square system: fewer rows for the solver.
    triangle = np.asarray(np.linalg.qr(np.concatenate([system, wanted[:, None]], axis=1), mode="r"))
    solution, _ = nnls(triangle[:, :-1], triangle[:, -1], maxiter=20_000)
    solution[solution < SMALLEST_SHARE * solution.max()] = 0
    return solution / solution.sum()


def fit_joint_regressor(
    bodies: FloatArray,
    joints: FloatArray,
    template: FloatArray,
    template_joints: FloatArray,
    weights: FloatArray,
    usable: BoolArray,
    mirror: IntArray,
) -> FloatArray:
    """Regressor [24, V] from `bodies` [N, V, 3] to `joints` [N, 24, 3], all in the T-pose.

    `template` [V, 3] and `template_joints` [24, 3] count more than a body of the sample;
    `weights` [V, 24] are skinning weights and `usable` [V] says which vertices may be used.
    """
    emphasis = np.ones(len(bodies) + 1)
    emphasis[-1] = TEMPLATE_EMPHASIS
    regressor = np.zeros((JOINT_COUNT, len(template)))
    for k, name in enumerate(JOINT_NAMES):
        if name.startswith("right_"):
            continue
        chosen = candidates(k, template, template_joints[k], weights, usable)
        central = MIRRORED_JOINTS[k] == k
        if central:
            chosen = np.unique(np.concatenate([chosen, mirror[chosen]]))
        shapes = np.concatenate([bodies[:, chosen], template[None, chosen]])
        positions = np.concatenate([joints[:, k], template_joints[None, k]])
        row = np.zeros(len(template))
        row[chosen] = fit_row(shapes, positions, emphasis)
        regressor[k] = 0.5 * (row + row[mirror]) if central else row
        regressor[MIRRORED_JOINTS[k]] = regressor[k][mirror]
    return regressor


def regressor_errors(regressor: FloatArray, bodies: FloatArray, joints: FloatArray) -> FloatArray:
    """Distances [N, 24] in metres between regressed and true joints."""
    found = np.einsum("jv,nvc->njc", regressor, bodies, optimize=True)
    return np.linalg.norm(found - joints, axis=2)
