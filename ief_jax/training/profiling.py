"""A trace of some steps of a run: what the host and the devices did when, for Perfetto."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import jax

FOLDER = "profile"
"""In the run's folder; holds plugins/profile/TIME/perfetto_trace.json.gz."""


class Watch(Protocol):
    """Is told before each call of how many steps it makes."""

    def __call__(self, count: int) -> None: ...


@contextmanager
def traced(workdir: Path, steps: int) -> Iterator[Watch]:
    """Traces so many steps, from the second call on: the first one compiles.

    Args:
      workdir: the run's folder.
      steps: to trace at least, by whole calls; 0 for none.

    Yields:
      what is to be called before each call, with its number of steps.
    """
    calls = left = 0
    is_open = False

    def watch(count: int) -> None:
        nonlocal calls, left, is_open
        calls += 1
        if calls == 2 and steps:
            jax.profiler.start_trace(workdir / FOLDER, create_perfetto_trace=True)
            is_open, left = True, steps
        elif is_open and left <= 0:
            jax.profiler.stop_trace()
            is_open = False
        left -= count

    try:
        yield watch
    finally:
        if is_open:
            jax.profiler.stop_trace()
