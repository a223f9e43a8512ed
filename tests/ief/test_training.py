"""What IEF is taught, against Algorithm 1 and the closed form of its corrections."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.ief import build, fpc, iteration, losses, on_policy, training_data
from ief_jax.ief.fpc import TrainingExample
from ief_jax.ief.training_data import PersonCrop
from ief_jax.ief.training_methods import METHODS, Method
from tests.ief.test_iteration import SMALL, crops, tiny  # noqa: F401

START = jnp.array([[4.0, 5.0], [9.0, 11.0]])
L = 20 / 224 * SMALL.size


def people() -> PersonCrop:
    images, marked = crops()
    points = np.random.default_rng(1).uniform(-2, 18, (3, 2, 2)).astype(np.float32)
    annotated = np.array([[True, True], [True, False], [False, True]])
    return PersonCrop(*map(jnp.asarray, (images, points, annotated, marked)))


def walk(y: np.ndarray, longest: float, steps: int) -> list[np.ndarray]:
    """The fixed path of one joint, by hand."""
    path = [np.asarray(START[0])]
    for _ in range(steps):
        u = y - path[-1]
        length = max(float(np.linalg.norm(u)), 1e-9)
        path.append(path[-1] + u * min(1.0, longest / length))
    return path


def lessons(method: Method, steps: int, count: int = 60) -> TrainingExample:
    """Of the first person, again and again."""
    one = jax.tree.map(lambda leaf: leaf[0], people())
    make = partial(fpc.training_example, configuration=SMALL, method=method, start=START)
    keys = jax.random.split(jax.random.key(0), count)
    return jax.vmap(lambda key: make(key, (jnp.int32(steps), one))[0])(keys)


def test_steps_are_added_one_after_the_other() -> None:
    # Algorithm 1: with one lesson for each step of a person, N passes take 1, 2, 3 and 4 N.
    assert fpc.training_stages(METHODS["ief"], 400) == [(0, 1), (40, 2), (120, 3), (240, 4)]
    assert fpc.training_stages(METHODS["ief"], 700, 3) == [(0, 3), (300, 4)]
    # Where all steps of a person are taught at once, they are equally long.
    assert fpc.training_stages(METHODS["on_policy"], 400) == [(0, 1), (100, 2), (200, 3), (300, 4)]
    assert fpc.training_stages(METHODS["on_policy"], 400, 3) == [(0, 3), (200, 4)]
    assert fpc.training_stages(METHODS["no_fpc"], 400) == [(0, 4)]
    assert fpc.training_stages(METHODS["direct"], 400) == [(0, 1)]


def test_the_median_pose_leaves_out_what_is_not_annotated() -> None:
    points = np.array([[[0.0, 1.0]], [[2.0, 9.0]], [[10.0, 3.0]], [[900.0, -900.0]]])
    annotated = np.array([[True], [True], [True], [False]])
    np.testing.assert_array_equal(training_data.median_pose(points, annotated), [[2.0, 3.0]])


@pytest.mark.parametrize("steps", [1, 3])
def test_lessons_are_steps_of_the_fixed_path(steps: int) -> None:
    found = lessons(METHODS["ief"], steps)
    path = np.array(walk(np.asarray(people().points[0, 0]), L, 4))
    distance = np.linalg.norm(np.asarray(found.state)[:, None, 0] - path[None, :4], axis=-1)
    np.testing.assert_allclose(distance.min(1), 0, atol=1e-4)
    which = distance.argmin(1)
    # Every one of the first steps is taught, and no other.
    assert set(which) == set(range(steps))
    np.testing.assert_allclose(found.correction[:, 0], (path[1:] - path[:-1])[which], atol=1e-4)


def test_direct_prediction_is_taught_the_whole_way() -> None:
    found = lessons(METHODS["direct"], 1, 2)
    np.testing.assert_array_equal(found.state[0], START)
    np.testing.assert_allclose(found.correction[0], people().points[0] - START, rtol=1e-6)


def test_jitter_moves_all_states_but_the_start() -> None:
    still, moved = (lessons(METHODS[name], 2) for name in ("ief", "jittered"))
    distance = np.linalg.norm(np.asarray(moved.state - still.state), axis=-1)
    start = (np.asarray(still.state) == np.asarray(START)[None]).all((1, 2))
    assert 10 < start.sum() < 50
    np.testing.assert_array_equal(distance[start], 0)
    assert (distance[~start] > 0).all()
    assert 0.2 * L < distance[~start].mean() < 1.2 * L
    # What is taught leads from where the state is now.
    length = np.linalg.norm(moved.correction, axis=-1)
    gap = np.linalg.norm(np.asarray(people().points[0])[None] - np.asarray(moved.state), axis=-1)
    np.testing.assert_allclose(length, np.minimum(gap, L), atol=1e-4)


def test_the_loss_is_the_mean_square_and_counts_annotated_joints() -> None:
    weights, crop = build.initial_weights(SMALL, jax.random.key(0)), people()
    random = np.random.default_rng(2)
    state, taught = (jnp.asarray(random.normal(8, 3, (3, 2, 2)), jnp.float32) for _ in range(2))
    features = iteration.encode_image(SMALL, weights, crop.image, crop.marked)
    found = iteration.correction(SMALL, weights, features)(state, jnp.int32(0))
    square = (np.asarray(found - taught) / SMALL.max_correction) ** 2
    loss = fpc.training_loss(SMALL, METHODS["ief"])
    assert float(loss(weights, TrainingExample(crop, state, taught))) == pytest.approx(
        (square.sum(-1) * np.asarray(crop.annotated)).mean(), rel=1e-5
    )


def test_what_errors_count() -> None:
    errors = jnp.array([[0.0, 0.0], [3.0, 4.0], [300.0, -400.0]])
    np.testing.assert_allclose(losses.squared_error(errors), [0, 25, 250_000])
    np.testing.assert_allclose(losses.smooth_distance(errors), [0.2, 5.004, 500], rtol=1e-4)
    assert np.isfinite(jax.grad(lambda e: losses.smooth_distance(e).sum())(errors)).all()


@pytest.mark.parametrize("name", ["iterative_direct", "on_policy"])
def test_the_own_path_is_walked_with_the_networks_corrections(name: str) -> None:
    method = METHODS[name]
    configuration = dataclasses.replace(SMALL, bounded=method.apply_bound)
    unit = configuration.max_correction
    weights, crop = build.initial_weights(configuration, jax.random.key(0)), people()
    weights = jax.tree.map(lambda w: 1.6 * w, weights)
    features = iteration.encode_image(configuration, weights, crop.image, crop.marked)
    correct = iteration.correction(configuration, weights, features)
    known, total = np.asarray(crop.annotated), 0.0
    state = jnp.broadcast_to(START, (3, 2, 2))
    for step in range(3):
        found = correct(state, jnp.int32(step))
        error = np.asarray(found - (crop.points - state)) / unit
        total += (np.asarray(method.h(jnp.asarray(error))) * known).mean() / 3
        size = np.linalg.norm(found, axis=-1, keepdims=True)
        assert (size > unit).any()
        state = state + found * (np.minimum(1, unit / size) if name == "on_policy" else 1)
    loss = on_policy.training_loss(configuration, method, START, 3)
    assert float(loss(weights, crop)) == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("name", ["ief", "iterative_direct"])
def test_what_is_not_annotated_teaches_nothing(name: str) -> None:
    weights, crop = build.initial_weights(SMALL, jax.random.key(0)), people()
    method = METHODS[name]

    def loss(weights: Any, crop: PersonCrop) -> jax.Array:
        if method.on_policy:
            return on_policy.training_loss(SMALL, method, START, 2)(weights, crop)
        make = partial(fpc.training_example, configuration=SMALL, method=method, start=START)
        keys = jax.random.split(jax.random.key(3), 3)
        taught = jax.vmap(lambda key, one: make(key, (jnp.int32(2), one))[0])(keys, crop)
        return fpc.training_loss(SMALL, METHODS["ief"])(weights, taught)

    junk = crop.points + jnp.where(crop.annotated[..., None], 0.0, 1e3)
    here = jax.grad(loss)(weights, crop)
    jax.tree.map(
        np.testing.assert_array_equal, here, jax.grad(loss)(weights, crop._replace(points=junk))
    )
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(here)) > 0
