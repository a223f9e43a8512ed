"""Keypoints as detectors give them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints
from ief_jax.geometry import keypoints2d
from ief_jax.lgd import annotators, build, detector_errors, synthetic_views
from ief_jax.lgd.config import RELEASED
from tests.helpers.people import random_people

PEOPLE = 400


@pytest.fixture(scope="module")
def points(joint_model: joints.JointModel) -> jax.Array:
    task = build.problem(RELEASED, joint_model)
    return random_people(task.model, task.selection, 1, 0.2, 0).points[0]


def detected(points: jax.Array, noisy: bool, lossy: bool) -> keypoints2d.Keypoints2D:
    """The same person, by many detectors."""
    rates = detector_errors.Rates()

    @jax.jit
    @jax.vmap
    def detect(key: jax.Array) -> keypoints2d.Keypoints2D:
        flags = jnp.asarray(noisy), jnp.asarray(lossy)
        skeleton = detector_errors.draw_skeleton(jax.random.fold_in(key, 1))
        return detector_errors.detect(key, points, skeleton, rates, *flags)

    return detect(jax.random.split(jax.random.key(0), PEOPLE))


def test_without_errors_a_skeleton_is_seen_where_it_is(points: jax.Array) -> None:
    found = detected(points, False, False)
    masks = {tuple(np.isin(build.LAYOUT, each.names)) for each in detector_errors.SKELETONS}
    seen = np.asarray(found.confidence) > 0
    assert {tuple(row) for row in seen} == masks
    expected = np.where(seen[..., None], np.asarray(points)[None], 0)
    np.testing.assert_array_equal(found.points, expected)


def test_noise_is_less_the_surer_a_keypoint(points: jax.Array) -> None:
    found = detected(points, True, False)
    side = float(synthetic_views.box_side(points, jnp.ones(27)))
    error = np.linalg.norm(np.asarray(found.points) - np.asarray(points)[None], axis=-1) / side
    confidence = np.asarray(found.confidence)
    sure, unsure = error[confidence > 0.8], error[(confidence > 0) & (confidence < 0.3)]
    assert 0.002 < np.median(sure) < 0.03 and np.median(unsure) > 3 * np.median(sure)


def test_enough_is_always_left(points: jax.Array) -> None:
    found = detected(points, True, True)
    count = (np.asarray(found.confidence) > 0).sum(1)
    assert count.min() >= synthetic_views.FEWEST and count.mean() < 20
    assert (np.asarray(found.points)[np.asarray(found.confidence) == 0] == 0).all()


def test_offsets_move_with_the_bones(joint_model: joints.JointModel) -> None:
    task = build.problem(RELEASED, joint_model)
    local = random_people(task.model, task.selection, 1, 0.3, 1).local[0]
    turn = jnp.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    turned = local.at[0].set(turn @ local[0])
    key = jax.random.key(3)
    one, other = (
        detector_errors.moved_points(key, task.model, pose, jnp.asarray(0), jnp.ones(()))
        for pose in (local, turned)
    )
    np.testing.assert_allclose(other, one @ turn.T, atol=1e-5)
    assert 0.005 < float(jnp.abs(one).mean()) < 0.03


def test_a_skeletons_keypoints_lie_where_its_annotators_put_them(
    joint_model: joints.JointModel,
) -> None:
    """On average over people, in the frame of the bone."""
    local = jnp.broadcast_to(jnp.eye(3), (24, 3, 3))
    row = [each.offsets for each in detector_errors.SKELETONS].index(annotators.COCO)

    @jax.vmap
    def moved(key: jax.Array) -> jax.Array:
        return detector_errors.moved_points(key, joint_model, local, jnp.asarray(row), jnp.ones(()))

    mean = np.asarray(moved(jax.random.split(jax.random.key(4), 4000)).mean(0))
    for name, offset in annotators.COCO.items():
        np.testing.assert_allclose(mean[build.LAYOUT.index(name)], offset, atol=0.003)
    hips = np.array([annotators.COCO[f"{side}_hip"] for side in ("left", "right")]).mean(0)
    np.testing.assert_allclose(mean[build.LAYOUT.index("mid_hip")], hips, atol=0.003)
