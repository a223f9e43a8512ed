"""Poses of people as arrays, and how often each is drawn."""

from typing import NamedTuple

import numpy as np

from ief_jax import checks

BODY = 66
"""Numbers of a pose that SMPL, SMPL+H and SMPL-X share: the root and 21 body joints."""


class Poses(NamedTuple):
    """Poses of people.

    Attributes:
      poses: [N, 24, 3] float32 axis-angle, radians, the root first; the two hands are zero.
      betas: [N, B] float32 shape coefficients, or None where a file has none.
      subject: [N] who moved, or None where a file does not say.
    """

    poses: np.ndarray
    betas: np.ndarray | None
    subject: np.ndarray | None


LARGEST_SUBJECT = 2500
"""A subject with more poses than this counts as if it had this many."""


def sampling_weights(poses: Poses) -> np.ndarray:
    """How often each pose should be drawn, [N], summing to one.

    Where subjects are known none outweighs the rest by its sheer number of poses.
    """
    checks.arrays(("poses.poses", poses.poses, "[N, 24, 3] axis-angle, radians"))
    share = np.ones(len(poses.poses))
    if poses.subject is not None:
        _, member, count = np.unique(poses.subject, return_inverse=True, return_counts=True)
        share = np.minimum(1.0, LARGEST_SUBJECT / count)[member]
    return share / share.sum()


def fit_betas(betas: np.ndarray, count: int) -> np.ndarray:
    """[N, B] betas cut or filled up with zeros to [N, count]."""
    checks.arrays(("betas", betas, "[N, B] shape coefficients"))
    checks.count("count", count)
    return np.pad(betas[:, :count], ((0, 0), (0, max(0, count - betas.shape[1]))))
