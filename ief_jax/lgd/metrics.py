"""Errors of estimated bodies, in the units of their input."""

import jax
import jax.numpy as jnp

from ief_jax import checks


def mpjpe(estimate: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean per-joint position error: [..., J, 3] twice to [...]."""
    checks.arrays(("estimate", estimate, "[..., J, 3]"), ("truth", truth, "[..., J, 3]"))
    return jnp.linalg.norm(estimate - truth, axis=-1).mean(-1)


def procrustes_align(estimate: jax.Array, truth: jax.Array) -> jax.Array:
    """Moves, turns and scales `estimate` [J, 3] onto `truth` [J, 3] in least squares.

    Umeyama (1991), Eqs. 40-43; reflections are not allowed.
    """
    checks.arrays(("estimate", estimate, "[J, 3]"), ("truth", truth, "[J, 3]"))
    estimate_mean, truth_mean = estimate.mean(0, keepdims=True), truth.mean(0, keepdims=True)
    a, b = estimate - estimate_mean, truth - truth_mean
    u, s, vt = jnp.linalg.svd(b.T @ a)
    sign = jnp.array([1.0, 1.0, jnp.where(jnp.linalg.det(u @ vt) < 0, -1.0, 1.0)])
    # R = U diag(1, 1, +-1) V^T, c = tr(D S) / |a|^2
    rotation = (u * sign[None]) @ vt
    scale = (s * sign).sum() / jnp.maximum((a**2).sum(), 1e-12)
    return scale * a @ rotation.T + truth_mean


def pa_mpjpe(estimate: jax.Array, truth: jax.Array) -> jax.Array:
    """MPJPE after Procrustes alignment ("reconstruction error"): [J, 3] twice to []."""
    return mpjpe(procrustes_align(estimate, truth), truth)
