"""Heatmaps against the closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.ief import heatmaps


def test_a_keypoint_on_a_pixel_centre_is_one_there() -> None:
    maps = heatmaps.heatmaps(heatmaps.profiles(jnp.array([[3.0, 5.0]]), (8, 10), 1.5))
    assert maps.shape == (8, 10, 1)
    assert float(maps[5, 3, 0]) == 1.0
    # x runs to the right, y down.
    assert float(maps[5, 4, 0]) == pytest.approx(np.exp(-0.5 / 1.5**2))
    np.testing.assert_allclose(maps[6, 3, 0], maps[5, 4, 0])
    np.testing.assert_allclose(maps[4, 3, 0], maps[6, 3, 0])


def test_separable_gaussians_are_gaussians() -> None:
    points = np.random.default_rng(0).uniform(-6, 20, (2, 4, 2)).astype(np.float32)
    x, y = np.arange(12.0), np.arange(9.0)
    square = (x[None, :, None] - points[:, None, None, :, 0]) ** 2
    square = square + (y[:, None, None] - points[:, None, None, :, 1]) ** 2
    maps = heatmaps.heatmaps(heatmaps.profiles(jnp.asarray(points), (9, 12), 2.0))
    np.testing.assert_allclose(maps, np.exp(-square / 8), atol=1e-6)


def test_a_keypoint_outside_leaves_its_tail() -> None:
    maps = heatmaps.heatmaps(heatmaps.profiles(jnp.array([[-4.0, 2.0]]), (6, 6), 3.0))[..., 0]
    assert float(maps.max()) == pytest.approx(np.exp(-0.5 * (4 / 3) ** 2))
    np.testing.assert_array_equal(np.unravel_index(np.argmax(maps), maps.shape), (2, 0))
    far = heatmaps.profiles(jnp.array([[1e6, -1e6]]), (6, 6), 3.0)
    assert float(heatmaps.heatmaps(far).max()) == 0.0


def test_derivative_in_the_positions() -> None:
    def at(points: jax.Array) -> jax.Array:
        return heatmaps.heatmaps(heatmaps.profiles(points, (7, 7), 2.0))[4, 2, 0]

    x, y = 3.25, 2.5
    # dg/dx = g (i - x) / sigma^2
    value = np.exp(-((2 - x) ** 2 + (4 - y) ** 2) / 8)
    found = jax.grad(at)(jnp.array([[x, y]]))[0]
    np.testing.assert_allclose(found, [value * (2 - x) / 4, value * (4 - y) / 4], rtol=1e-5)
