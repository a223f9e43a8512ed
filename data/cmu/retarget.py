"""Captured bones to SMPL's joints.

SMPL's bones turn in the world as the bones that they are mapped to turn from the capture's T-pose:

    R_j = G_j(frame) G_j(T-pose)^-1 M_j,    local rotation of j = R_parent(j)^-1 R_j

Skeletons differ in how their T-poses hold the limbs. M_j, the shortest rotation from where SMPL's
limb points (straight down, straight aside) to where the capture's does, makes up for it: a limb's
direction in every frame is then the capture's own. SMPL's two hand joints stay straight.
"""

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from data.cmu.motion import Motion
from ief_jax.body.model_files import PARENTS
from ief_jax.body.smpl import JOINT_NAMES, JOINTS

MOVED = JOINTS - 2
"""SMPL's joints but for the hands."""
DOWN, LEFT, RIGHT = (0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)
LIMBS = {
    "left_hip": DOWN,
    "right_hip": DOWN,
    "left_knee": DOWN,
    "right_knee": DOWN,
    "left_shoulder": LEFT,
    "right_shoulder": RIGHT,
    "left_elbow": LEFT,
    "right_elbow": RIGHT,
    "left_wrist": LEFT,
    "right_wrist": RIGHT,
}
"""The joints whose bones are limbs, and where those point in SMPL's T-pose."""


def retarget(motion: Motion, t_pose: np.ndarray, bones: Mapping[str, str]) -> np.ndarray:
    """A captured motion as poses of SMPL.

    Args:
      motion: J bones over N frames, in a world with y up.
      t_pose: [J, 3, 3] rotations of the bones in the world in the capture's T-pose, facing +z.
      bones: the bone of each of SMPL's joints but the hands, by their names. A joint that two
        bones share ("lowerneck upperneck") takes the rotation half-way between them.

    Returns:
      [N, 24, 3] axis-angle, radians, the root first.
    """
    index = {name: i for i, name in enumerate(motion.names)}
    # G_j(frame) G_j(T-pose)^-1
    turned = motion.rotations @ t_pose.swapaxes(-1, -2)
    world = np.empty((len(turned), JOINTS, 3, 3))
    for joint, name in enumerate(JOINT_NAMES[:MOVED]):
        first, *second = (index[bone] for bone in bones[name].split())
        world[:, joint] = turned[:, first]
        if second:
            world[:, joint] = half_way(turned[:, first], turned[:, second[0]])
        if name in LIMBS:
            limb = t_pose[first] @ motion.directions[first]
            world[:, joint] = world[:, joint] @ shortest(np.array(LIMBS[name]), limb)
    for hand in range(MOVED, JOINTS):
        world[:, hand] = world[:, PARENTS[hand]]
    # R_parent^-1 R_j
    local = world.copy()
    local[:, 1:] = world[:, list(PARENTS[1:])].swapaxes(-1, -2) @ world[:, 1:]
    return Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(-1, JOINTS, 3)


def shortest(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The shortest rotation [3, 3] that takes one direction [3] to another, not opposite, one."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3)
    return Rotation.from_rotvec(axis / sine * np.arctan2(sine, start @ end)).as_matrix()


def half_way(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The rotations [N, 3, 3] in the middle of the way from one to another."""
    way = Rotation.from_matrix(first.swapaxes(-1, -2) @ second).as_rotvec()
    return first @ Rotation.from_rotvec(way / 2).as_matrix()
