"""What decimation looks at: shapes and poses that stay good, and vertices that count for more."""

import numpy as np
from scipy.spatial import KDTree

from data.assets.body import shape_space
from data.assets.body.arrays import BoolArray, FloatArray
from data.assets.body.pockets import Pocket
from data.assets.body.rotations import MIRROR_FACTORS, from_axis_angle, linear_blend
from data.assets.body.skeleton import MIRRORED_JOINTS, forward_kinematics, joint, rest_rotations

HIDDEN_IMPORTANCE = 0.03
# Factors on decimation's error: without them eyelids, lips and fingers get too few vertices.
HAND_IMPORTANCE = 2.0
FACE_IMPORTANCE = 10.0
EYES_AND_MOUTH_IMPORTANCE = 40.0
EYES_AND_MOUTH_REACH = 0.012  # metres around the rims of the closed pockets

# Bent poses in degrees, {joint: axis-angle}; decimation must keep the mesh good in these too.
DECIMATION_POSES: tuple[dict[str, tuple[float, float, float]], ...] = (
    {
        "left_shoulder": (0, 0, -70), "left_elbow": (0, -90, 0),
        "left_knee": (90, 0, 0), "left_hip": (-80, 0, 0),
    },
    {
        "left_shoulder": (0, 0, 45), "left_elbow": (0, -45, 0), "left_wrist": (0, 0, -50),
        "left_knee": (40, 0, 0), "left_ankle": (30, 0, 0),
        "spine1": (30, 0, 0), "neck": (20, 0, 0),
    },
)  # fmt: skip


def symmetric_pose(degrees: dict[str, tuple[float, float, float]]) -> FloatArray:
    """Rotations [24, 3, 3] of a pose given in degrees for the left side and the middle."""
    rotations = rest_rotations()
    for name, angles in degrees.items():
        k = joint(name)
        vector = np.radians(np.array(angles, dtype=float))
        rotations[k] = from_axis_angle(vector)
        if MIRRORED_JOINTS[k] != k:  # a rotation vector is mirrored in the opposite components
            rotations[MIRRORED_JOINTS[k]] = from_axis_angle(-vector * MIRROR_FACTORS)
    return rotations


def decimation_shapes(
    mean: FloatArray, skins: FloatArray, joints: FloatArray, weights: FloatArray
) -> FloatArray:
    """Shapes and poses [5, S, 3] that decimation looks at: mean, thin, heavy, two bent ones."""
    _, components, _ = shape_space.principal_components(skins, 2)
    shapes = [mean, mean + 2 * components[..., 1], mean - 2 * components[..., 1]]
    for degrees in DECIMATION_POSES:
        moves = forward_kinematics(symmetric_pose(degrees), joints)
        shapes.append(linear_blend(mean, weights, *moves))
    return np.stack(shapes)


def vertex_importance(
    mean: FloatArray,
    joints: FloatArray,
    weights: FloatArray,
    visible: BoolArray,
    pockets: tuple[Pocket, ...],
) -> FloatArray:
    """Factors [S] on decimation's error: face and hands count more, hidden vertices hardly."""
    hands = [joint(f"{side}_{name}") for side in ("left", "right") for name in ("wrist", "hand")]
    importance = np.where(weights[:, hands].sum(axis=1) > 0.5, HAND_IMPORTANCE, 1.0)
    in_front = mean[:, 2] > joints[joint("head"), 2] + 0.04
    importance[(weights[:, joint("head")] > 0.5) & in_front] = FACE_IMPORTANCE
    for pocket in pockets:
        near = KDTree(mean[pocket.rim]).query(mean)[0] < EYES_AND_MOUTH_REACH
        importance[near] = EYES_AND_MOUTH_IMPORTANCE
    return np.where(visible, importance, HIDDEN_IMPORTANCE)
