"""The whole unrolled fit as one function: compiled, batched, exported, differentiated."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from ief_jax import camera, fitting, joints, rotations, sampling, smpl
from ief_jax.checkpoints import Checkpoint
from ief_jax.configurations import PAPER, RELEASED, Configuration
from ief_jax.files import InputError

SMALL = {
    configuration.name: dataclasses.replace(configuration, width=16, steps=2)
    for configuration in (PAPER, RELEASED)
}


def untrained(configuration: Configuration, model: joints.JointModel) -> Checkpoint:
    """Random weights: the fit is bad, but it is a fit."""
    task = fitting.problem(configuration, model)
    weights = fitting.initial_weights(configuration, task, jax.random.key(1))
    # Larger outputs than at initialisation, so that the steps do something.
    return Checkpoint(configuration, jax.tree.map(lambda w: 2 * w, weights))


@pytest.fixture(scope="module", params=["paper", "released"])
def checkpoint(request: pytest.FixtureRequest, joint_model: joints.JointModel) -> Checkpoint:
    return untrained(SMALL[request.param], joint_model)


@pytest.fixture(scope="module")
def people(joint_model: joints.JointModel) -> sampling.Example:
    task = fitting.problem(PAPER, joint_model)
    keys = jax.random.split(jax.random.key(2), 3)
    poses = 0.2 * jax.random.normal(jax.random.key(3), (3, 24, 3))
    return jax.vmap(lambda k, p: sampling.example(k, task.model, task.selection, p))(keys, poses)


def assert_close(a: fitting.Bodies, b: fitting.Bodies, tolerance: float = 2e-4) -> None:
    for name, x, y in zip(a._fields, a, b, strict=True):
        scale = 1 + np.abs(y).max()
        np.testing.assert_allclose(x, y, atol=tolerance * scale, err_msg=name)


def test_bodies_are_where_they_are_said_to_be(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: sampling.Example
) -> None:
    """`keypoints` and `error` follow from poses, betas and camera by the documented formulas."""
    found = fitting.fit(checkpoint, joint_model, people.points, people.confidence)
    task = fitting.problem(checkpoint.configuration, joint_model)
    for n in range(3):
        local = rotations.axis_angle_to_matrix(found.poses[n].reshape(24, 3))
        points = joints.positions(task.model, local, found.betas[n])
        np.testing.assert_allclose(found.joints[n], points[:24], atol=1e-4)
        seen = (
            found.scale[n] * (task.selection @ points)[:, :2] * camera.FLIP + found.translation[n]
        )
        np.testing.assert_allclose(found.keypoints[n], seen, atol=0.05)
        distance = np.linalg.norm(seen - people.points[n], axis=-1).mean()
        assert float(found.error[n]) == pytest.approx(float(distance), rel=1e-3)


def test_under_vmap_jit_pmap_and_export(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: sampling.Example
) -> None:
    def fit(points: jax.Array, confidence: jax.Array) -> fitting.Bodies:
        return fitting.fit(checkpoint, joint_model, points, confidence)

    arguments = people.points, people.confidence
    expected = fit(*arguments)
    assert_close(jax.jit(fit)(*arguments), expected)
    one_by_one = jax.vmap(lambda p, c: fit(p[None], c[None]))(*arguments)
    assert_close(jax.tree.map(lambda x: x[:, 0], one_by_one), expected)
    on_devices = jax.pmap(fit)(*(a[None] for a in arguments))
    assert_close(jax.tree.map(lambda x: x[0], on_devices), expected)
    program = export.export(jax.jit(lambda p, c: tuple(fit(p, c))))(*arguments)
    again = export.deserialize(program.serialize())
    assert_close(fitting.Bodies(*again.call(*arguments)), expected)


def test_derivative_by_keypoints_is_right(
    joint_model: joints.JointModel, people: sampling.Example
) -> None:
    """Through all steps and the gradients within them, against finite differences."""
    checkpoint = untrained(SMALL["paper"], joint_model)
    confidence = people.confidence[:1]

    def height(points: jax.Array) -> jax.Array:
        found = fitting.fit(checkpoint, joint_model, points, confidence)
        return (found.joints * jnp.arange(1.0, 73.0).reshape(1, 24, 3) / 72).sum()

    derivative = jax.grad(height)(people.points[:1])
    assert np.isfinite(derivative).all()
    # A direction that leaves the box, and with it the frame, alone.
    inside = np.ones((1, 18, 2), np.float32)
    inside[0, [people.points[0, :, 0].argmin(), people.points[0, :, 0].argmax()]] = 0
    inside[0, [people.points[0, :, 1].argmin(), people.points[0, :, 1].argmax()]] = 0
    direction = inside * np.asarray(jax.random.normal(jax.random.key(4), (1, 18, 2)))
    step = 0.3
    difference = height(people.points[:1] + step * direction) - height(
        people.points[:1] - step * direction
    )
    expected = float(difference) / (2 * step)
    assert float((derivative * direction).sum()) == pytest.approx(expected, rel=3e-2)


def test_derivative_is_finite_at_hidden_keypoints(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: sampling.Example
) -> None:
    confidence = people.confidence[:1].at[0, 7].set(0.0)
    derivative = jax.grad(
        lambda p: fitting.fit(checkpoint, joint_model, p, confidence).joints.sum()
    )(people.points[:1])
    assert np.isfinite(derivative).all()
    np.testing.assert_array_equal(derivative[0, 7], 0.0)


def test_a_body_with_another_number_of_vertices(
    body: smpl.BodyModel, people: sampling.Example
) -> None:
    """A user's own body without landmarks: its face keypoints are left out, the rest is fitted."""
    keep = np.sort(np.random.default_rng(0).choice(6890, 5000, replace=False))
    regressor = np.asarray(body.joint_regressor)[:, keep]
    smaller = body.replace(
        template=body.template[keep],
        shape_directions=body.shape_directions[keep],
        pose_directions=body.pose_directions[keep],
        joint_regressor=jnp.asarray(regressor / regressor.sum(1, keepdims=True)),
        weights=body.weights[keep],
        faces=jnp.zeros((0, 3), jnp.int32),
        landmarks=jnp.zeros(0, jnp.int32),
        landmark_names=(),
    )
    model = joints.fold(smaller)
    found = fitting.fit(
        untrained(SMALL["released"], model), model, people.points, people.confidence
    )
    assert found.joints.shape == (3, 24, 3)
    assert all(np.isfinite(leaf).all() for leaf in found)


def test_trace_ends_where_fit_does(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: sampling.Example
) -> None:
    found = fitting.fit(checkpoint, joint_model, people.points, people.confidence)
    trace = fitting.trace(checkpoint, joint_model, people.points, people.confidence)
    assert_close(jax.tree.map(lambda leaf: leaf[:, -1], trace.bodies), found)
    for name, update in trace.update.items():
        assert update.shape[:2] == (3, 2) and trace.cosine[name].shape == (3, 2)
        assert (np.abs(trace.cosine[name]) <= 1 + 1e-5).all()


def test_weights_of_another_configuration_are_refused(
    joint_model: joints.JointModel, people: sampling.Example
) -> None:
    paper, released = (untrained(SMALL[name], joint_model) for name in ("paper", "released"))
    mixed = Checkpoint(released.configuration, paper.weights)
    with pytest.raises(InputError, match="another configuration.*Dense_0/kernel"):
        fitting.fit(mixed, joint_model, people.points, people.confidence)
