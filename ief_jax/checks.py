"""What public functions check of their arguments, and how they say what they expected.

Shapes and dtypes are static: JAX knows them while it traces, so a check costs nothing once a
function is compiled, and `jit`, `vmap`, `grad` and `jax.export` go through it. Values are looked at
only where they are there (`values`), never while tracing. chex compares; its AssertionError becomes
a ValueError that names the argument.

JAX is imported by the functions, not by the module: modules that need NumPy alone check too.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

_PATTERN = re.compile(r"(?:(bool|int) )?\[([^]]*)\]")


def arrays(*checked: tuple[str, object, str], **sizes: int) -> None:
    """Checks the shapes and dtypes of arguments.

    What is expected is written as in a docstring: `bool` or `int`, or nothing for any real numbers;
    the axes in brackets; what it is. An axis is a number, or a name, which stands for one size in
    all of a call's arrays; `...` for any leading axes.

    Args:
      *checked: (the argument's name, its value, what is expected) of each.
      **sizes: of axes, where they are known.

    Raises:
      ValueError: one is of another shape or dtype, or is no array; names the first.
    """
    found = []
    for name, value, expected in checked:
        array = _array(name, value, expected)
        found.append((name, expected, tuple(array.shape), array.dtype))
    _check(tuple(found), tuple(sizes.items()))


def same(name: str, value: object, like: object, expected: str) -> None:
    """Checks that two pytrees have the same structure, and their leaves the same shapes.

    Args:
      name: of the argument.
      value: a pytree of arrays.
      like: another, or its shapes (`jax.eval_shape`).
      expected: what it should be, in words.

    Raises:
      ValueError: they differ; names the argument and both.
    """
    import chex
    import jax

    def shapes(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.float32), tree)

    found, wanted = shapes(value), shapes(like)
    try:
        chex.assert_trees_all_equal_shapes(found, wanted)
    except AssertionError:
        said = jax.tree.map(lambda leaf: leaf.shape, (wanted, found))
        raise ValueError(f"{name}: expected {expected}, {said[0]}, got {said[1]}") from None


def same_dtypes(name: str, value: object, like: object) -> None:
    """Checks that the leaves of two pytrees of one structure have the same dtypes.

    Raises:
      ValueError: they differ; names the argument and both.
    """
    import chex
    import jax
    import jax.numpy as jnp

    found, wanted = (jax.tree.map(jnp.asarray, tree) for tree in (value, like))
    try:
        chex.assert_trees_all_equal_dtypes(found, wanted)
    except AssertionError:
        said = jax.tree.map(lambda leaf: str(leaf.dtype), (wanted, found))
        raise ValueError(f"{name}: expected dtypes {said[0]}, got {said[1]}") from None


def count(name: str, value: Any, least: int = 0) -> None:
    """Checks a static number: of steps, of people.

    Raises:
      ValueError: it is no integer, or less than `least`.
    """
    integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not (integer and value >= least):
        raise ValueError(f"{name}: expected an integer, {least} or more, got {value!r}")


def values(array: object) -> np.ndarray | None:
    """An array's values, where they are here to be looked at; None while JAX traces."""
    import jax

    if isinstance(array, jax.core.Tracer):
        return None
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return None
    return np.asarray(array)


@lru_cache(maxsize=4096)  # the same shapes again cost microseconds
def _check(
    found: tuple[tuple[str, str, Any, Any], ...], known: tuple[tuple[str, int], ...]
) -> None:
    """`arrays`, of (name, what is expected, shape, dtype) of each."""
    import chex
    import jax

    sizes = dict(known)
    for name, expected, shape, dtype in found:
        kind, axes = _parse(expected)
        array = jax.ShapeDtypeStruct(shape, dtype)
        wanted = tuple(sizes.get(axis) if isinstance(axis, str) else axis for axis in axes)
        right_kind = any(_passes(chex.assert_type, array, one) for one in _KINDS[kind])
        if not (right_kind and _passes(chex.assert_shape, array, wanted)):
            given = dict.fromkeys(f"{axis} = {sizes[axis]}" for axis in axes if axis in sizes)
            named = f" ({', '.join(given)})" if given else ""
            real = "" if right_kind or kind else "real numbers "
            raise ValueError(f"{name}: expected {real}{expected}{named}, got {dtype} {shape}")
        for axis, size in zip(reversed(axes), reversed(shape), strict=False):
            if axis is ...:
                break
            if isinstance(axis, str) and sizes.setdefault(axis, size) != size:
                raise ValueError(f"{name}: expected {expected}, equal {axis}, got {shape}")


def _parse(expected: str) -> tuple[str, tuple[Any, ...]]:
    """The dtype and the axes of what is expected."""
    match = _PATTERN.match(expected)
    if match is None:
        raise TypeError(f"'{expected}' does not begin with axes in brackets")
    axes = [axis.strip() for axis in match[2].split(",")] if match[2] else []
    named: Mapping[str, Any] = {"...": ...}
    read = tuple(int(axis) if axis.isdigit() else named.get(axis, axis) for axis in axes)
    return match[1] or "", read


def _array(name: str, value: object, expected: str) -> Any:
    """Something with a shape and a dtype."""
    import jax
    import jax.numpy as jnp

    if isinstance(value, np.ndarray | np.generic | jax.Array | jax.ShapeDtypeStruct):
        return value
    try:
        # Of lists, which may hold traced numbers, JAX makes arrays as the functions do.
        array = jnp.asarray(value) if isinstance(value, list | tuple) else np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected {expected}, got {value!r}: {error}") from None
    if array.dtype.kind in "OSU":
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    return array


_KINDS: Mapping[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "": (float, int)}


def _passes(assertion: Callable[..., None], array: Any, expected: object) -> bool:
    try:
        assertion(array, expected)
    except AssertionError:
        return False
    return True
