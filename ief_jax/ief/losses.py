"""IEF's loss (Eq. 4): h, how much an error in a correction counts, and its mean over a batch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ief_jax import checks

ErrorMeasure = Callable[[jax.Array], jax.Array]
"""h: errors [..., 2] in units of L to [...]."""


def squared_error(error: jax.Array) -> jax.Array:
    """|e|^2 of errors [..., 2] in units of L, as in the paper."""
    checks.arrays(("error", error, "[..., 2] in units of L"))
    return jnp.square(error).sum(-1)


def smooth_distance(error: jax.Array) -> jax.Array:
    """About |e|: wrong annotations count for less. Smooth below a fifth of L."""
    checks.arrays(("error", error, "[..., 2] in units of L"))
    return jnp.sqrt(jnp.square(error).sum(-1) + 0.04)


def mean_error(
    h: ErrorMeasure, found: jax.Array, target: jax.Array, annotated: jax.Array, unit: float
) -> jax.Array:
    """h(f(x_t), e(y, y_t)) summed over annotated joints, a joint and an example (Eq. 4): [].

    Divided by N K whatever is annotated: a mean over examples, the same however they are parted.

    Args:
      h: how much an error counts.
      found: f(x_t), [N, K, 2] pixels.
      target: e(y, y_t), [N, K, 2] pixels.
      annotated: [N, K]; the other joints have no part in the loss.
      unit: L, pixels.
    """
    checks.arrays(
        ("found", found, "[N, K, 2] corrections, pixels"),
        ("target", target, "[N, K, 2] corrections, pixels"),
        ("annotated", annotated, "bool [N, K]"),
        ("unit", unit, "[] pixels"),
    )
    error = h((found - target) / unit)
    # sum over joints of h(f(x_t), e(y, y_t))
    return jnp.where(annotated, error, 0.0).mean()
