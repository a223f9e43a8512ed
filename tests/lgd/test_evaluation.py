"""The protocol and its measures, against scipy and written-out sums."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from ief_jax.body import joints, pose_prior, smpl
from ief_jax.geometry import rotations, skeletons
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import build, evaluation, fitting, smplify, synthetic_views
from ief_jax.lgd.evaluation import Estimate, Examples
from ief_jax.lgd.parameters import Body
from tests.helpers import tiny

SEED = jnp.uint32(5)
FOURTEEN = (7, 4, 1, 2, 5, 8, 20, 18, 16, 17, 19, 21, 12, 15)
"""Ankles, knees, hips, wrists, elbows, shoulders, neck and head among SMPL's 24 joints."""


@pytest.fixture(scope="module")
def poses() -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(0, 0.25, (6, 24, 3)), jnp.float32)


@pytest.fixture(scope="module")
def examples(joint_model: joints.JointModel, poses: jax.Array) -> Examples:
    return evaluation.examples_of_poses(joint_model, poses, jnp.arange(6), SEED, 0.01, 0.2)


def person(examples: Examples, row: int) -> Examples:
    return jax.tree.map(lambda leaf: leaf[row], examples)


def test_a_pose_looks_the_same_in_every_selection(
    joint_model: joints.JointModel, poses: jax.Array, examples: Examples
) -> None:
    rows = jnp.array([4, 1, 1, 5, 0, 2])
    some = evaluation.examples_of_poses(joint_model, poses[rows], rows, SEED, 0.01, 0.2)
    for a, b in zip(jax.tree.leaves(some), jax.tree.leaves(examples), strict=True):
        np.testing.assert_allclose(a, b[rows], rtol=1e-5, atol=1e-3)
    other = evaluation.examples_of_poses(
        joint_model, poses, jnp.arange(6), jnp.uint32(6), 0.01, 0.2
    )
    assert np.abs(other.truth.points - examples.truth.points).max(axis=(1, 2)).min() > 1


def test_only_what_is_observed_is_spoiled(
    joint_model: joints.JointModel, poses: jax.Array, examples: Examples
) -> None:
    clean = evaluation.examples_of_poses(joint_model, poses, jnp.arange(6), SEED, 0.0, 0.0)
    np.testing.assert_allclose(clean.truth.points, examples.truth.points, atol=1e-3)
    known = np.isin(build.LAYOUT, skeletons.COCO_18)
    np.testing.assert_allclose(
        clean.observed.points[:, known], clean.truth.points[:, known], atol=1e-3
    )
    np.testing.assert_array_equal(clean.observed.confidence, np.tile(known, (6, 1)))
    seen = np.asarray(examples.observed.confidence) > 0
    moved = np.asarray(examples.observed.points - examples.truth.points)[seen]
    assert 0.5 < moved.std() / 3.0 < 2.0
    assert not seen.all()


def test_the_root_is_turned_and_nothing_else(poses: jax.Array, examples: Examples) -> None:
    given = rotations.axis_angle_to_matrix(poses)
    np.testing.assert_allclose(examples.truth.local[:, 1:], given[:, 1:], atol=1e-6)
    roots = Rotation.from_matrix(np.asarray(examples.truth.local[:, 0], np.float64))
    turns = roots * Rotation.from_matrix(np.asarray(given[:, 0], np.float64)).inv()
    z, x, yaw = turns.as_euler("ZXY").T
    assert np.abs([z, x]).max() < 6 * synthetic_views.TILT_DEVIATION
    assert np.ptp(yaw) > 1


def test_prior_examples_are_the_priors_poses(joint_model: joints.JointModel) -> None:
    prior = pose_prior.embedded()
    found = evaluation.examples_of_prior(joint_model, prior, jnp.arange(6), SEED)
    assert found.truth.local.shape == (6, 24, 3, 3)
    body = rotations.matrix_to_axis_angle(found.truth.local[:, 1:22]).reshape(6, 63)
    density = jax.jit(jax.vmap(partial(pose_prior.log_density, prior)))(body)
    assert density.min() > -100
    assert np.ptp(np.asarray(body), axis=0).min() > 0
    np.testing.assert_allclose(
        found.truth.local[:, 22:], np.tile(np.eye(3), (6, 2, 1, 1)), atol=1e-6
    )


def test_choose() -> None:
    np.testing.assert_array_equal(evaluation.choose(5, None, 0), np.arange(5))
    np.testing.assert_array_equal(evaluation.choose(5, 9, 0), np.arange(5))
    some = evaluation.choose(1000, 50, 3)
    assert len(np.unique(some)) == 50
    assert (np.diff(some) > 0).all()
    np.testing.assert_array_equal(some, evaluation.choose(1000, 50, 3))
    assert not np.array_equal(some, evaluation.choose(1000, 50, 4))
    # A larger count takes the same poses and more.
    assert set(some) <= set(evaluation.choose(1000, 80, 3))


@pytest.fixture(scope="module")
def estimates(examples: Examples) -> Estimate:
    """Two estimates of the first person: the truth, and something else."""
    rng = np.random.default_rng(1)
    truth = person(examples, 0).truth
    turned = Rotation.from_rotvec(rng.normal(0, 0.3, (24, 3))).as_matrix()
    local = jnp.stack([truth.local, jnp.asarray(np.asarray(truth.local) @ turned, jnp.float32)])
    betas = jnp.stack([truth.betas, truth.betas + 1])
    moved = truth.points + jnp.asarray(rng.normal(0, 5, (27, 2)), jnp.float32)
    return Estimate(Body(local, betas), jnp.stack([truth.points, moved]))


