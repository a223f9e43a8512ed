"""Many rows through functions that are compiled for batches of one size."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import jax
import numpy as np

from ief_jax import checks
from ief_jax.threads import in_order

Result = TypeVar("Result")


def padded_rows(count: int, size: int) -> Iterator[np.ndarray]:
    """The rows 0 .. count - 1 in batches [size], the last one filled up with the last row."""
    checks.count("size", size, least=1)
    for start in range(0, count, size):
        yield np.minimum(np.arange(start, start + size), count - 1)


def map_in_chunks(
    function: Callable[..., Result],
    size: int,
    *arrays: object,
    advance: Callable[[int], object] = int,
    threads: int = 1,
) -> Result:
    """Maps a compiled function over batches of one size and joins the results, on the host.

    Args:
      function: of pytrees with a leading axis of `size`, to another.
      size: of the batches; the last one is filled up with copies, whose results are left out.
      *arrays: pytrees with one common leading axis.
      advance: told how many rows are done after each batch.
      threads: how many batches are worked on at a time: XLA's programs for CPUs leave much of a
        second core unused where their arrays are small.

    Raises:
      ValueError: `size` is no positive integer, or the leading axes differ.
    """
    count, *others = (len(leaf) for leaf in jax.tree.leaves(arrays))
    if set(others) - {count}:
        raise ValueError(f"arrays: expected one leading axis, got {[count, *others]}")

    def of(rows: np.ndarray) -> Result:
        return jax.device_get(function(*jax.tree.map(lambda leaf: leaf[rows], arrays)))

    chosen = list(padded_rows(count, size))
    found: Iterator[Result] = map(of, chosen)
    if threads > 1:
        found = in_order((partial(of, rows) for rows in chosen), threads)
    parts = []
    for rows, part in zip(chosen, found, strict=True):
        kept = min(size, count - int(rows[0]))
        parts.append(jax.tree.map(lambda leaf, k=kept: leaf[:k], part))
        advance(kept)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
