"""The metrics of a run: metrics.jsonl, and the same as TensorBoard events.

The lines are the history; the events are made of them anew whenever a run goes on, so that there is
one file of events and no step twice, wherever the run was cut off.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ief_jax.io.files import OutputError, replacing

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

FILE_NAME = "metrics.jsonl"

Record = Callable[[Mapping[str, float]], None]
"""Writes a line: `step`, and numbers by name."""


@contextmanager
def opened(workdir: Path, done: int) -> Iterator[Record]:
    """Goes on with the history of a run, or begins it.

    Args:
      workdir: the run's folder.
      done: steps that the run has made; lines of later ones, from before a break, are taken out.

    Raises:
      OutputError: the folder cannot be written to; by `Record`, too.
    """
    path = workdir / FILE_NAME
    with _naming(path):
        kept = lines(workdir, done)
        with replacing(path) as file:
            file.writelines(_text(line).encode() for line in kept)
        for old in workdir.glob("events.out.tfevents.*"):
            old.unlink()
        events = _events(workdir)
    with events:
        for line in kept:
            _add(events, line)

        def record(line: Mapping[str, float]) -> None:
            whole = {**line, "time": round(time.time(), 3)}
            with _naming(path), open(path, "a", encoding="utf-8") as metrics:
                metrics.write(_text(whole))
            _add(events, whole)

        yield record


def _text(line: Mapping[str, Any]) -> str:
    return json.dumps(line) + "\n"


def _events(workdir: Path) -> "SummaryWriter":
    """A file of TensorBoard events.

    tensorboardX imports PyTorch where it is installed, for seconds, and can do without: it is told
    that there is none.
    """
    without = "torch" not in sys.modules
    if without:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        from tensorboardX import SummaryWriter
    finally:
        if without:
            del sys.modules["torch"]
    return SummaryWriter(str(workdir))


def _add(events: "SummaryWriter", line: Mapping[str, Any]) -> None:
    for name in line.keys() - {"step", "time"}:
        events.add_scalar(name, line[name], line["step"], walltime=line.get("time"))


def lines(workdir: Path, done: int) -> list[dict[str, Any]]:
    """The whole lines of a run's steps up to `done`, in order, none twice."""
    path = workdir / FILE_NAME
    found: list[dict[str, Any]] = []
    if not path.exists():
        return found
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
            step = line["step"]
        except (ValueError, TypeError, KeyError):
            break  # cut off while it was written
        if (found[-1]["step"] if found else 0) < step <= done:
            found.append(line)
    return found


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An error of the system names the file."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
