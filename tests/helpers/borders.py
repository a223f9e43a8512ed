"""Calls whose arguments are right but for one, which must be refused by name.

Only shapes and dtypes are made, by `jax.eval_shape`: nothing is compiled.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest


class Border(NamedTuple):
    """A public function and what it accepts.

    Attributes:
      function: of arrays by name.
      right: the shape of each array; a dtype with it where it is not float32.
      wrong: shapes (and dtypes) that are refused: of one array each, under its name; where the
        message has another name for it, that name behind it.
    """

    function: Callable[..., Any]
    right: Mapping[str, Any]
    wrong: tuple[tuple[str, Any] | tuple[str, Any, str], ...]


def struct(described: Any) -> jax.ShapeDtypeStruct:
    """A shape, or (shape, dtype)."""
    if described and isinstance(described[0], tuple):
        return jax.ShapeDtypeStruct(*described)
    return jax.ShapeDtypeStruct(described, np.float32)


def array(described: Any) -> np.ndarray:
    """The same as an array."""
    like = struct(described)
    return np.ones(like.shape, like.dtype)


def check(border: Border, on_host: bool = False) -> None:
    """What is right passes; each of what is wrong is a ValueError that begins with its name.

    Args:
      border: the function.
      on_host: it is NumPy's, and wants arrays.
    """

    def call(described: Mapping[str, Any]) -> None:
        if on_host:
            border.function(**{name: array(one) for name, one in described.items()})
        else:
            jax.eval_shape(
                lambda given: border.function(**given),
                {name: struct(one) for name, one in described.items()},
            )

    call(border.right)
    for name, shape, *other in border.wrong:
        said = other[0] if other else name
        with pytest.raises(ValueError, match=f"^{re.escape(said)}: expected "):
            call({**border.right, name: shape})
            pytest.fail(f"{name} of {shape} was accepted")
