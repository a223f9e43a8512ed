"""Networks that are computed in another precision than their weights are kept in."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike


def cast(numbers: Any, dtype: DTypeLike | None) -> Any:
    """The real numbers of a tree of arrays in a dtype; as they are for None.

    The derivative by numbers that are cast has the numbers' own dtype: weights that are cast where
    they are used are trained in the precision that they are kept in.
    """
    if dtype is None:
        return numbers

    def one(leaf: Any) -> Any:
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(one, numbers)