@pytest.fixture(scope="module")
def errors(
    body: smpl.BodyModel,
    joint_model: joints.JointModel,
    estimates: Estimate,
    examples: Examples,
) -> evaluation.Errors:
    return jax.jit(evaluation.errors)(body, joint_model, estimates, person(examples, 0))


def test_the_truth_has_no_error(errors: evaluation.Errors) -> None:
    for name in ("pa_mpjpe", "mpjpe", "vertex"):
        assert getattr(errors, name)[0] < 0.01, name


def test_errors_are_the_written_out_sums(
    body: smpl.BodyModel,
    joint_model: joints.JointModel,
    estimates: Estimate,
    examples: Examples,
    errors: evaluation.Errors,
) -> None:
    truth, observed = person(examples, 0)
    whole = jax.jit(smpl.vertices)
    mesh = [
        np.asarray(whole(body, local, betas), np.float64)
        for local, betas in (
            (estimates.body.local[1], estimates.body.betas[1]),
            (truth.local, truth.betas),
        )
    ]
    at = [
        np.asarray(
            smpl.pose(smpl.shape(body, betas).joints, local, body.parents).joints, np.float64
        )
        for local, betas in (
            (estimates.body.local[1], estimates.body.betas[1]),
            (truth.local, truth.betas),
        )
    ]
    centred = [points - points[0] for points in at]
    a, b = (points[list(FOURTEEN)] for points in centred)
    np.testing.assert_allclose(
        errors.mpjpe[1], 1000 * np.linalg.norm(a - b, axis=1).mean(), rtol=1e-4
    )
    x, y = a - a.mean(0), b - b.mean(0)
    turn, singular = orthogonal_procrustes(x, y)
    assert np.linalg.det(turn) > 0
    aligned = singular / (x**2).sum() * x @ turn
    np.testing.assert_allclose(
        errors.pa_mpjpe[1], 1000 * np.linalg.norm(aligned - y, axis=1).mean(), rtol=1e-3
    )
    distance = np.linalg.norm((mesh[0] - at[0][0]) - (mesh[1] - at[1][0]), axis=1)
    np.testing.assert_allclose(errors.vertex[1], 1000 * distance.mean(), rtol=1e-4)
    seen = np.asarray(observed.confidence) > 0
    found = np.asarray(observed.points)[seen]
    far = np.linalg.norm(np.asarray(estimates.keypoints)[1][seen] - found, axis=1).mean()
    np.testing.assert_allclose(errors.reprojection[1], far / np.ptp(found, axis=0).max(), rtol=1e-4)


def test_rest_is_the_rest_pose_seen_at_its_best(
    joint_model: joints.JointModel, examples: Examples
) -> None:
    found = jax.jit(evaluation.rest_pose)(joint_model, person(examples, 0).observed)
    np.testing.assert_array_equal(found.body.local, np.tile(np.eye(3), (24, 1, 1)))
    assert not np.any(found.body.betas)
    # No other scale and place of the same figure is nearer to what was seen.
    observed = person(examples, 0).observed
    seen = np.asarray(observed.confidence) > 0
    points, figure = np.asarray(observed.points)[seen], np.asarray(found.keypoints)[seen]
    least = ((points - figure) ** 2).sum()
    for scale, move in ((1.01, 0.0), (0.99, 0.0), (1.0, 1.0), (1.0, -1.0)):
        other = (figure - figure.mean(0)) * scale + figure.mean(0) + move
        assert ((points - other) ** 2).sum() > least


def test_the_path_ends_where_fitting_does(
    joint_model: joints.JointModel, examples: Examples
) -> None:
    checkpoint = tiny.checkpoint(joint_model)
    path = evaluation.path(checkpoint, joint_model, 2, examples.observed)
    assert path.body.local.shape == (6, 3, 24, 3, 3)
    fitted = fitting.fit(
        checkpoint,
        joint_model,
        examples.observed.points,
        examples.observed.confidence,
        2,
        examples.observed.intrinsics,
    )
    learned = evaluation.learned(checkpoint, joint_model, 2, examples.observed)
    for found in (path.keypoints[:, -1], learned.keypoints):
        np.testing.assert_allclose(found, fitted.keypoints, atol=0.05)
    turned = Rotation.from_rotvec(np.asarray(fitted.poses).reshape(-1, 3)).as_matrix()
    for local in (path.body.local[:, -1], learned.body.local):
        np.testing.assert_allclose(np.asarray(local).reshape(-1, 3, 3), turned, atol=1e-4)


def test_the_optimiser_is_given_the_observed_keypoints(
    joint_model: joints.JointModel, examples: Examples
) -> None:
    prior = pose_prior.embedded()
    observed = person(examples, 0).observed
    few = smplify.TUNED._replace(steps=30, prior=1.0, mixture=1.0)
    fit = jax.jit(partial(evaluation.optimised, joint_model, prior, few, smplify.YAWS[:1]))
    found, start = fit(observed), evaluation.rest_pose(joint_model, observed)
    seen = np.asarray(observed.confidence) > 0

    def far(estimate: Estimate) -> float:
        return float(np.linalg.norm(estimate.keypoints - observed.points, axis=-1)[seen].mean())

    assert far(found) < 0.7 * far(start)
    shifted = Keypoints2D(2 * observed.points + 30, observed.confidence)
    np.testing.assert_allclose(fit(shifted).body.local, found.body.local, atol=0.05)
