"""A training run in its folder: what it is, its steps, its metrics, its checkpoints.

config.json, metrics.jsonl, TensorBoard events, checkpoints/ (from which it goes on after a break)
and whatever `publish` writes.
"""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from filelock import FileLock, Timeout
from tensorboardX import SummaryWriter
from tqdm import tqdm

from ief_jax.io.files import InputError, output_folder, replacing
from ief_jax.io.json_config import JsonConfig
from ief_jax.training import step
from ief_jax.training.run_options import RunOptions
from ief_jax.training.state import TrainState, averaged_weights

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
    publish: Callable[[Any], None],
    *,
    name: str,
    iterations: int,
    batch_size: int,
    decay: float = 0.0,
) -> TrainState:
    """Steps to the end, from the last checkpoint if there is one.

    Args:
      options: the folder, and how often it is written to.
      advance: the steps.
      state: before the first step.
      feed: from the number of steps done to the items of the steps that follow.
      publish: writes the weights for those who use them; called with every checkpoint.
      name: shown beside the progress bar.
      iterations: steps to the end.
      batch_size: examples a step.
      decay: of the weights' moving average, which is what is published; 0 for the weights.

    Raises:
      InputError: another process trains in the folder.
      FloatingPointError: the loss is no longer finite; the last checkpoint stays.
    """
    with (
        _alone(options.workdir),
        ocp.CheckpointManager(
            (options.workdir / "checkpoints").absolute(),
            options=ocp.CheckpointManagerOptions(max_to_keep=2, create=True),
        ) as manager,
        SummaryWriter(str(options.workdir)) as events,
        open(options.workdir / "metrics.jsonl", "a", encoding="utf-8") as metrics,
    ):
        if manager.latest_step() is not None:
            state = manager.restore(manager.latest_step(), args=ocp.args.StandardRestore(state))
            say(f"going on from step {int(state.step)} of {options.workdir}")
        done = int(state.step)
        items = feed(done)
        waiting: list[float] = []
        since = time.perf_counter()
        block = _Block(options.log_every, options.save_every, iterations)
        with tqdm(total=iterations, initial=done, unit="step", desc=name) as bar:
            upcoming = list(itertools.islice(items, block.length(done)))
            while upcoming:
                count, began = len(upcoming), time.perf_counter()
                state, losses = advance(state, upcoming)
                done += count
                # Prepared while the devices work.
                upcoming = list(itertools.islice(items, block.length(done)))
                waiting += np.asarray(losses)[:count].tolist()
                block.took(count, time.perf_counter() - began)
                last = done == iterations
                if done % options.log_every == 0 or last:
                    mean, now = float(np.mean(waiting)), time.perf_counter()
                    if not np.isfinite(mean):
                        raise FloatingPointError(f"the loss at step {done} is {mean}")
                    rate = len(waiting) * batch_size / (now - since)
                    line = {"step": done, "loss": mean, "examples_per_second": rate}
                    metrics.write(json.dumps(line) + "\n")
                    metrics.flush()
                    events.add_scalar("loss", mean, done)
                    events.add_scalar("examples_per_second", rate, done)
                    bar.update(len(waiting))
                    bar.set_postfix(loss=f"{mean:.4g}", examples=f"{rate:.0f}/s")
                    waiting, since = [], now
                if done % options.save_every == 0 or last:
                    here = jax.device_get(state)
                    manager.save(done, args=ocp.args.StandardSave(here))
                    manager.wait_until_finished()
                    publish(averaged_weights(here, decay))
    return state


class _Block:
    """How many steps the next call makes: about `BLOCK_SECONDS` long, up to the next line."""

    def __init__(self, *marks: int) -> None:
        self._marks, self._most = marks, 1

    def length(self, done: int) -> int:
        """Steps until the next multiple of a mark; none behind the last mark, the end."""
        *every, end = self._marks
        return min(self._most, end - done, *(mark - done % mark for mark in every))

    def took(self, count: int, seconds: float) -> None:
        """Takes note of how long so many steps took."""
        wanted = int(BLOCK_SECONDS * count / seconds)
        self._most = max(1, min(wanted, 4 * self._most, step.FUSED))


def _alone(workdir: Path) -> AbstractContextManager[Any]:
    """Keeps other processes out of the folder; the lock goes with the process, however it ends."""
    try:
        return FileLock(workdir / "lock").acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{workdir}: another process trains in it") from error


def say(text: str) -> None:
    """A line beside the progress bar."""
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
