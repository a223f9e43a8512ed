"""Errors of bodies, against scipy and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from ief_jax.lgd import metrics


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(14, 3))
    return truth + 0.2 * rng.normal(size=(14, 3)), truth


def test_mpjpe_is_the_mean_distance(pair: tuple[np.ndarray, np.ndarray]) -> None:
    estimate, truth = pair
    expected = np.mean(
        [np.sqrt(((a - b) ** 2).sum()) for a, b in zip(estimate, truth, strict=True)]
    )
    np.testing.assert_allclose(metrics.mpjpe(jnp.array(estimate), jnp.array(truth)), expected, 1e-6)


def test_alignment_is_scipys(pair: tuple[np.ndarray, np.ndarray]) -> None:
    estimate, truth = pair
    a, b = estimate - estimate.mean(0), truth - truth.mean(0)
    rotation, singular = orthogonal_procrustes(a, b)
    assert np.linalg.det(rotation) > 0, "scipy allows reflections: this pair must not need one"
    expected = singular / (a**2).sum() * a @ rotation + truth.mean(0)
    aligned = metrics.procrustes_align(jnp.array(estimate), jnp.array(truth))
    np.testing.assert_allclose(aligned, expected, atol=1e-5)


def test_pa_mpjpe_ignores_similarities(pair: tuple[np.ndarray, np.ndarray]) -> None:
    estimate, truth = pair
    turned = 2.5 * Rotation.from_rotvec([0.3, 2.0, -1.0]).apply(estimate) + [1.0, -2.0, 3.0]
    np.testing.assert_allclose(
        metrics.pa_mpjpe(jnp.array(turned), jnp.array(truth)),
        metrics.pa_mpjpe(jnp.array(estimate), jnp.array(truth)),
        rtol=1e-4,
    )


def test_a_mirror_image_is_not_aligned_away(pair: tuple[np.ndarray, np.ndarray]) -> None:
    _, truth = pair
    mirrored = truth * [-1.0, 1.0, 1.0]
    a, b = mirrored - mirrored.mean(0), truth - truth.mean(0)
    # Umeyama's proper rotation by numpy; the brute-force test below bounds it from the other side.
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.linalg.det(u @ vt)])
    best = (s * sign).sum() / (a**2).sum() * a @ ((u * sign) @ vt).T
    expected = np.linalg.norm(best - b, axis=-1).mean()
    found = metrics.pa_mpjpe(jnp.array(mirrored), jnp.array(truth))
    assert expected > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_no_proper_rotation_beats_the_alignment(pair: tuple[np.ndarray, np.ndarray]) -> None:
    estimate, truth = pair
    estimate = estimate * [-1.0, 1.0, 1.0]
    a, b = estimate - estimate.mean(0), truth - truth.mean(0)
    aligned = metrics.procrustes_align(jnp.array(estimate), jnp.array(truth))
    least = ((np.asarray(aligned) - truth) ** 2).sum()
    for rotation in Rotation.random(2000, random_state=1):
        turned = rotation.apply(a)
        scale = max((turned * b).sum(), 0.0) / (a**2).sum()
        assert ((scale * turned - b) ** 2).sum() > least - 1e-4


def test_coinciding_points_give_finite_errors() -> None:
    truth = jnp.array(np.random.default_rng(2).normal(size=(14, 3)))
    error = metrics.pa_mpjpe(jnp.zeros((14, 3)), truth)
    expected = np.linalg.norm(truth - truth.mean(0, keepdims=True), axis=-1).mean()
    np.testing.assert_allclose(error, expected, rtol=1e-5)


def test_batches() -> None:
    estimate, truth = np.random.default_rng(3).normal(size=(2, 5, 14, 3))
    batch = jax.vmap(metrics.pa_mpjpe)(jnp.array(estimate), jnp.array(truth))
    single = [
        metrics.pa_mpjpe(jnp.array(a), jnp.array(b)) for a, b in zip(estimate, truth, strict=True)
    ]
    np.testing.assert_allclose(batch, np.stack(single), rtol=1e-5)
