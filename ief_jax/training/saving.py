"""The checkpoints that a run goes on from: the state, checked when it is read.

What is read must have the checksum that was written with it: a file that is cut short, emptied or
changed is told from a whole one, and the checkpoint before it is taken.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import jax
import orbax.checkpoint as ocp

from ief_jax.io.checkpoint_files import checksum
from ief_jax.io.files import InputError, OutputError, output_folder
from ief_jax.training.state import TrainState

KEPT = 2
"""Checkpoints that are kept: the last, and one to fall back to."""

MORE = 2**16
"""Bytes of a checkpoint beside the numbers."""


class Saved(NamedTuple):
    """What a checkpoint holds.

    Attributes:
      state: of the run.
      losses: of the steps since the last line of metrics.
    """

    state: TrainState
    losses: list[float]


@contextmanager
def opened(workdir: Path) -> Iterator[ocp.CheckpointManager]:
    """The checkpoints in a run's folder.

    Raises:
      OutputError: it cannot be written to.
    """
    # Written before the run goes on: an error is raised where it can be told, and not in a thread.
    options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, enable_async_checkpointing=False)
    folder = output_folder((workdir / "checkpoints").absolute())
    with ocp.CheckpointManager(folder, options=options) as manager:
        yield manager


def write(manager: ocp.CheckpointManager, saved: Saved) -> None:
    """Writes a checkpoint, whole or not at all.

    Raises:
      OutputError: it cannot be written.
    """
    number = int(saved.state.step)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(saved.state))
    _check_room(manager.directory, size + MORE)
    about = {"losses": saved.losses, "checksum": checksum(saved.state)}
    try:
        manager.save(
            number,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(saved.state), about=ocp.args.JsonSave(about)
            ),
        )
    except Exception as error:  # Orbax, TensorStore and the system each have their own
        raise OutputError(
            f"cannot write checkpoint {number} to {manager.directory}: {_reason(error)}"
        ) from error


def read_last(
    manager: ocp.CheckpointManager, like: TrainState, say: Callable[[str], None]
) -> Saved | None:
    """The last checkpoint that is whole; those behind it are removed, and `say` told why.

    Args:
      manager: of `opened`.
      like: a state of the same shapes, where the devices are to hold it.
      say: shows a line.

    Raises:
      InputError: there are checkpoints, and none is whole.
    """
    numbers = sorted(manager.all_steps(), reverse=True)
    damaged = []
    for number in numbers:
        try:
            found = _read(manager, number, like)
        except Exception as error:  # a damaged checkpoint fails in many ways
            damaged.append(number)
            say(f"checkpoint {number} in {manager.directory} is damaged: {_reason(error)}")
            continue
        for later in damaged:
            manager.delete(later)
        return found
    if damaged:
        raise InputError(
            f"{manager.directory}: no checkpoint is whole; remove the folder to begin anew"
        )
    return None


def _read(manager: ocp.CheckpointManager, number: int, like: TrainState) -> Saved:
    found = manager.restore(
        number,
        args=ocp.args.Composite(state=ocp.args.StandardRestore(like), about=ocp.args.JsonRestore()),
    )
    if checksum(found.state) != found.about["checksum"]:
        raise ValueError("its checksum is another")
    return Saved(found.state, list(found.about["losses"]))


def _check_room(folder: os.PathLike[str], size: int) -> None:
    """Sees that so many bytes can be written; what Orbax says where they cannot fills pages."""
    probe = Path(folder).parent / f".{os.getpid()}.room"
    try:
        with open(probe, "wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise OutputError(f"cannot write {size} bytes to {folder}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            probe.unlink()


def _reason(error: Exception) -> str:
    """The first line of what is often pages."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
