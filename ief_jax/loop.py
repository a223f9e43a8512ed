"""Iterative error feedback: start from a guess, correct it, repeat.

Both systems of the package are this one loop with another `correct`:
IEF (Carreira et al. 2016, Eqs. 1-3) and LGD (Song et al. 2020, Eq. 4).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ief_jax import checks

State = Any
"""A pytree of arrays: the output that is being refined."""


def refine(correct: Callable[[State, jax.Array], State], start: State, steps: int) -> State:
    """Corrects `start` a fixed number of times.

    Args:
      correct: `(y_t, t) -> e_t`, a correction of the same structure as `y_t`.
      start: y_0, a pytree of arrays.
      steps: T, how many corrections (static).

    Returns:
      y_0 .. y_T stacked: the structure of `start` with a leading axis of `steps + 1`.

    Raises:
      ValueError: `steps` is no integer or negative; a correction has another structure, other
        shapes or other dtypes than the state.
    """

    states, _ = refine_traced(lambda y, t: (correct(y, t), None), start, steps)
    return states


def refine_traced(
    correct: Callable[[State, jax.Array], tuple[State, Any]], start: State, steps: int
) -> tuple[State, Any]:
    """As `refine`, for a `correct` that also tells what it saw.

    Args:
      correct: `(y_t, t) -> (e_t, seen_t)`; `seen_t` is any pytree (gradient, error, ...).
      start: y_0.
      steps: T (static).

    Returns:
      (y_0 .. y_T stacked as in `refine`, seen_0 .. seen_{T-1} stacked).

    Raises:
      ValueError: as `refine` does.
    """
    checks.count("steps", steps)

    def step(y: State, t: jax.Array) -> tuple[State, tuple[State, Any]]:
        correction, seen = correct(y, t)
        y = _corrected(y, correction)
        return y, (y, seen)

    _, (visited, seen) = jax.lax.scan(step, start, jnp.arange(steps))
    states = jax.tree.map(lambda a, b: jnp.concatenate([jnp.asarray(a)[None], b]), start, visited)
    return states, seen


class Refined(NamedTuple):
    """What `refine_until` returns: the last state and how many corrections it took."""

    state: State
    steps: jax.Array


def refine_until(
    correct: Callable[[State, jax.Array], State],
    start: State,
    max_steps: int,
    tolerance: float | jax.Array,
) -> Refined:
    """Corrects `start` until a correction is small (T as a function of e_t, IEF section 2).

    Under `jax.vmap` each example of the batch stops by itself: the loop runs until the last has
    stopped, and the others keep their state.

    Args:
      correct: `(y_t, t) -> e_t`.
      start: y_0.
      max_steps: bound on the number of corrections, not negative.
      tolerance: stop once the largest absolute entry of e_t, over all leaves, is at most this.

    Returns:
      `Refined(state, steps)`; the last correction, small as it is, is applied.

    Raises:
      ValueError: as `refine` does, or the tolerance is no number.
    """
    checks.count("max_steps", max_steps)
    checks.arrays(("tolerance", tolerance, "[] largest entry of a correction to stop at"))

    def go_on(carry: tuple[State, jax.Array, jax.Array]) -> jax.Array:
        _, t, largest = carry
        return (t < max_steps) & (largest > tolerance)

    def step(carry: tuple[State, jax.Array, jax.Array]) -> tuple[State, jax.Array, jax.Array]:
        y, t, _ = carry
        correction = correct(y, t)
        largest = jnp.stack([jnp.abs(leaf).max() for leaf in jax.tree.leaves(correction)]).max()
        return _corrected(y, correction), t + 1, largest

    start = jax.tree.map(jnp.asarray, start)
    state, steps, _ = jax.lax.while_loop(go_on, step, (start, jnp.int32(0), jnp.float32(jnp.inf)))
    return Refined(state, steps)


def _corrected(y: State, correction: State) -> State:
    """y_t and e_t to y_{t+1}."""
    checks.same("correct(y, t)", correction, y, "a correction of the structure and shapes of y")
    # y_{t+1} = y_t + e_t
    following = jax.tree.map(jnp.add, y, correction)
    checks.same_dtypes("y + correct(y, t)", following, y)
    return following
