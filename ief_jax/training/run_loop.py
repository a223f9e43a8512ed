"""A training run in its folder: what it is, its steps, its metrics, its checkpoints.

config.json, metrics.jsonl, TensorBoard events, checkpoints/ (from which it goes on after a break)
and whatever `publish` writes.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from filelock import FileLock, Timeout
from tensorboardX import SummaryWriter
from tqdm import tqdm

from ief_jax.io.files import InputError, output_folder, replacing
from ief_jax.io.json_config import JsonConfig
from ief_jax.training import state, step
from ief_jax.training.run_options import RunOptions


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
    advance: step.Step,
    state: state.TrainState,
    feed: Callable[[int], Iterator[Any]],
    publish: Callable[[Any], None],
    *,
    name: str,
    iterations: int,
    batch_size: int,
) -> state.TrainState:
    """Steps to the end, from the last checkpoint if there is one.

    Args:
      options: the folder, and how often it is written to.
      advance: the step.
      state: before the first step.
      feed: from the number of steps done to the items of the steps that follow.
      publish: writes the weights for those who use them; called with every checkpoint.
      name: shown beside the progress bar.
      iterations: steps to the end.
      batch_size: examples a step.

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
        first = int(state.step)
        items = feed(first)
        waiting: list[jax.Array] = []
        since = time.perf_counter()
        with tqdm(total=iterations, initial=first, unit="step", desc=name) as bar:
            for number in range(first + 1, iterations + 1):
                state, loss = advance(state, next(items))
                waiting.append(loss)
                last = number == iterations
                if number % options.log_every == 0 or last:
                    mean, now = float(jnp.stack(waiting).mean()), time.perf_counter()
                    if not np.isfinite(mean):
                        raise FloatingPointError(f"the loss at step {number} is {mean}")
                    rate = len(waiting) * batch_size / (now - since)
                    line = {"step": number, "loss": mean, "examples_per_second": rate}
                    metrics.write(json.dumps(line) + "\n")
                    metrics.flush()
                    events.add_scalar("loss", mean, number)
                    events.add_scalar("examples_per_second", rate, number)
                    bar.update(len(waiting))
                    bar.set_postfix(loss=f"{mean:.4g}", examples=f"{rate:.0f}/s")
                    waiting, since = [], now
                if number % options.save_every == 0 or last:
                    manager.save(number, args=ocp.args.StandardSave(jax.device_get(state)))
                    manager.wait_until_finished()
                    publish(state.weights)
    return state


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
