"""The fit at its edges: hidden keypoints, its trace, weights that do not belong."""

import dataclasses

import jax
import numpy as np
import pytest

from ief_jax.body import joints
from ief_jax.io.files import InputError
from ief_jax.lgd import build, fitting, synthetic_views
from ief_jax.lgd.checkpoints import Checkpoint
from ief_jax.lgd.config import PAPER, RELEASED, LGDConfig

SMALL = {
    configuration.name: dataclasses.replace(configuration, width=16, steps=2)
    for configuration in (PAPER, RELEASED)
}


def untrained(configuration: LGDConfig, model: joints.JointModel) -> Checkpoint:
    """Random weights: the fit is bad, but it is a fit."""
    task = build.problem(configuration, model)
    weights = build.initial_weights(configuration, task, jax.random.key(1))
    # Larger outputs than at initialisation, so that the steps do something.
    return Checkpoint(configuration, jax.tree.map(lambda w: 2 * w, weights))


@pytest.fixture(scope="module", params=["paper", "released"])
def checkpoint(request: pytest.FixtureRequest, joint_model: joints.JointModel) -> Checkpoint:
    return untrained(SMALL[request.param], joint_model)


@pytest.fixture(scope="module")
def people(joint_model: joints.JointModel) -> synthetic_views.Example:
    task = build.problem(PAPER, joint_model)
    keys = jax.random.split(jax.random.key(2), 3)
    poses = 0.2 * jax.random.normal(jax.random.key(3), (3, 24, 3))
    return jax.vmap(lambda k, p: synthetic_views.example(k, task.model, task.selection, p))(
        keys, poses
    )


def assert_close(a: fitting.Bodies, b: fitting.Bodies, tolerance: float = 2e-4) -> None:
    for name, x, y in zip(a._fields, a, b, strict=True):
        scale = 1 + np.abs(y).max()
        np.testing.assert_allclose(x, y, atol=tolerance * scale, err_msg=name)


@pytest.mark.slow
def test_derivative_is_finite_at_hidden_keypoints(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    confidence = people.confidence[:1].at[0, 7].set(0.0)
    derivative = jax.grad(
        lambda p: fitting.fit(checkpoint, joint_model, p, confidence).joints.sum()
    )(people.points[:1])
    assert np.isfinite(derivative).all()
    np.testing.assert_array_equal(derivative[0, 7], 0.0)


def test_trace_ends_where_fit_does(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    found = fitting.fit(checkpoint, joint_model, people.points, people.confidence)
    trace = fitting.trace(checkpoint, joint_model, people.points, people.confidence)
    assert_close(jax.tree.map(lambda leaf: leaf[:, -1], trace.bodies), found)
    for name, update in trace.update.items():
        assert update.shape[:2] == (3, 2) and trace.cosine[name].shape == (3, 2)
        assert (np.abs(trace.cosine[name]) <= 1 + 1e-5).all()


def test_weights_of_another_configuration_are_refused(
    joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    paper, released = (untrained(SMALL[name], joint_model) for name in ("paper", "released"))
    mixed = Checkpoint(released.configuration, paper.weights)
    with pytest.raises(InputError, match="another configuration.*Dense_0/weight"):
        fitting.fit(mixed, joint_model, people.points, people.confidence)
