"""Motions at even times."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ief_jax.body import motion
from tests.helpers import motions


def test_even_times_are_left_alone() -> None:
    one = motions.moving(0, 20, first=3.0)
    jittered = one._replace(times=one.times + np.tile([0, 1e-3], 10))
    again = motion.resampled(jittered, 25)
    np.testing.assert_array_equal(again.poses, one.poses)
    np.testing.assert_allclose(again.times, one.times, atol=1e-9)


def test_another_rate_passes_through_the_same_poses() -> None:
    one = motions.moving(1, 13, fps=25)
    twice = motion.resampled(one, 50)
    assert len(twice.times) == 25
    for joint in (0, 5, 16):
        apart = Rotation.from_rotvec(twice.poses[::2, joint]).inv() * Rotation.from_rotvec(
            one.poses[:, joint]
        )
        np.testing.assert_allclose(apart.magnitude(), 0, atol=1e-6)
    np.testing.assert_allclose(twice.trans[::2], one.trans, atol=1e-9)
    # Halfway between two is half the turn.
    first, middle, second = (Rotation.from_rotvec(twice.poses[row, 5]) for row in (4, 5, 6))
    np.testing.assert_allclose(
        (first.inv() * middle).magnitude(), (first.inv() * second).magnitude() / 2, atol=1e-6
    )


def test_a_gap_is_filled() -> None:
    one = motions.moving(2, 30)
    rows = np.delete(np.arange(30), range(10, 14))
    gap = motion.resampled(
        one._replace(poses=one.poses[rows], trans=one.trans[rows], times=one.times[rows]), 25
    )
    assert len(gap.times) == 30
    np.testing.assert_allclose(gap.trans[9:15, 0], one.trans[9:15, 0], atol=1e-9)


def test_times_must_rise() -> None:
    one = motions.moving(0, 3)
    with pytest.raises(ValueError, match=r"motion\.times: expected one time at least, and rising"):
        motion.check(one._replace(times=np.array([0.0, 0.2, 0.1])))
    with pytest.raises(ValueError, match=r"motion\.poses: expected .*\[T, 24, 3\]"):
        motion.check(one._replace(poses=one.poses.reshape(3, 72)))
