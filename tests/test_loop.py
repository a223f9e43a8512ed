from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax import loop

STATE = {"pose": jnp.array([0.5, -1.0, 2.0]), "scale": jnp.array(0.3)}


def correct(y: loop.State, t: jax.Array) -> loop.State:
    """Couples the leaves, and depends on the step: nothing that a wrong loop gets right."""
    return {
        "pose": -0.3 * jnp.sin(y["pose"]) + y["scale"] * (t + 1),
        "scale": 0.1 * y["pose"].sum() * jnp.cos(y["scale"]) - 0.05 * t,
    }


def python_loop(start: loop.State, steps: int) -> list[loop.State]:
    states = [start]
    for t in range(steps):
        e = correct(states[-1], jnp.int32(t))
        states.append({name: states[-1][name] + e[name] for name in e})
    return states


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_refine_is_a_python_loop(steps: int) -> None:
    found = loop.refine(correct, STATE, steps)
    expected = python_loop(STATE, steps)
    assert found["pose"].shape == (steps + 1, 3)
    assert found["scale"].shape == (steps + 1,)
    for t, state in enumerate(expected):
        for name in STATE:
            np.testing.assert_allclose(found[name][t], state[name], rtol=1e-6)


def test_gradient_through_refine_is_that_of_the_unrolled_loop() -> None:
    def last(states: list[loop.State]) -> jax.Array:
        return sum((jnp.sin(s["pose"]).sum() + s["scale"] ** 2 for s in states), jnp.float32(0))

    def looped(start: loop.State) -> jax.Array:
        visited = loop.refine(correct, start, 4)
        return last([jax.tree.map(lambda a: a[t], visited) for t in range(5)])  # noqa: B023

    found = jax.grad(looped)(STATE)
    expected = jax.grad(lambda start: last(python_loop(start, 4)))(STATE)
    for name in STATE:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_refine_under_jit_and_vmap() -> None:
    starts = jax.tree.map(lambda a: jnp.stack([a, 2 * a, -a]), STATE)
    found = jax.jit(jax.vmap(lambda start: loop.refine(correct, start, 3)))(starts)
    for i in range(3):
        alone = loop.refine(correct, jax.tree.map(lambda a: a[i], starts), 3)  # noqa: B023
        for name in STATE:
            np.testing.assert_allclose(found[name][i], alone[name], rtol=1e-6)


def test_refine_takes_any_pytree_and_python_numbers() -> None:
    states = loop.refine(lambda y, t: (jnp.ones(2), (1.0,)), (np.zeros(2), (2.0,)), 2)
    np.testing.assert_array_equal(states[0], [[0, 0], [1, 1], [2, 2]])
    np.testing.assert_array_equal(states[1][0], [2, 3, 4])


def test_refine_traced_is_refine_and_hands_back_what_was_seen() -> None:
    def seeing(y: loop.State, t: jax.Array) -> tuple[loop.State, dict[str, jax.Array]]:
        return correct(y, t), {"step": t, "pose": y["pose"]}

    states, seen = loop.refine_traced(seeing, STATE, 3)
    expected = loop.refine(correct, STATE, 3)
    for name in STATE:
        np.testing.assert_array_equal(states[name], expected[name])
    np.testing.assert_array_equal(seen["step"], [0, 1, 2])
    # What a step saw is the state before it.
    np.testing.assert_array_equal(seen["pose"], states["pose"][:-1])


def halve(y: jax.Array, t: jax.Array) -> jax.Array:
    return -0.5 * y


def test_refine_until_stops_after_the_first_small_correction() -> None:
    # |e_t| = 2^-t: 1, 1/2, 1/4, 1/8; the first one at most 0.2 is e_3, and it is applied.
    state, steps = loop.refine_until(halve, jnp.array([2.0, -1.0]), 100, 0.2)
    assert steps == 4
    np.testing.assert_allclose(state, [2 / 16, -1 / 16])


