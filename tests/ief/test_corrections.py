"""Bounded corrections and the fixed path against their closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.ief import corrections


def test_far_keypoints_move_by_the_bound_and_near_ones_arrive() -> None:
    target = jnp.array([[30.0, 40.0], [3.0, -4.0]])
    found = corrections.bounded(target, jnp.zeros((2, 2)), 20.0)
    np.testing.assert_allclose(found, [[12.0, 16.0], [3.0, -4.0]], rtol=1e-6)


def test_without_a_bound_the_whole_way() -> None:
    target = jnp.array([[300.0, -40.0]])
    np.testing.assert_array_equal(
        corrections.bounded(target, jnp.ones((1, 2)), float("inf")), target - 1
    )


@pytest.mark.parametrize("largest", [20.0, float("inf")])
def test_derivatives_are_finite_at_the_target(largest: float) -> None:
    point = jnp.array([5.0, 5.0])
    slope = jax.jacobian(corrections.bounded)(point, point, largest)
    np.testing.assert_array_equal(slope, np.eye(2))


def test_the_path_is_straight_and_ends_at_the_target() -> None:
    start, target = np.array([[0.0, 0.0]]), np.array([[30.0, 40.0]])
    path = corrections.fixed_path(jnp.asarray(target), jnp.asarray(start), 20.0, 4)
    # 50 px away: 20, 20, 10, then it stays.
    expected = np.array([0.0, 20.0, 40.0, 50.0, 50.0])[:, None, None] * np.array([[0.6, 0.8]])
    np.testing.assert_allclose(path, expected, atol=1e-5)
