"""A training run in its folder: what it is, its steps, its metrics, its checkpoints.

config.json, metrics.jsonl, TensorBoard events, checkpoints/ (from which it goes on after a break),
whatever `publish` writes, of the best weights in best/, and in the end summary.md and curves.png.
"""

import dataclasses
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import jax
import numpy as np
from filelock import FileLock, Timeout
from jax.experimental import multihost_utils
from tqdm import tqdm

from ief_jax.io.files import InputError, output_folder, replacing
from ief_jax.io.json_config import JsonConfig
from ief_jax.training import (
    history,
    interruption,
    measures,
    mesh,
    profiling,
    saving,
    step,
    summary,
    validation,
)
from ief_jax.training.run_options import RunOptions
from ief_jax.training.state import TrainState, averaged_weights
from ief_jax.training.validation import Validation

BLOCK_SECONDS = 0.5
"""Steps that fit into this are made by one call."""


def claim(workdir: Path, arguments: Mapping[str, Any], configuration: JsonConfig) -> None:
    """Makes the folder and writes what the run is; a folder of another run is left alone.

    Args:
      workdir: the folder.
      arguments: what must stay the same when the run goes on, as `run_options.settings` gives it.
      configuration: of what is trained.

    Raises:
      InputError: the folder holds another run; names the first value that differs.
      OutputError: the folder cannot be written.
    """
    if not is_first_process():
        return
    output_folder(workdir)
    path = workdir / "config.json"
    # As it comes back from the file: tuples are lists.
    wanted = json.loads(
        json.dumps({"arguments": arguments, "configuration": configuration.to_dict()})
    )
    if not path.exists():
        with replacing(path) as file:
            file.write(json.dumps({**wanted, "commit": _commit()}, indent=2).encode())
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not the config.json of a run: {error}") from error
    for part in wanted:
        for name, value in wanted[part].items():
            if found.get(part, {}).get(name) != value:
                raise InputError(
                    f"{path}: this run has {name} = {found.get(part, {}).get(name)!r}, not "
                    f"{value!r}; take another --workdir"
                )


def run(
    options: RunOptions,
    advance: step.Steps,
    state: TrainState,
    feed: Callable[[int], Iterator[Any]],
    publish: Callable[[Path, Any], None],
    *,
    name: str,
    iterations: int,
    batch_size: int,
    decay: float = 0.0,
    observe: measures.Observe = measures.nothing,
    validate: Validation | None = None,
) -> TrainState:
    """Steps to the end, from the last checkpoint if there is one.

    Args:
      options: the folder, and how often it is written to.
      advance: the steps.
      state: before the first step.
      feed: from the number of steps done to the items of the steps that follow.
      publish: writes weights into a folder for those who use them: into that of the run with every
        checkpoint, when that is written, in a thread of its own; the best into best/.
      name: shown beside the progress bar.
      iterations: steps to the end.
      batch_size: examples a step.
      decay: of the weights' moving average, which is what is published; 0 for the weights.
      observe: what else the lines of metrics show; called with the state at each, on the host.
      validate: what the weights that are published are measured by, if they are.

    Raises:
      InputError: another process trains in the folder; no checkpoint in it is whole; an interval
        makes no sense.
      OutputError: the folder cannot be written to, or no longer; of a checkpoint this is told when
        the next steps are made.
      FloatingPointError: the loss or a weight is no longer finite; the last checkpoint stays.
      KeyboardInterrupt: after Ctrl-C, when the step is made and saved.
      SystemExit: with status 143 after SIGTERM, likewise. If another process of the run is
        gone, this one says so and ends at once, with status 1.
    """
    _check(options)

    def publish_state(state: TrainState) -> None:
        if is_first_process():
            publish(options.workdir, averaged_weights(state, decay))

    def publish_best(weights: Any) -> None:
        if is_first_process():
            publish(output_folder(options.workdir / validation.FOLDER), weights)

    def summarise(ending: str) -> None:
        if is_first_process():
            summary.write(
                options.workdir, name, ending, str(best), done=done, batch_size=batch_size
            )

    with (
        _alone(options.workdir),
        saving.opened(options.workdir, publish_state) as checkpoints,
        interruption.deferred() as interrupted,
    ):
        state, waiting = _resumed(checkpoints, state, options.workdir)
        done, signals = int(state.step), 0
        lines_so_far = history.lines(options.workdir, done)
        record = _recorder(options.workdir, lines_so_far)
        best = validation.Best(validate, options.validate_every, lines_so_far)
        block, due = _Block(options, best.every, iterations), _Due(options)
        with (
            profiling.traced(options.workdir, options.profile, say) as watch,
            _bar(name, done, iterations) as bar,
        ):
            lines = _Lines(record, observe, batch_size, waiting)
            calls = _calls(advance, state, feed(done), block, done, watch)
            try:
                for state, losses in calls:
                    done += len(losses)
                    _check_losses(losses, done, checkpoints)
                    checkpoints.check()
                    lines.add(losses)
                    bar.update(len(losses))
                    last = done == iterations
                    signals, late, block.most = _agreed(interrupted.received, due.late, block.most)
                    validated: Mapping[str, float] = {}
                    if best.due(done):
                        with lines.paused():
                            weights = averaged_weights(_on_host(state), decay)
                            validated = best.measure(weights, done, publish_best)
                    if last or validated or done % options.log_every == 0:
                        bar.set_postfix(lines.write(state, done, validated))
                    if last or signals or late or due.at(done):
                        with lines.paused():
                            _save(checkpoints, state, lines.waiting)
                        due.restart()
                    if signals:
                        break
                checkpoints.wait()
            except FloatingPointError as error:
                summarise(f"stopped: {error}")
                raise
            except jax.errors.JaxRuntimeError as error:
                if jax.process_count() == 1:
                    raise
                lost = mesh.gone(error)
                tqdm.write(f"{lost}; start all of them again, to go on", file=sys.stderr)
                summarise(f"stopped: {lost}")
                mesh.leave(1)
        if signals:
            say(f"stopped after step {done}; saved, the same command goes on from there")
            summarise(f"stopped after step {done} of {iterations}")
            interrupted.received = signals
            interrupted.leave()
        summarise("finished")
    return state


