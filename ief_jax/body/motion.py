"""The motion of one person: a shape, and a pose and a place for each time."""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ief_jax import checks

_EVEN = 0.1
"""Of the time between frames: times this near to even ones are taken as they are."""


class Motion(NamedTuple):
    """One person at T times.

    Attributes:
      name: of the person.
      poses: [T, 24, 3] axis-angle, radians, the root first; y up.
      betas: [B] the shape.
      trans: [T, 3] metres, what is added to the posed body.
      times: [T] seconds, rising.
    """

    name: str
    poses: np.ndarray
    betas: np.ndarray
    trans: np.ndarray
    times: np.ndarray


def check(motion: Motion) -> None:
    """Raises ValueError unless a motion's arrays belong together and its times rise."""
    checks.arrays(
        ("motion.poses", motion.poses, "[T, 24, 3] axis-angle, radians"),
        ("motion.betas", motion.betas, "[B] shape coefficients"),
        ("motion.trans", motion.trans, "[T, 3] metres"),
        ("motion.times", motion.times, "[T] seconds"),
    )
    if len(motion.times) == 0 or not (np.diff(motion.times) > 0).all():
        raise ValueError("motion.times: expected one time at least, and rising ones")


def resampled(motion: Motion, fps: float) -> Motion:
    """The motion at even times, `fps` a second, from its first: what files without times need.

    Rotations are interpolated spherically, places linearly. Times that are even but for a tenth of
    a frame are taken for even.
    """
    check(motion)
    first = float(motion.times[0])
    count = round((float(motion.times[-1]) - first) * fps) + 1
    even = first + np.arange(count) / fps
    if count == len(motion.times) and (np.abs(even - motion.times) * fps < _EVEN).all():
        return motion._replace(times=even)
    inside = np.clip(even, first, motion.times[-1])
    poses = np.empty((count, *motion.poses.shape[1:]))
    for joint in range(poses.shape[1]):
        turns = Rotation.from_rotvec(motion.poses[:, joint])
        poses[:, joint] = Slerp(motion.times, turns)(inside).as_rotvec()
    trans = [np.interp(inside, motion.times, axis) for axis in motion.trans.T]
    return motion._replace(poses=poses, trans=np.stack(trans, 1), times=even)
