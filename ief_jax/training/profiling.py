"""A trace of some steps of a run: what the host and the devices did when, for Perfetto."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import jax

from ief_jax.io.files import OutputError, reason

FOLDER = "profile"
"""In the run's folder; holds plugins/profile/TIME/ with `FILE_NAME`."""

FILE_NAME = "perfetto_trace.json.gz"


class Watch(Protocol):
    """Is told before each call of how many steps it makes."""

    def __call__(self, count: int) -> None: ...


@contextmanager
def traced(workdir: Path, steps: int, say: Callable[[str], None]) -> Iterator[Watch]:
    """Traces so many steps, from the second call on: the first one compiles.

    Where the trace lies is said when it is written, or that there is none.

    Args:
      workdir: the run's folder.
      steps: to trace at least, by whole calls; 0 for none.
      say: shows a line.

    Yields:
      what is to be called before each call, with its number of steps.

    Raises:
      OutputError: the trace cannot be written; by `Watch`, too.
    """
    calls = traced_steps = 0
    is_open = False
    folder = workdir / FOLDER

    def close() -> None:
        nonlocal is_open
        is_open = False
        with _naming(folder):
            jax.profiler.stop_trace()
        found = max(folder.rglob(FILE_NAME), key=lambda path: path.stat().st_mtime)
        say(f"trace of {traced_steps} steps: {found}, for https://ui.perfetto.dev")

    def watch(count: int) -> None:
        nonlocal calls, traced_steps, is_open
        calls += 1
        if calls == 2 and steps:
            with _naming(folder):
                jax.profiler.start_trace(folder, create_perfetto_trace=True)
            is_open = True
        elif is_open and traced_steps >= steps:
            close()
        if is_open:
            traced_steps += count

    try:
        yield watch
    except BaseException:
        if is_open:
            with suppress(OutputError):  # the error before it says more
                close()
        raise
    if is_open:
        close()
    elif steps and not traced_steps:
        say("no trace: one begins with the second call of the program, and there was none")


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Whatever goes wrong is one `OutputError` that names the folder."""
    try:
        yield
    except Exception as error:  # the profiler's and the system's
        raise OutputError(f"cannot write a trace to {folder}: {reason(error)}") from error