def _resumed(
    checkpoints: saving.Checkpoints, state: TrainState, workdir: Path
) -> tuple[TrainState, list[float]]:
    """The state to go on from, and the losses since the last line of metrics."""
    found = checkpoints.read_last(state, say)
    if found is None:
        return state, []
    checkpoints.publish(_on_host(found.state))  # it may have been cut off just before this
    say(f"going on from step {int(found.state.step)} of {workdir}")
    return found.state, found.losses


def _calls(
    advance: step.Steps,
    state: TrainState,
    items: Iterator[Any],
    block: "_Block",
    done: int,
    watch: profiling.Watch,
) -> Iterator[tuple[TrainState, list[float]]]:
    """The state after each call of the program, and the losses of the steps that it made."""
    upcoming = list(itertools.islice(items, block.length(done)))
    while upcoming:
        count = len(upcoming)
        watch(count)
        began = time.perf_counter()
        state, losses = advance(state, upcoming)
        done += count
        # Prepared while the devices work.
        upcoming = list(itertools.islice(items, block.length(done)))
        values = np.asarray(losses)[:count].tolist()
        block.took(count, time.perf_counter() - began)
        yield state, values


def _save(checkpoints: saving.Checkpoints, state: TrainState, losses: list[float]) -> None:
    """Begins to write a checkpoint."""
    here = _on_host(dataclasses.replace(state, noted=None))
    _check_weights(here, checkpoints)
    checkpoints.begin(saving.Saved(here, losses))


def _on_host(state: TrainState) -> TrainState:
    """A copy of a state, whose memory the next step takes."""
    return jax.tree.map(np.array, jax.device_get(state))


def is_first_process() -> bool:
    """Whether this is the process that writes, of those that train together."""
    return jax.process_index() == 0


def _agreed(interrupted: int, late: bool, most: int) -> tuple[int, bool, int]:
    """What all processes do: stop if one is asked to, else as the first one says."""
    if jax.process_count() == 1:
        return interrupted, late, most
    everybody = multihost_utils.process_allgather(np.array([interrupted, late, most]))
    return int(everybody[:, 0].max()), bool(everybody[0, 1]), int(everybody[0, 2])


def _check(options: RunOptions) -> None:
    for name, value in (("log-every", options.log_every), ("save-every", options.save_every)):
        if value is not None and value < 1:
            raise InputError(f"--{name} is {value}, expected 1 or more")
    for name, value in (("profile", options.profile), ("validate-every", options.validate_every)):
        if value < 0:
            raise InputError(f"--{name} is {value}, expected 0 or more")
    if not options.save_minutes > 0:
        raise InputError(f"--save-minutes is {options.save_minutes}, expected more than 0")


