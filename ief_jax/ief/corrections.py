"""e(y, y_t): bounded corrections, and the fixed path they make (IEF, section 2)."""

import jax
import jax.numpy as jnp

from ief_jax import checks, loop


def bounded(target: jax.Array, current: jax.Array, largest: float) -> jax.Array:
    """The step towards the target, of at most `largest` pixels a keypoint.

    Args:
      target: y [..., 2], pixels.
      current: y_t, the same shape.
      largest: L; infinity for the whole way at once.

    Returns:
      [..., 2]; at the target zero, with finite derivatives.
    """
    checks.arrays(("target", target, "[..., 2] pixels"), ("current", current, "[..., 2] pixels"))
    checks.same("current", current, target, "the target's shape")
    return limited(target - current, largest)


def limited(u: jax.Array, largest: float) -> jax.Array:
    """A correction u [..., 2] cut to at most `largest` pixels a keypoint."""
    checks.arrays(("u", u, "[..., 2] pixels"), ("largest", largest, "[] pixels"))
    square = jnp.square(u).sum(-1, keepdims=True)
    there = square == 0
    length = jnp.sqrt(jnp.where(there, 1.0, square))
    # e(y, y_t) = min(L, |u|) u / |u|,  u = y - y_t
    return jnp.where(there, u, jnp.minimum(largest, length) * u / length)


def fixed_path(target: jax.Array, start: jax.Array, largest: float, steps: int) -> jax.Array:
    """y_0 .. y_steps: [steps + 1, ..., 2], straight from the start to the target."""
    return loop.refine(lambda y, t: bounded(target, y, largest), start, steps)
