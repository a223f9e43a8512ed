"""The fit at its edges: hidden keypoints, its trace, weights that do not belong."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from ief_jax.body import joints
from ief_jax.io.files import InputError
from ief_jax.lgd import build, fitting, synthetic_views
from ief_jax.lgd.checkpoints import Checkpoint
from ief_jax.lgd.config import PAPER, RELEASED, LGDConfig
from tests.helpers.people import random_people

SMALL = {
    configuration.name: dataclasses.replace(configuration, width=16, steps=2)
    for configuration in (PAPER, RELEASED)
}


def untrained(configuration: LGDConfig, model: joints.JointModel) -> Checkpoint:
    """Random weights: the fit is bad, but it is a fit."""
    task = build.problem(configuration, model)
    weights = jax.jit(lambda: build.initial_weights(configuration, task, jax.random.key(1)))()
    # Larger outputs than at initialisation, so that the steps do something.
    return Checkpoint(configuration, jax.tree.map(lambda w: 2 * w, weights))


@pytest.fixture(scope="module", params=["paper", "released"])
def checkpoint(request: pytest.FixtureRequest, joint_model: joints.JointModel) -> Checkpoint:
    return untrained(SMALL[request.param], joint_model)


@pytest.fixture(scope="module")
def people(joint_model: joints.JointModel) -> synthetic_views.Example:
    task = build.problem(PAPER, joint_model)
    return random_people(task.model, task.selection, 3, spread=0.2, seed=2)


def assert_close(a: fitting.Bodies, b: fitting.Bodies, tolerance: float = 2e-4) -> None:
    for name, x, y in zip(a._fields, a, b, strict=True):
        if x is None or y is None:
            assert x is y, name
            continue
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


def test_many_people_are_fitted_in_parts(
    joint_model: joints.JointModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = untrained(SMALL["released"], joint_model)
    task = build.problem(PAPER, joint_model)
    people = random_people(task.model, task.selection, 4, spread=0.2, seed=4)
    given = people.points, people.confidence, None, people.intrinsics
    whole = fitting.fit(trained, joint_model, *given)
    sizes = []
    fit_some = fitting._fit

    def noted(*given: Any) -> fitting.Bodies:
        sizes.append(len(given[-1].points))
        return fit_some(*given)

    monkeypatch.setattr(fitting, "_fit", noted)
    monkeypatch.setattr(fitting, "PART", 3)
    parts = fitting.fit(trained, joint_model, *given)
    assert sizes == [3, 3]
    assert all(isinstance(leaf, jax.Array) for leaf in parts)
    assert_close(parts, whole)
    # As a part of another function, it is one program
    text = jax.jit(lambda p: fitting.fit(trained, joint_model, p, *given[1:])).lower(given[0])
    assert "4x27x2" in text.as_text()


def test_trace_ends_where_fit_does(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    found = fitting.fit(checkpoint, joint_model, people.points, people.confidence)
    trace = fitting.trace(checkpoint, joint_model, people.points, people.confidence)
    last = jax.tree.map(lambda leaf: leaf[:, -1], trace.bodies)
    assert_close(last._replace(deviation=trace.deviation), found)
    for name, update in trace.update.items():
        assert update.shape[:2] == (3, 2) and trace.cosine[name].shape == (3, 2)
        assert (np.abs(trace.cosine[name]) <= 1 + 1e-5).all()


def test_moves_are_what_small_updates_do(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    small = Checkpoint(checkpoint.configuration, jax.tree.map(lambda w: w / 4, checkpoint.weights))
    trace = fitting.trace(small, joint_model, people.points, people.confidence)
    for name, moved in trace.moved_by_update._asdict().items():
        made = np.diff(getattr(trace.bodies, name)[:, :3], axis=1)
        assert np.abs(made).max() > 1e-4
        np.testing.assert_allclose(moved, made, atol=0.05 * np.abs(made).max(), err_msg=name)


def test_moves_by_descent_are_derivatives(
    checkpoint: Checkpoint, joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    trace = fitting.trace(checkpoint, joint_model, people.points, people.confidence)
    task = build.problem(checkpoint.configuration, joint_model)

    def joints_at(rate: float) -> np.ndarray:
        theta = {
            name: trace.theta[name][0, 1] - rate * g[0, 1] for name, g in trace.gradient.items()
        }
        body = task.parameterisation.body(theta)
        return np.asarray(joints.positions(task.model, body.local, body.betas)[:24], np.float64)

    rate = 1e-2 / max(np.abs(g[0, 1]).max() for g in trace.gradient.values())
    slope = (joints_at(rate) - joints_at(-rate)) / (2 * rate)
    # The person may be turned in the image: lengths stay.
    found = np.linalg.norm(trace.moved_by_descent.joints[0, 1], axis=-1)
    expected = np.linalg.norm(slope, axis=-1)
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.max())


def test_labels_say_what_each_body_came_of(
    joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    given = untrained(SMALL["released"], joint_model), joint_model
    trace = fitting.trace(*given, people.points, people.confidence)
    learned, further = ["learned 1", "learned 2"], [f"second-order {n}" for n in (1, 2, 3)]
    assert list(trace.labels) == ["start", *learned, *further]
    assert len(trace.labels) == trace.bodies.joints.shape[1] == trace.theta["pose"].shape[1]


def test_weights_of_another_configuration_are_refused(
    joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    paper, released = (untrained(SMALL[name], joint_model) for name in ("paper", "released"))
    mixed = Checkpoint(released.configuration, paper.weights)
    with pytest.raises(InputError, match="another configuration.*Dense_0/weight"):
        fitting.fit(mixed, joint_model, people.points, people.confidence)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"points": lambda a: a[:, :17]},
            r"points: expected \[N, 27, 2\] .* skeletons.UNION_27's order.* \(3, 17, 2\)$",
        ),
        ({"points": lambda a: a[0]}, r"points: .* got float32 \(27, 2\)$"),
        ({"confidence": lambda a: a[:, :17]}, r"confidence: .*\(N = 3\), got float32 \(3, 17\)$"),
        ({"confidence": lambda a: a[:2]}, r"confidence: .*\(N = 3\), got float32 \(2, 27\)$"),
        ({"confidence": lambda a: a > 0}, "confidence: expected real numbers .* got bool"),
        ({"confidence": lambda a: 100 * a}, "confidence: expected 0 to 1, got 100 to 100"),
        ({"confidence": lambda a: -a}, "confidence: expected 0 to 1, got -1 to -1"),
        ({"confidence": lambda a: a * np.nan}, "confidence: expected 0 to 1, got nan"),
        ({"points": lambda a: a.at[1, 3].set(np.nan)}, "points: expected finite pixels"),
        ({"points": lambda a: "here"}, "points: expected .* got 'here'"),
        ({"steps": lambda a: -1}, "steps: expected an integer, 0 or more, got -1"),
        ({"steps": lambda a: [2]}, r"steps: expected an integer, 0 or more, got \[2\]"),
        ({"steps": lambda a: True}, "steps: expected an integer, 0 or more, got True"),
    ],
)
@pytest.mark.parametrize("function", [fitting.fit, fitting.trace])
def test_what_cannot_be_fitted_is_named(
    function: Callable[..., object],
    wrong: dict[str, Callable[[Any], Any]],
    message: str,
    joint_model: joints.JointModel,
    people: synthetic_views.Example,
) -> None:
    right: dict[str, Any] = {
        "points": people.points,
        "confidence": people.confidence,
        "steps": None,
    }
    given = {**right, **{name: spoil(right[name]) for name, spoil in wrong.items()}}
    empty = Checkpoint(SMALL["paper"], {})
    with pytest.raises(ValueError, match="^" + message):
        function(empty, joint_model, **given)


def test_a_hidden_keypoint_may_be_anywhere(
    joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    trained = untrained(SMALL["paper"], joint_model)
    confidence = people.confidence.at[:, 4].set(0.0)
    nowhere = people.points.at[:, 4].set(np.nan)
    expected = fitting.fit(trained, joint_model, people.points, confidence)
    assert_close(fitting.fit(trained, joint_model, nowhere, confidence), expected)


def test_the_error_is_the_mean_distance_of_the_seen_keypoints(
    joint_model: joints.JointModel, people: synthetic_views.Example
) -> None:
    trained = untrained(SMALL["paper"], joint_model)
    confidence = people.confidence.at[:, 4].set(0.0).at[1, 7].set(0.0)
    found = fitting.fit(trained, joint_model, people.points, confidence)
    distance = np.linalg.norm(found.keypoints - people.points, axis=-1)
    expected = [d[c > 0].mean() for d, c in zip(distance, np.asarray(confidence), strict=True)]
    np.testing.assert_allclose(found.error, expected, rtol=1e-4)
