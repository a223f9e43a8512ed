"""SMPL's tree of 24 joints and its forward kinematics."""

from __future__ import annotations

import numpy as np

from data.assets.body.arrays import FloatArray

JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee",
    "spine2", "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot",
    "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
PARENTS = np.array(
    [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
)
JOINT_COUNT = len(JOINT_NAMES)
# SMPL's files keep the root's parent -1 in an unsigned 32-bit array.
ROOT_PARENT_IN_FILE = 4294967295


def _mirror_name(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    return "left_" + name.removeprefix("right_") if name.startswith("right_") else name


MIRRORED_JOINTS = np.array([JOINT_NAMES.index(_mirror_name(name)) for name in JOINT_NAMES])


def joint(name: str) -> int:
    """Index of the joint called `name`."""
    return JOINT_NAMES.index(name)


def rest_rotations() -> FloatArray:
    """The T-pose: 24 identities [24, 3, 3]."""
    return np.tile(np.eye(3), (JOINT_COUNT, 1, 1))


def forward_kinematics(rotations: FloatArray, joints: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Global rotations [24, 3, 3] and translations [24, 3] that move rest points to the pose.

    `rotations` [24, 3, 3] are each joint's rotation relative to its parent, `joints` [24, 3]
    the rest positions in metres.
    """
    global_rotations = np.zeros_like(rotations)
    translations = np.zeros_like(joints)
    for k, parent in enumerate(PARENTS):
        about_joint = joints[k] - rotations[k] @ joints[k]
        if parent < 0:
            global_rotations[k], translations[k] = rotations[k], about_joint
        else:
            global_rotations[k] = global_rotations[parent] @ rotations[k]
            translations[k] = global_rotations[parent] @ about_joint + translations[parent]
    return global_rotations, translations
