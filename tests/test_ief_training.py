"""What IEF is taught, against Algorithm 1 and the closed form of its corrections."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_ief import SMALL, crops, tiny  # noqa: F401

from ief_jax import ief, ief_training
from ief_jax.ief_training import METHODS, Crops

START = jnp.array([[4.0, 5.0], [9.0, 11.0]])


def batch() -> Crops:
    images, marked = crops()
    points = np.random.default_rng(1).uniform(-2, 18, (3, 2, 2)).astype(np.float32)
    annotated = np.array([[True, True], [True, False], [False, True]])
    return Crops(*map(jnp.asarray, (images, points, annotated, marked)))


def test_steps_are_added_one_after_the_other() -> None:
    assert ief_training.stages(METHODS["ief"], 400) == [(0, 1), (100, 2), (200, 3), (300, 4)]
    assert ief_training.stages(METHODS["no_fpc"], 400) == [(0, 4)]
    assert ief_training.stages(METHODS["direct"], 400) == [(0, 1)]


def test_the_median_pose_leaves_out_what_is_not_annotated() -> None:
    points = np.array([[[0.0, 1.0]], [[2.0, 5.0]], [[4.0, 3.0]], [[900.0, -900.0]]])
    annotated = np.array([[True], [True], [True], [False]])
    np.testing.assert_array_equal(ief_training.median_pose(points, annotated), [[2.0, 3.0]])


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_is_algorithm_1(name: str) -> None:
    """Against each example's path walked by hand."""
    method, people = METHODS[name], batch()
    steps = min(3, method.steps)
    weights = ief.initial_weights(SMALL, jax.random.key(0))
    longest = 20 / 224 * 16 if method.bounded else np.inf
    sight = ief.see(SMALL, weights, people.images, people.marked)
    predict = jax.jit(ief.correction(SMALL, weights, sight))
    total = 0.0
    y = np.broadcast_to(np.asarray(START), (3, 2, 2)).copy()
    for step in range(steps):
        e = np.asarray(predict(jnp.asarray(y), step))
        u = np.asarray(people.points) - y
        length = np.linalg.norm(u, axis=-1, keepdims=True)
        bounded = u * np.minimum(1, longest / length)
        known = np.asarray(people.annotated)
        total += (((e - bounded) / SMALL.unit) ** 2).sum(-1)[known].sum() / known.sum()
        y = y + (e if "own" in name or "iterative" in name else bounded * known[..., None])
    value = ief_training.loss(SMALL, method, START, steps)(weights, people)
    assert float(value) == pytest.approx(total, rel=1e-3)


def test_what_is_not_annotated_teaches_nothing() -> None:
    people = batch()
    weights = ief.initial_weights(SMALL, jax.random.key(0))
    loss = ief_training.loss(SMALL, METHODS["ief"], START, 2)
    junk = people.points + jnp.where(people.annotated[..., None], 0.0, 1e3)
    here, there = (
        jax.grad(loss)(weights, people._replace(points=p)) for p in (people.points, junk)
    )
    jax.tree.map(np.testing.assert_array_equal, here, there)


def test_no_gradient_goes_through_the_states() -> None:
    """Of the second correction: the same whether its state is walked to or simply given."""
    people = batch()
    weights = ief.initial_weights(SMALL, jax.random.key(0))

    def second(weights, walked):  # noqa: ANN001, ANN202
        sight = ief.see(SMALL, weights, people.images, people.marked)
        correct = ief.correction(SMALL, weights, sight)
        begin = jnp.broadcast_to(START, people.points.shape)
        states, predicted = ief_training.own_path(correct, begin, people.points, 1.0, 2)
        if walked:
            return predicted[1].sum()
        return correct(jax.lax.stop_gradient(states[1]), 1).sum()

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        jax.grad(second)(weights, True),
        jax.grad(second)(weights, False),
    )
