"""The derivative of a whole fit by its keypoints, against finite differences."""

import jax
import numpy as np
import pytest

from ief_jax import lgd
from ief_jax.body import joints
from ief_jax.lgd import build
from tests.helpers import tiny
from tests.helpers.people import random_people


@pytest.mark.slow
def test_jacobian_is_that_of_finite_differences(joint_model: joints.JointModel) -> None:
    checkpoint = tiny.checkpoint(joint_model)
    task = build.problem(checkpoint.configuration, joint_model)
    people = random_people(task.model, task.selection, 2, spread=0.2, seed=2)
    points = 100 * np.asarray(people.points)
    confidence = np.ones((2, 27), np.float32)
    hidden, nowhere = 9, points.copy()
    confidence[:, hidden], nowhere[:, hidden] = 0, np.nan
    found = lgd.jacobian(checkpoint, joint_model, nowhere, confidence)
    assert found.poses.shape == found.joints.shape == (2, 24, 3, 27, 2)
    np.testing.assert_array_equal(found.joints[..., hidden, :], 0)
    fit = jax.jit(lambda p: lgd.fit(checkpoint, joint_model, p, confidence))
    for keypoint, axis in ((0, 0), (4, 1), (13, 0)):
        # By different keypoints for the two people, who must not be mixed up.
        moved = np.zeros_like(points)
        moved[0, keypoint, axis], moved[1, keypoint + 1, axis] = 1, 1
        ahead, behind = fit(points + moved), fit(points - moved)
        for name, shape in (("joints", (24, 3)), ("poses", (24, 3))):
            slope = (np.asarray(getattr(ahead, name)) - np.asarray(getattr(behind, name))) / 2
            for person, k in ((0, keypoint), (1, keypoint + 1)):
                expected = slope[person].reshape(shape)
                difference = getattr(found, name)[person, :, :, k, axis] - expected
                assert np.abs(difference).max() < 0.03 * np.abs(expected).max() + 2e-6, name
