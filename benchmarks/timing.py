"""Wall-clock times of calls."""

import time
from collections.abc import Callable
from typing import Any

import jax

Fit = Callable[[jax.Array, jax.Array], Any]
"""(points [N, 18, 2], confidence [N, 18]) to fitted bodies."""


def milliseconds(call: Callable[[], Any], repeats: int, warm: int = 2) -> float:
    """The fastest of `repeats` calls after `warm` ones that do not count.

    The fastest, because whatever else the machine does only ever adds to a time.
    """
    times = []
    for _ in range(repeats + warm):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return 1e3 * min(times[warm:])
