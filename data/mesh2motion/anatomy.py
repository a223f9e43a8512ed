"""Gives the joints of a person what a rig of bones does elsewhere.

A rig is moved by its hands and feet: shanks twist in the knee by 40 degrees, the back bends in the
chest, collar bones hardly move. Here the same limbs, chest, hands and feet are had by joints that
a person has: knees that are hinges, a back that bends low down and all along, collar bones and
forearms that take their share (`data/motion/calibration.py`).
"""

import numpy as np
from scipy.spatial.transform import Rotation

from data.motion import calibration
from data.motion.kinematics import compose
from ief_jax.body.model_files import PARENTS
from ief_jax.body.smpl import JOINT_NAMES

LEGS = tuple(
    tuple(JOINT_NAMES.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
    for side in ("left", "right")
)
PELVIS, *SPINE = (JOINT_NAMES.index(name) for name in ("pelvis", "spine1", "spine2", "spine3"))
BACK = (0.5, 0.25, 0.25)
"""The shares of spine1, spine2 and spine3 in the turn from pelvis to chest."""
FOOT = 0.15
"""Where a knee is nearly straight its axis is the foot's: as from this sine of the bend down."""


def personal(poses: np.ndarray) -> np.ndarray:
    """Poses [N, 24, 3] of a rig, axis-angle, as a person's.

    Thighs, shanks, arms and forearms point where they did; pelvis, chest and head are turned as
    they were, and so are hands and feet as far as wrists and ankles can.
    """
    local = Rotation.from_rotvec(np.reshape(poses, (-1, 3))).as_matrix()
    world = compose(local.reshape(*poses.shape, 3), PARENTS)
    for leg in LEGS:
        _hinge(world, *leg)
    _bend_along(world)
    local = world.copy()
    local[:, 1:] = world[:, list(PARENTS[1:])].swapaxes(-1, -2) @ world[:, 1:]
    turns = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(poses.shape)
    calibration.share_arms(turns)
    calibration.limit_ends(turns)
    return turns


def _hinge(world: np.ndarray, hip: int, knee: int, ankle: int) -> None:
    """Turns thigh and shank about themselves, so that the knee bends about x: in place."""
    thigh, shank = -world[:, hip, :, 1], -world[:, knee, :, 1]
    # The bend's axis, as long as its sine, and the foot's own from right to left
    axis = np.cross(thigh, shank) + FOOT * world[:, ankle, :, 0]
    for bone, along in ((hip, thigh), (knee, shank)):
        x = axis - (axis * along).sum(-1, keepdims=True) * along
        x /= np.linalg.norm(x, axis=-1, keepdims=True)
        world[:, bone] = np.stack([x, -along, np.cross(x, -along)], axis=-1)


def _bend_along(world: np.ndarray) -> None:
    """Shares the turn from pelvis to chest among the spine's joints: in place."""
    first = world[:, PELVIS].copy()
    turn = Rotation.from_matrix(first.swapaxes(-1, -2) @ world[:, SPINE[-1]]).as_rotvec()
    for joint, share in zip(SPINE[:-1], np.cumsum(BACK), strict=False):
        world[:, joint] = first @ Rotation.from_rotvec(share * turn).as_matrix()
