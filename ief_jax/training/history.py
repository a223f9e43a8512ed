"""The metrics of a run: metrics.jsonl, and the same as TensorBoard events.

The lines are the history; the events are made of them anew whenever a run goes on, so that there is
one file of events and no step twice, wherever the run was cut off.
"""

import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ief_jax.io.files import OutputError, replacing

FILE_NAME = "metrics.jsonl"

Record = Callable[[Mapping[str, float]], None]
"""Writes a line: `step`, and numbers by name."""


def begin(workdir: Path, kept: Iterable[Mapping[str, Any]]) -> Record:
    """Goes on with the history of a run, or begins it.

    Args:
      workdir: the run's folder.
      kept: the lines that stay, of `lines`; those of later steps, from before a break, do not.

    Returns:
      what writes a further line.

    Raises:
      OutputError: the folder cannot be written to; by `Record`, too.
    """
    path = workdir / FILE_NAME
    events = workdir / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
    with replacing(path) as file:
        file.writelines(_text(line).encode() for line in kept)
    with _naming(events):
        for old in workdir.glob("events.out.tfevents.*"):
            old.unlink()
    with replacing(events) as file:
        file.write(_event(wall_time=time.time(), file_version="brain.Event:2"))
        file.writelines(_scalars(line) for line in kept)

    def record(line: Mapping[str, float]) -> None:
        whole = {**line, "time": round(time.time(), 3)}
        for target, content in ((path, _text(whole).encode()), (events, _scalars(whole))):
            with _naming(target), open(target, "ab") as file:
                file.write(content)

    return record


def _text(line: Mapping[str, Any]) -> str:
    return json.dumps(line) + "\n"


def _scalars(line: Mapping[str, Any]) -> bytes:
    """A line as TensorBoard has it in its files."""
    summary = _tensorboard().summary
    values = [
        value
        for name in line.keys() - {"step", "time"}
        for value in summary.scalar(name, line[name]).value
    ]
    return _event(
        wall_time=line.get("time"), step=line["step"], summary=summary.Summary(value=values)
    )


def _event(**fields: Any) -> bytes:
    """One of TensorBoard's events, with its length before it, and the checksums of both.

    tensorboardX's own writer is not used: it writes in a thread, and where that fails nobody is
    told but at the end, in pages.
    """
    tensorboard = _tensorboard()
    event = tensorboard.proto.event_pb2.Event(**fields).SerializeToString()
    size = struct.pack("<Q", len(event))
    checksums = (
        struct.pack("<I", tensorboard.record_writer.masked_crc32c(part)) for part in (size, event)
    )
    return size + next(checksums) + event + next(checksums)


def _tensorboard() -> Any:
    """tensorboardX. It imports PyTorch where it is installed, for seconds, and can do without: it
    is told that there is none."""
    without = "torch" not in sys.modules
    if without:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        import tensorboardX  # with its parts
    finally:
        if without:
            del sys.modules["torch"]
    return tensorboardX


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
