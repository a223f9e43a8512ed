"""A training run of a linear map, in a process of its own, for tests that stop or damage it.

python -m tests.helpers.tiny_run WORKDIR [--iterations 40] [--save-every 5] [--nan-at 23] ...
"""

import dataclasses
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from ief_jax.cli import command_line
from ief_jax.io.files import replacing
from ief_jax.io.json_config import JsonConfig
from ief_jax.training import measures, mesh, optimisers, run_loop, run_options, state, step
from ief_jax.training.run_options import RunOptions
from ief_jax.training.validation import Validation

BATCH = 8
PUBLISHED = "weights.npy"


@dataclass(frozen=True)
class Options:
    """A tiny run.

    Attributes:
      iterations: steps to the end.
      seconds: that an item takes to make.
      nan_at: step whose item is not a number.
      huge_at: step after which the weights are not finite, though the loss is.
      largest_file: bytes that a file may have, as on a disk that is nearly full.
      ema: decay of the weights' moving average.
      bend: what validation wants the first weight to be; it is 1 at first and becomes less.
    """

    iterations: int = 40
    seconds: float = 0.0
    nan_at: int = 0
    huge_at: int = 0
    largest_file: int = 0
    ema: float = 0.9
    bend: float = 0.9
    run: RunOptions = field(default_factory=lambda: RunOptions(Path("runs/tiny"), log_every=4))


def example(key: jax.Array, item: jax.Array) -> tuple[jax.Array, jax.Array]:
    seen = item + 0.1 * jax.random.normal(key, item.shape)
    return seen, jnp.cumsum(seen)


def objective(weights: jax.Array, seen: jax.Array, wanted: jax.Array) -> jax.Array:
    return jnp.square(jnp.tanh(seen @ weights) - wanted / 4).mean()


def feed(options: Options, rows: np.ndarray, done: int) -> Iterator[Any]:
    for number in range(done + 1, options.iterations + 1):
        time.sleep(options.seconds)
        item = np.random.default_rng(number).normal(size=(BATCH, 5)).astype(np.float32)
        yield (item * np.nan if number == options.nan_at else item)[rows]


def error(weights: Any, bend: float) -> float:
    """Smallest where the first weight is `bend`."""
    return float(abs(weights[0, 0] - bend))


def publish(workdir: Path, weights: Any) -> None:
    with replacing(workdir / PUBLISHED) as file:
        np.save(file, np.asarray(weights))


def train(options: Options) -> None:
    """Trains to the end."""
    if options.largest_file:
        jax.config.update("jax_enable_compilation_cache", False)  # it would be cut off, for others
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.largest_file,) * 2)
    with mesh.together(options.run.hosts):
        train_here(options)


def train_here(options: Options) -> None:
    """Trains to the end, alone or as one of several processes."""
    devices = mesh.device_mesh()
    optimiser = measures.noting(optimisers.optimiser("adam", 0.03, 99, schedule="constant"))
    average = state.moving_average(options.ema)
    fixed = run_options.settings(options, ("run", "seconds", "largest_file", "bend"))
    run_loop.claim(options.run.workdir, fixed, Nothing())
    advance = step.fused_steps(example, objective, optimiser, BATCH, devices, average)

    def spoilt(here: state.TrainState, items: Any) -> Any:
        """After `huge_at` a weight is infinite, as after a gradient that overflows."""
        after, losses = advance(here, items)
        if options.huge_at and int(after.step) >= options.huge_at:
            weights = jax.tree.map(lambda w: w.at[0].set(jnp.inf), after.weights)
            after = dataclasses.replace(after, weights=weights)
        return after, losses

    run_loop.run(
        options.run,
        spoilt,
        mesh.replicate(state.initial_state(jnp.eye(5), optimiser, 3, average), devices),
        lambda done: feed(options, mesh.own_rows(BATCH, devices), done),
        publish,
        name="tiny",
        iterations=options.iterations,
        batch_size=BATCH,
        decay=options.ema,
        observe=measures.observed,
        validate=Validation("validation_error", lambda weights: error(weights, options.bend)),
    )


class Nothing(JsonConfig):
    """No configuration."""


def main(words: list[str]) -> int:
    options = tyro.cli(Options, args=words, config=(tyro.conf.OmitArgPrefixes,))
    return command_line.guarded("tiny_run", lambda: train(options), "interrupted; it can go on")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