def _check_losses(values: list[float], done: int, checkpoints: saving.Checkpoints) -> None:
    for number, value in enumerate(values, done - len(values) + 1):
        if not np.isfinite(value):
            raise FloatingPointError(
                f"the loss of step {number}, on batch {number}, is {value}; {_kept(checkpoints)}"
            )


def _check_weights(state: TrainState, checkpoints: saving.Checkpoints) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if np.issubdtype(leaf.dtype, np.floating) and not np.isfinite(leaf).all():
            raise FloatingPointError(
                f"after step {int(state.step)}, {jax.tree_util.keystr(path)} has values that are "
                f"not finite; {_kept(checkpoints)}"
            )


def _kept(checkpoints: saving.Checkpoints) -> str:
    last = checkpoints.last()
    if last is None:
        return "nothing had been saved"
    return f"the state after step {last} stays in {checkpoints.folder.parent}"


def _recorder(workdir: Path, lines_so_far: list[dict[str, Any]]) -> history.Record:
    return history.begin(workdir, lines_so_far) if is_first_process() else lambda line: None


def _bar(name: str, done: int, iterations: int) -> "tqdm[Any]":
    return tqdm(
        total=iterations, initial=done, unit="step", desc=name, disable=not is_first_process()
    )


class _Lines:
    """The lines of metrics, and the losses that are waiting for the next."""

    def __init__(
        self,
        record: history.Record,
        observe: measures.Observe,
        batch_size: int,
        waiting: list[float],
    ) -> None:
        self._record, self._observe, self._batch_size = record, observe, batch_size
        self._validated: dict[str, str] = {}
        self.waiting, self._since = waiting, time.perf_counter()

    def add(self, losses: list[float]) -> None:
        """Takes note of the losses of further steps."""
        self.waiting = self.waiting + losses

    def write(self, state: TrainState, done: int, validated: Mapping[str, float]) -> dict[str, str]:
        """Writes a line of the steps since the last one; returns what of it the bar shows."""
        mean = float(np.mean(self.waiting))
        rate = len(self.waiting) * self._batch_size / (time.perf_counter() - self._since)
        if is_first_process():
            more = {**self._observe(jax.device_get(state)), **validated}
            self._record({"step": done, "loss": mean, "examples_per_second": rate, **more})
        self.waiting, self._since = [], time.perf_counter()
        self._validated |= {name: f"{number:.4g}" for name, number in validated.items()}
        return {"loss": f"{mean:.4g}", "examples": f"{rate:.0f}/s", **self._validated}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What takes place in the block does not count as training."""
        began = time.perf_counter()
        yield
        self._since += time.perf_counter() - began


class _Due:
    """When checkpoints are due."""

    def __init__(self, options: RunOptions) -> None:
        self._seconds, self._every = 60 * options.save_minutes, options.save_every
        self.restart()

    def restart(self) -> None:
        """Takes note that there is one now."""
        self._last = time.perf_counter()

    @property
    def late(self) -> bool:
        """Whether one is due by the clock."""
        return time.perf_counter() - self._last >= self._seconds

    def at(self, done: int) -> bool:
        """Whether one is due after so many steps."""
        return self._every is not None and done % self._every == 0


class _Block:
    """How many steps the next call makes: about `BLOCK_SECONDS` long, up to the next line."""

    def __init__(self, options: RunOptions, validate_every: int, iterations: int) -> None:
        every = (options.log_every, options.save_every, validate_every)
        self._marks, self._end = [mark for mark in every if mark], iterations
        self.most = 1

    def length(self, done: int) -> int:
        """Steps until the next line, checkpoint or validation, or the end; at most `most`."""
        return min(self.most, self._end - done, *(mark - done % mark for mark in self._marks))

    def took(self, count: int, seconds: float) -> None:
        """Takes note of how long so many steps took."""
        wanted = int(BLOCK_SECONDS * count / seconds)
        self.most = max(1, min(wanted, 4 * self.most, step.FUSED))


def _alone(workdir: Path) -> AbstractContextManager[Any]:
    """Keeps other processes out of the folder; the lock goes with the process, however it ends."""
    if not is_first_process():
        return nullcontext()
    try:
        return FileLock(workdir / "lock").acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{workdir}: another process trains in it") from error


def say(text: str) -> None:
    """A line beside the progress bar."""
    if is_first_process():
        tqdm.write(text, file=sys.stderr)


def _commit() -> str | None:
    """The commit of this checkout, if it is one."""
    try:
        return subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
