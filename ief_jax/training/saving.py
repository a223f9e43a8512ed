"""The checkpoints that a run goes on from: written while it goes on, checked when they are read.

What is read must have the checksum that was written with it: a file that is cut short, emptied or
changed is told from a whole one, and the checkpoint before it is taken.
"""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import jax
import orbax.checkpoint as ocp

from ief_jax.io.checkpoint_files import checksum
from ief_jax.io.files import InputError, OutputError, output_folder, reason
from ief_jax.training.state import TrainState

KEPT = 2
"""Checkpoints that are kept: the last, and one to fall back to."""

MORE = 2**16
"""Bytes of a checkpoint beside the numbers."""


Publish = Callable[[TrainState], None]
"""Writes what others use of a state."""


class Saved(NamedTuple):
    """What a checkpoint holds.

    Attributes:
      state: of the run.
      losses: of the steps since the last line of metrics.
    """

    state: TrainState
    losses: list[float]


class Checkpoints:
    """The checkpoints in a run's folder: each is written, and published, while steps go on."""

    def __init__(self, manager: ocp.CheckpointManager, publish: Publish) -> None:
        self._manager, self._publish = manager, publish
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._begun: Future[None] | None = None

    def begin(self, saved: Saved) -> None:
        """Begins to write a checkpoint, when the one before is written.

        Args:
          saved: on the host, in arrays that nobody changes.

        Raises:
          OutputError: it cannot be written, or the one before could not.
        """
        self.wait()
        folder = self._manager.directory
        number = int(saved.state.step)
        with _telling(number, folder):
            size = sum(leaf.nbytes for leaf in jax.tree.leaves(saved.state))
            _check_room(folder, size + MORE)
            about = {"losses": saved.losses, "checksum": checksum(saved.state)}
            self._manager.save(
                number,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(saved.state), about=ocp.args.JsonSave(about)
                ),
            )
        self._begun = self._thread.submit(self._finish, number, saved.state)

    def publish(self, state: TrainState) -> None:
        """Begins to publish the state of a checkpoint that is written, on the host."""
        self.wait()
        self._begun = self._thread.submit(self._publish, state)

    def _finish(self, number: int, state: TrainState) -> None:
        with _telling(number, self._manager.directory):
            self._manager.wait_until_finished()
        self._publish(state)

    def check(self) -> None:
        """Raises the `OutputError` of a checkpoint that could not be written, if that is known."""
        if self._begun is not None and self._begun.done():
            self.wait()

    def wait(self) -> None:
        """Waits until what was begun is written; raises `OutputError` if it could not be."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.result()

    def last(self) -> int | None:
        """The step of the last checkpoint that is written; None if there is none."""
        with suppress(OutputError):
            self.wait()
        return self._manager.latest_step()

    @property
    def folder(self) -> Path:
        """That they are in."""
        return Path(self._manager.directory)

    def read_last(self, like: TrainState, say: Callable[[str], None]) -> Saved | None:
        """The last checkpoint that is whole; those behind it are removed, and `say` told why.

        Args:
          like: a state of the same shapes, where the devices are to hold it.
          say: shows a line.

        Raises:
          InputError: there are checkpoints, and none is whole.
        """
        damaged = []
        for number in sorted(self._manager.all_steps(), reverse=True):
            try:
                found = _read(self._manager, number, like)
            except Exception as error:  # a damaged checkpoint fails in many ways
                damaged.append(number)
                say(f"checkpoint {number} in {self.folder} is damaged: {reason(error)}")
                continue
            for later in damaged:
                self._manager.delete(later)
            return found
        if damaged:
            raise InputError(
                f"{self.folder}: no checkpoint is whole; remove the folder to begin anew"
            )
        return None

    def close(self) -> None:
        """Ends the threads, when what was begun is written or has failed."""
        self._thread.shutdown()
        with suppress(Exception), _quiet():  # whoever waited has been told
            self._manager.close()


@contextmanager
def opened(workdir: Path, publish: Publish) -> Iterator[Checkpoints]:
    """The checkpoints in a run's folder.

    Args:
      workdir: the folder.
      publish: given each state when its checkpoint is written, in a thread of its own.

    Raises:
      OutputError: it cannot be written to.
    """
    options = ocp.CheckpointManagerOptions(
        max_to_keep=KEPT,
        # In threads of their own: where one cannot be made, Orbax's others wait for it for minutes.
        async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
    )
    folder = output_folder((workdir / "checkpoints").absolute())
    found = Checkpoints(ocp.CheckpointManager(folder, options=options), publish)
    try:
        yield found
        found.wait()
    finally:
        found.close()


def _read(manager: ocp.CheckpointManager, number: int, like: TrainState) -> Saved:
    found = manager.restore(
        number,
        args=ocp.args.Composite(state=ocp.args.StandardRestore(like), about=ocp.args.JsonRestore()),
    )
    if checksum(found.state) != found.about["checksum"]:
        raise ValueError("its checksum is another")
    return Saved(found.state, list(found.about["losses"]))


@contextmanager
def _telling(number: int, folder: os.PathLike[str]) -> Iterator[None]:
    """Whatever goes wrong is one `OutputError` that names the checkpoint."""
    try:
        with _quiet():
            yield
    except OutputError:
        raise
    except Exception as error:  # Orbax, TensorStore and the system each have their own
        raise OutputError(
            f"cannot write checkpoint {number} to {folder}: {reason(error)}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Orbax logs pages of what it also raises."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


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
