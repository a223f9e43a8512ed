"""Learned gradient descent: its error, its gradient, its features, its steps."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body.joints import JointModel
from ief_jax.geometry.keypoints2d import Keypoints2D, bounding_square, normalise
from ief_jax.lgd import (
    belief,
    build,
    checkpoints,
    fitting,
    iteration,
    parameters,
    reprojection,
    synthetic_views,
)
from ief_jax.lgd.config import LIFTING, PAPER, RELEASED, LGDConfig
from ief_jax.lgd.parameters import Body
from tests.helpers.people import random_people


@pytest.fixture(scope="module")
def task(joint_model: JointModel) -> reprojection.Problem:
    return build.problem(PAPER, joint_model)


def observed(task: reprojection.Problem, count: int) -> tuple[Keypoints2D, synthetic_views.Example]:
    """Normalised keypoints of people in small random poses, and who they are."""
    people = random_people(task.model, task.selection, count, spread=0.3, seed=7)
    return normalised(Keypoints2D(people.points, people.confidence)), people


@jax.jit
@jax.vmap
def normalised(pixels: Keypoints2D) -> Keypoints2D:
    return normalise(pixels, bounding_square(pixels))


Tree = TypeVar("Tree")


def one(tree: Tree, index: int) -> Tree:
    picked: Tree = jax.tree.map(lambda x: x[index], tree)
    return picked


def test_paper_network_has_its_4_3_million_parameters(task: reprojection.Problem) -> None:
    weights = jax.eval_shape(lambda: build.initial_weights(PAPER, task, jax.random.key(0)))
    # (85 + 85 + 3 * 27 + 3) inputs, width 1000, two blocks of two layers, 85 outputs, with biases
    expected = (254 + 1) * 1000 + 4 * 1001 * 1000 + 1001 * 85
    assert sum(leaf.size for leaf in jax.tree.leaves(weights)) == expected == 4_344_085


@pytest.mark.parametrize("parameterisation", [parameters.AXIS_ANGLE, parameters.SIX_D])
def test_theta_zero_stands_facing_the_camera(
    joint_model: JointModel, parameterisation: parameters.Parameterisation
) -> None:
    body = parameterisation.body(parameterisation.start(10))
    np.testing.assert_allclose(body.local, np.broadcast_to(np.eye(3), (24, 3, 3)), atol=1e-6)
    np.testing.assert_array_equal(body.betas, np.zeros(10))


@pytest.mark.parametrize("parameterisation", [parameters.AXIS_ANGLE, parameters.SIX_D])
def test_encode_is_the_inverse_of_body_and_view(
    task: reprojection.Problem, parameterisation: parameters.Parameterisation
) -> None:
    task = task._replace(parameterisation=parameterisation)
    observations, people = observed(task, 1)
    seen, person = one(observations, 0), one(people, 0)

    @jax.jit
    def there_and_back(
        seen: Keypoints2D, person: synthetic_views.Example
    ) -> tuple[reprojection.Reprojection, jax.Array]:
        square = bounding_square(Keypoints2D(person.points, person.confidence))
        view = person.camera._replace(
            scale=person.camera.scale / square.half,
            translation=(person.camera.translation - square.centre) / square.half,
        )
        theta = parameterisation.encode(Body(person.local, person.betas), view)
        error = reprojection.reprojection_error(task, theta, seen)
        return reprojection.reproject(task, theta, seen), error

    again, error = there_and_back(seen, person)
    np.testing.assert_allclose(again.body.local, person.local, atol=1e-5)
    np.testing.assert_allclose(again.keypoints, seen.points, atol=2e-5)
    assert error < 1e-7


@pytest.fixture(scope="module")
def slope_at(task: reprojection.Problem) -> Callable[..., reprojection.ErrorAndGradient]:
    """Error and gradient of one person, compiled once."""
    return jax.jit(lambda theta, seen: reprojection.error_and_gradient(task, theta, seen))


def test_gradient_by_finite_differences(
    task: reprojection.Problem, slope_at: Callable[..., reprojection.ErrorAndGradient]
) -> None:
    seen = one(observed(task, 1)[0], 0)
    theta = jax.tree.map(
        lambda g: 0.1 * jax.random.normal(jax.random.key(g.size), g.shape),
        task.parameterisation.start(10),
    )
    slope = slope_at(theta, seen)
    error = jax.jit(lambda t: reprojection.reprojection_error(task, t, seen))
    for name, index in (("pose", 47), ("shape", 0), ("rotation", 1), ("scale", 0)):
        step = 1e-2
        up = error({**theta, name: theta[name].at[index].add(step)})
        down = error({**theta, name: theta[name].at[index].add(-step)})
        expected = float(up - down) / (2 * step)
        assert float(slope.gradient[name][index]) == pytest.approx(expected, rel=2e-2), name


def test_gradient_does_not_vanish_at_the_start(
    task: reprojection.Problem, slope_at: Callable[..., reprojection.ErrorAndGradient]
) -> None:
    seen = one(observed(task, 1)[0], 0)
    slope = slope_at(task.parameterisation.start(10), seen)
    for name, group in slope.gradient.items():
        assert np.isfinite(group).all() and np.abs(group).max() > 1e-4, name


def test_hidden_keypoints_have_no_say(
    task: reprojection.Problem, slope_at: Callable[..., reprojection.ErrorAndGradient]
) -> None:
    seen = one(observed(task, 1)[0], 0)
    hidden = seen._replace(confidence=seen.confidence.at[4].set(0.0))
    moved = hidden._replace(points=hidden.points.at[4].set(9.0))
    theta = task.parameterisation.start(10)
    np.testing.assert_array_equal(
        parameters.flatten(slope_at(theta, hidden).gradient),
        parameters.flatten(slope_at(theta, moved).gradient),
    )


def test_flatten_and_unflatten_agree(task: reprojection.Problem) -> None:
    theta = task.parameterisation.start(10)
    vector = jnp.arange(iteration.theta_size(task), dtype=jnp.float32)
    groups = parameters.unflatten(vector, theta)
    assert {k: v.shape for k, v in groups.items()} == {k: v.shape for k, v in theta.items()}
    np.testing.assert_array_equal(parameters.flatten(groups), vector)


def test_lifting_sees_keypoints_alone(task: reprojection.Problem) -> None:
    seen = one(observed(task, 1)[0], 0)
    theta = task.parameterisation.start(10)
    other = jax.tree.map(lambda g: g + 1, theta)
    shown = build.features(LIFTING)
    np.testing.assert_array_equal(shown(theta, theta, seen), shown(other, other, seen))


def test_a_step_adds_what_the_network_says(task: reprojection.Problem) -> None:
    seen, _ = observed(task, 3)

    def network(shown: jax.Array) -> jax.Array:
        assert shown.shape == (3, 2 * iteration.theta_size(task) + 84)
        return jnp.full((3, iteration.theta_size(task)), 0.01)

    states, record = jax.jit(lambda o: iteration.unroll(task, iteration.proposal(network), o, 2))(
        seen
    )
    for group in states.values():
        np.testing.assert_allclose(group, np.arange(3)[:, None, None] * 0.01 + 0 * group, rtol=1e-6)
    start = iteration.initial_theta(task, seen)
    expected = jax.jit(jax.vmap(lambda t, o: reprojection.error_and_gradient(task, t, o)))(
        start, seen
    )
    np.testing.assert_allclose(record.error[0], expected.error, rtol=1e-5)


def test_plain_descent_lowers_the_error(task: reprojection.Problem) -> None:
    from ief_jax import loop

    seen, _ = observed(task, 4)

    @jax.jit
    def errors_of_steps(seen: Keypoints2D) -> jax.Array:
        steps = loop.refine(
            iteration.gradient_descent(task, seen, 0.02), iteration.initial_theta(task, seen), 30
        )
        of_each = jax.vmap(lambda t, o: reprojection.reprojection_error(task, t, o))
        return jax.vmap(lambda theta: of_each(theta, seen))(steps)

    errors = errors_of_steps(seen)
    assert (errors[-1] < 0.8 * errors[0]).all()


def test_training_does_not_differentiate_through_the_gradient(task: reprojection.Problem) -> None:
    seen = one(observed(task, 1)[0], 0)
    theta = task.parameterisation.start(10)

    def through(slopes: reprojection.GradientFunction) -> parameters.Theta:
        total = jax.grad(lambda t: parameters.flatten(slopes(task, t, seen).gradient).sum())
        return jax.jit(total)(theta)

    assert not parameters.flatten(through(reprojection.detached_error_and_gradient)).any()
    assert parameters.flatten(through(reprojection.error_and_gradient)).any()


@pytest.mark.parametrize("configuration", [PAPER, RELEASED])
def test_symmetric_steps_treat_left_and_right_alike(
    joint_model: JointModel, configuration: LGDConfig
) -> None:
    """The mirror image is fitted by the mirror image of the fit, whatever the weights."""
    task = build.problem(configuration, joint_model)
    seen, _ = observed(task, 2)
    image = jax.vmap(lambda o: iteration.mirror_keypoints(o, task.opposite))(seen)
    weights = jax.jit(lambda key: build.initial_weights(configuration, task, key))(
        jax.random.key(0)
    )
    propose = iteration.mirror_averaged(
        build.proposal(configuration, task, weights),
        partial(belief.mirror_outputs, opposite=task.opposite),
    )
    if not configuration.second_order_steps:
        propose = iteration.mirror_averaged(
            build.proposal(configuration, task, weights), lambda rest: rest
        )
    unrolled = jax.jit(lambda o: iteration.unroll(task, propose, o, 2)[0])
    there, back = unrolled(seen), unrolled(image)
    mirror = jax.jit(jax.vmap(task.parameterisation.mirror))
    for n in range(3):
        mirrored = mirror(one(back, n))
        np.testing.assert_allclose(
            parameters.flatten(mirrored), parameters.flatten(one(there, n)), atol=2e-3
        )


def test_second_order_steps_go_to_the_keypoints(joint_model: JointModel) -> None:
    trained = checkpoints.load("released")
    people = observed(build.problem(RELEASED, joint_model), 4)[1]
    trace = fitting.trace(trained, joint_model, people.points, people.confidence)
    learned = RELEASED.steps
    assert trace.error.shape == (4, learned + 1 + RELEASED.second_order_steps)
    before, after = trace.error[:, learned], trace.error[:, -1]
    assert (after < before).all()
    assert float(after.mean()) < 0.75 * float(before.mean())
