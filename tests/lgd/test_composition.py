"""A whole fit is a pure function: what jax does to functions, it does to fits."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, smpl
from ief_jax.geometry import camera, rotations, skeletons
from ief_jax.lgd import build, checkpoints, fitting
from ief_jax.lgd.config import PAPER, RELEASED, LGDConfig

PEOPLE = 4


def untrained(configuration: LGDConfig, model: joints.JointModel) -> checkpoints.Checkpoint:
    """A small network with random weights large enough to move the body."""
    configuration = dataclasses.replace(configuration, width=16)
    task = build.problem(configuration, model)
    weights = build.initial_weights(configuration, task, jax.random.key(0))
    return checkpoints.Checkpoint(configuration, jax.tree.map(lambda w: 2 * w, weights))


@pytest.fixture(scope="module")
def checkpoint(joint_model: joints.JointModel) -> checkpoints.Checkpoint:
    return untrained(PAPER, joint_model)


@pytest.fixture(scope="module")
def detections() -> tuple[jax.Array, jax.Array]:
    """Random keypoints of a few people, two of them hidden."""
    rng = np.random.default_rng(0)
    points = jnp.asarray(rng.uniform(100, 400, (PEOPLE, 27, 2)), jnp.float32)
    confidence = np.ones((PEOPLE, 27), np.float32)
    confidence[0, [3, 16]] = 0
    return points, jnp.asarray(confidence)


@pytest.fixture(scope="module")
def fitted(
    checkpoint: checkpoints.Checkpoint,
    joint_model: joints.JointModel,
    detections: tuple[jax.Array, jax.Array],
) -> fitting.Bodies:
    return fitting.fit(checkpoint, joint_model, *detections)


def assert_same(found: fitting.Bodies, expected: fitting.Bodies, tolerance: float = 1e-4) -> None:
    for name, one, other in zip(expected._fields, found, expected, strict=True):
        if one is None or other is None:
            assert one is other, name
            continue
        scale = float(jnp.abs(other).max())
        np.testing.assert_allclose(one, other, atol=tolerance * max(scale, 1), err_msg=name)


def test_fit_says_one_body_throughout(
    joint_model: joints.JointModel,
    detections: tuple[jax.Array, jax.Array],
    fitted: fitting.Bodies,
) -> None:
    points, confidence = detections
    assert float(jnp.abs(fitted.poses).max()) > 0.01  # the network moved it
    matrix = skeletons.selection(skeletons.UNION_27, joint_model.names)

    @jax.jit
    def points_of(pose: jax.Array, betas: jax.Array) -> jax.Array:
        local = rotations.axis_angle_to_matrix(pose.reshape(24, 3))
        return joints.positions(joint_model, local, betas)

    for i in range(PEOPLE):
        posed = points_of(fitted.poses[i], fitted.betas[i])
        np.testing.assert_allclose(fitted.joints[i], posed[:24], atol=1e-5)
        view = camera.WeakPerspective(fitted.scale[i], fitted.translation[i])
        lens = camera.Intrinsics(fitted.inverse_focal[i], fitted.principal[i])
        seen = camera.project(view, jnp.asarray(matrix @ posed), lens)
        np.testing.assert_allclose(fitted.keypoints[i], seen, atol=0.01)
        distance = np.linalg.norm(seen - points[i], axis=1)[np.asarray(confidence[i]) > 0]
        np.testing.assert_allclose(fitted.error[i], distance.mean(), rtol=1e-4)


def test_hidden_keypoints_have_no_influence(
    checkpoint: checkpoints.Checkpoint,
    joint_model: joints.JointModel,
    detections: tuple[jax.Array, jax.Array],
    fitted: fitting.Bodies,
) -> None:
    points, confidence = detections
    spoiled = jnp.where((confidence > 0)[..., None], points, 1e5)
    assert_same(fitting.fit(checkpoint, joint_model, spoiled, confidence), fitted, 1e-6)


def test_jit_and_vmap(
    checkpoint: checkpoints.Checkpoint,
    joint_model: joints.JointModel,
    detections: tuple[jax.Array, jax.Array],
    fitted: fitting.Bodies,
) -> None:
    points, confidence = detections

    @jax.jit
    @jax.vmap
    def fit_pairs(points: jax.Array, confidence: jax.Array) -> fitting.Bodies:
        return fitting.fit(checkpoint, joint_model, points, confidence)

    pairs = fit_pairs(points.reshape(2, 2, 27, 2), confidence.reshape(2, 2, 27))
    assert_same(jax.tree.map(lambda a: a.reshape(PEOPLE, *a.shape[2:]), pairs), fitted)


def test_pmap(
    checkpoint: checkpoints.Checkpoint,
    joint_model: joints.JointModel,
    detections: tuple[jax.Array, jax.Array],
    fitted: fitting.Bodies,
) -> None:
    devices = min(jax.local_device_count(), 2)
    shards = [a.reshape(devices, PEOPLE // devices, *a.shape[1:]) for a in detections]
    spread = jax.pmap(lambda p, c: fitting.fit(checkpoint, joint_model, p, c))(*shards)
    assert_same(jax.tree.map(lambda a: a.reshape(PEOPLE, *a.shape[2:]), spread), fitted)


def test_exported_program_gives_the_same(
    checkpoint: checkpoints.Checkpoint,
    joint_model: joints.JointModel,
    detections: tuple[jax.Array, jax.Array],
    fitted: fitting.Bodies,
) -> None:
    program = jax.jit(lambda p, c: fitting.fit(checkpoint, joint_model, p, c)._asdict())
    exported = jax.export.export(program, platforms=("cpu", "cuda", "tpu"))(*detections)
    reloaded = jax.export.deserialize(exported.serialize())
    assert reloaded.platforms == ("cpu", "cuda", "tpu")
    assert_same(fitting.Bodies(**reloaded.call(*detections)), fitted)


@pytest.mark.parametrize(
    "configuration", [PAPER, pytest.param(RELEASED, marks=pytest.mark.slow)], ids=lambda c: c.name
)
def test_derivative_by_the_keypoints(
    configuration: LGDConfig,
    joint_model: joints.JointModel,
    detections: tuple[jax.Array, jax.Array],
) -> None:
    # As shipped: random weights make second-order steps that no difference can follow.
    checkpoint = checkpoints.load(configuration.name)
    # About a person who stands: where the trunk has no direction the fit has no derivative.
    rest = jnp.broadcast_to(jnp.eye(3), (24, 3, 3))
    matrix = skeletons.selection(skeletons.UNION_27, joint_model.names)
    standing = matrix @ jax.jit(joints.positions)(joint_model, rest, jnp.zeros(10))
    points, confidence = (a[:1] for a in detections)
    points = 0.03 * points + 200 * standing[None, :, :2] * camera.FLIP[None, None]
    along = jax.random.normal(jax.random.key(1), (24, 3))

    @jax.jit
    @jax.value_and_grad
    def height(points: jax.Array) -> jax.Array:
        return (fitting.fit(checkpoint, joint_model, points, confidence).joints[0] * along).sum()

    _, gradient = height(points)
    assert jnp.isfinite(gradient).all()
    # A hidden keypoint does not move the body.
    np.testing.assert_array_equal(gradient[0, [3, 16]], 0)
    for seed in (2, 3):
        # Half of it uphill, so that the comparison below means something
        uphill = gradient / jnp.linalg.norm(gradient)
        other = jax.random.normal(jax.random.key(seed), points.shape)
        direction = 0.1 * (uphill + other / jnp.linalg.norm(other))
        numeric = (height(points + direction)[0] - height(points - direction)[0]) / 2
        analytic = (gradient * direction).sum()
        size = float(jnp.linalg.norm(gradient) * jnp.linalg.norm(direction))
        np.testing.assert_allclose(analytic, numeric, atol=0.03 * size)


def test_body_with_another_number_of_vertices(
    body: smpl.BodyModel,
    joint_model: joints.JointModel,
    checkpoint: checkpoints.Checkpoint,
    detections: tuple[jax.Array, jax.Array],
    fitted: fitting.Bodies,
) -> None:
    # The same body with its vertices twice: half the regressor's weight on each.
    twice = dataclasses.replace(
        body,
        template=jnp.concatenate([body.template, body.template]),
        shape_directions=jnp.concatenate([body.shape_directions, body.shape_directions]),
        pose_directions=jnp.concatenate([body.pose_directions, body.pose_directions]),
        joint_regressor=jnp.concatenate([body.joint_regressor, body.joint_regressor], 1) / 2,
        weights=jnp.concatenate([body.weights, body.weights]),
    )
    model = joints.fold(twice)
    np.testing.assert_allclose(model.joint_template, joint_model.joint_template, atol=1e-6)
    assert_same(fitting.fit(checkpoint, model, *detections), fitted)
