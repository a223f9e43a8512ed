"""Files at the border: errors that say what is wrong, and writing that is whole or not at all."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


class InputError(ValueError):
    """Something given from outside cannot be used; the message says what was expected instead."""


class OutputError(OSError):
    """A result cannot be written; the message names the file and the cause."""


def reason(error: Exception) -> str:
    """The first line of what is often pages."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """An open file that becomes `path` when the block ends, and vanishes when the block fails.

    The file is written beside `path` under a temporary name and renamed, so that at every moment
    `path` is absent, the old file or the whole new one.

    Raises:
      OutputError: the file cannot be written (folder missing or read-only, disk full, ...).
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(partial, "wb") as file:
                yield file
            os.replace(partial, path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def write_json(path: str | os.PathLike[str], content: object) -> None:
    """Writes plain values as indented JSON; raises `OutputError` as `replacing` does."""
    with replacing(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


def output_folder(path: str | os.PathLike[str]) -> Path:
    """Makes the folder `path`, with those above it, and sees that files can be written there.

    Raises:
      OutputError: it is a file, cannot be made, or takes no files.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".{os.getpid()}.probe"
        probe.write_bytes(b"")
        probe.unlink()
    except FileExistsError as error:
        raise OutputError(f"cannot write to {path}: it is not a folder") from error
    except OSError as error:
        raise OutputError(f"cannot write to {path}: {error.strerror or error}") from error
    return path


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file.

    Raises:
      InputError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # too deep, too long a number, other bytes
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not JSON ({error})") from error


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file open for reading.

    Raises:
      InputError: there is no such file, it is a folder or a device, or it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):  # /dev/zero has no end
                raise InputError(f"cannot read {path}: it is a device, expected a file")
            yield file
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def read_bytes(path: str | os.PathLike[str], most: int = -1) -> bytes:
    """The content of a file, or so many bytes of it; raises `InputError` as `opened` does."""
    with opened(path) as file:
        return file.read(most)
