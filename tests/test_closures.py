"""What functions depend on: the same for the same ones, another for whatever differs."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
import pytest

from ief_jax import closures


def scaled(factor: Any, then: Callable[[Any], Any] = abs) -> Callable[..., Any]:
    def scale(value: Any) -> Any:
        return then(factor * value)

    return scale


DIFFERENT = {
    "number": scaled(2),
    "number's type": scaled(2.0),
    "array": scaled(np.arange(3)),
    "array's values": scaled(np.arange(3) + 1),
    "array's dtype": scaled(np.arange(3, dtype=np.int32)),
    "jax": scaled(jax.numpy.arange(3)),
    "shape": scaled(np.arange(3)[None]),
    "names": scaled({"a": 1}),
    "other names": scaled({"b": 1}),
    "one in another": scaled(2, scaled(3)),
    "another in it": scaled(2, scaled(4)),
    "jit": scaled(2, jax.jit(scaled(3))),
    "partial": partial(scaled(2), 3),
    "keyword": partial(scaled(2), value=3),
    "default": lambda value=1: value,
    "constants": lambda value: value[..., 0] * 1j,
    "optimiser": optax.adam(1e-3),
    "schedule": optax.adam(optax.cosine_decay_schedule(1e-3, 100)),
    "schedule's length": optax.adam(optax.cosine_decay_schedule(1e-3, 101)),
}
TWO = (lambda value: value), (lambda value: -value)  # on one line


def test_whatever_differs_is_told() -> None:
    texts = [closures.described(function) for function in (*DIFFERENT.values(), *TWO)]
    assert len(set(texts)) == len(texts)
    assert (
        closures.described(scaled(2, scaled(3))) == texts[list(DIFFERENT).index("one in another")]
    )


def test_the_same_is_the_same_in_another_process() -> None:
    ours = closures.described(DIFFERENT["one in another"]), closures.described(optax.adam(1e-3))
    code = (
        "import optax; from ief_jax import closures; from tests.test_closures import DIFFERENT;"
        "print(closures.described(DIFFERENT['one in another']));"
        "print(closures.described(optax.adam(1e-3)))"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert tuple(found.splitlines()) == ours


def test_a_function_that_calls_itself() -> None:
    def power(base: Any) -> Callable[[int], Any]:
        def of(exponent: int) -> Any:
            return base * of(exponent - 1) if exponent else 1

        return of

    assert closures.described(power(2)) == closures.described(power(2))
    assert closures.described(power(2)) != closures.described(power(3))


def test_what_is_not_known_is_refused() -> None:
    large = np.zeros(closures.LARGEST + 1, np.uint8)
    for value in (object(), iter([1]), np.random.default_rng(0), large, lambda: large):
        with pytest.raises(closures.UnknownError):
            closures.described(scaled(value))