def test_refine_until_is_bounded() -> None:
    state, steps = loop.refine_until(halve, jnp.array([2.0]), 3, 0.0)
    assert steps == 3
    np.testing.assert_allclose(state, [2 / 8])
    state, steps = loop.refine_until(halve, jnp.array([2.0]), 0, 1.0)
    assert steps == 0
    np.testing.assert_allclose(state, [2.0])


def test_refine_until_looks_at_all_leaves() -> None:
    def one_still(y: loop.State, t: jax.Array) -> loop.State:
        return {"still": jnp.zeros(2), "moving": -0.5 * y["moving"]}

    start = {"still": jnp.ones(2), "moving": jnp.float32(1.0)}
    _, steps = loop.refine_until(one_still, start, 100, 0.1)
    assert steps == 4


def test_vmapped_refine_until_stops_each_example_by_itself() -> None:
    starts = jnp.array([[0.1], [8.0], [1.0], [0.0]])
    state, steps = jax.jit(jax.vmap(lambda y: loop.refine_until(halve, y, 50, 0.2)))(starts)
    alone = [loop.refine_until(halve, y, 50, 0.2) for y in starts]
    assert [int(s) for s in steps] == [1, 6, 3, 1]
    np.testing.assert_array_equal(steps, [a.steps for a in alone])
    # The ones that stopped early kept their state while the others went on.
    np.testing.assert_array_equal(state, [a.state for a in alone])


def test_refine_until_stops_at_a_correction_that_is_not_a_number() -> None:
    _, steps = loop.refine_until(lambda y, t: y * jnp.nan, jnp.ones(1), 50, 0.1)
    assert steps == 1


def test_what_cannot_be_refined_is_named() -> None:
    start = {"pose": jnp.zeros(3)}
    for steps in (-1, 1.5, True, None):
        for run in (loop.refine, loop.refine_traced):
            with pytest.raises(ValueError, match="^steps: expected an integer, 0 or more, got"):
                run(lambda y, t: y, start, steps)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="^max_steps: expected an integer, 0 or more, got"):
            loop.refine_until(lambda y, t: y, start, steps, 0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^tolerance: expected \[\] .*, got float32 \(2,\)"):
        loop.refine_until(lambda y, t: y, start, 3, jnp.zeros(2))
    wrong: dict[str, Callable[[Any, Any], Any]] = {
        r"got \{'pose': \(\)\}": lambda y, t: {"pose": jnp.zeros(())},
        r"got \(3,\)": lambda y, t: y["pose"],
        "'scale': ": lambda y, t: {**y, "scale": 1.0},
    }
    for said, correct in wrong.items():
        expected = rf"^correct\(y, t\): expected a correction .*\{{'pose': \(3,\)\}}, .*{said}"
        with pytest.raises(ValueError, match=expected):
            loop.refine(correct, start, 2)
        with pytest.raises(ValueError, match=expected):
            loop.refine_traced(lambda y, t, correct=correct: (correct(y, t), t), start, 2)  # type: ignore[misc]
        with pytest.raises(ValueError, match=expected):
            loop.refine_until(correct, start, 2, 0.1)
    counted = {"pose": jnp.zeros(3, jnp.int32)}
    message = r"^y \+ correct\(y, t\): expected dtypes \{'pose': 'int32'\}, got \{'pose': 'float32'"
    with pytest.raises(ValueError, match=message):
        loop.refine(lambda y, t: {"pose": 0.5 * y["pose"]}, counted, 2)
    # Plain numbers and integers are states too.
    np.testing.assert_array_equal(loop.refine(lambda y, t: t, 0, 4), [0, 0, 1, 3, 6])
    np.testing.assert_allclose(loop.refine(lambda y, t: -y / 2, 1.0, 2), [1, 0.5, 0.25])


def test_refine_until_stops_at_a_correction_as_large_as_the_tolerance() -> None:
    # |e_t| = 2^-t, and 1/4 is exact.
    _, steps = loop.refine_until(halve, jnp.array([2.0, -1.0]), 100, 0.25)
    assert steps == 3
