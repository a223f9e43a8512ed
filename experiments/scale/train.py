"""`train.py scale`: trains the network that picks the box round a person."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

from data.keypoints import pipeline, scale_examples, sets
from experiments import checks
from experiments.scale import evaluate
from ief_jax.ief.scale_selector import checkpoints, config, networks
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import Weights
from ief_jax.io.files import InputError
from ief_jax.training import mesh as training_mesh
from ief_jax.training import optimisers, run_loop, state, step

NETWORKS = {"small": config.SMALL, "vgg_s": config.PAPER}


FREE = ("workdir", "data_dir", "threads", "log_every", "save_every", "evaluate")
"""Arguments that may change when a run goes on."""


@dataclass(frozen=True)
class Arguments:
    """Train the scale selector.

    Attributes:
      workdir: folder for all that is written; a run in it that was cut off goes on.
      dataset: lsp, lspet, mpii, coco, synthetic; several are trained on together.
      data_dir: the folder that holds lsp/, lspet/, ... as they were released; the synthetic set
        is made there if it is not.
      network: light, or vgg_s (the paper's).
      people: of all data sets together at most, chosen at random; their images are held in memory.
      iterations: training steps.
      batch_size: boxes a step, over all devices.
      learning_rate: of Adam, at its peak.
      seed: of weights and examples.
      initial: released, or a folder, to start the weights from.
      threads: that prepare examples.
      log_every: steps between two lines of metrics.
      save_every: steps between two checkpoints.
      evaluate: people of each data set in the evaluation at the end; 0 for none.
    """

    workdir: Path = Path("runs/scale")
    dataset: tuple[str, ...] = ("synthetic",)
    data_dir: Path = Path("downloads")
    network: Literal["small", "vgg_s"] = "small"
    people: int = 20000
    iterations: int = 6000
    batch_size: int = 64
    learning_rate: float = 1e-3
    seed: int = 0
    initial: str | None = None
    threads: int = 2
    log_every: int = 50
    save_every: int = 1000
    evaluate: int = 300


def scale(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Train the scale selector: which box round a marked point fits the person."""
    began = time.perf_counter()
    configuration = NETWORKS[arguments.network]
    mesh = checks.device_mesh(arguments.batch_size)
    found, _ = sets.load_all(arguments.dataset, arguments.data_dir, "train")
    rows = np.random.default_rng(arguments.seed).permutation(len(found))[: arguments.people]
    people = [found[row] for row in rows]
    weights = _first_weights(arguments, configuration)
    run_loop.claim(arguments, configuration, FREE)
    optimiser = optimisers.adam(arguments.learning_rate, arguments.iterations)
    run_loop.run(
        run_loop.Plan(
            arguments.workdir,
            "scale",
            arguments.iterations,
            arguments.batch_size,
            arguments.log_every,
            arguments.save_every,
        ),
        step.training_step(
            lambda key, item: item,
            partial(networks.loss, configuration),
            optimiser,
            arguments.batch_size,
            mesh,
        ),
        training_mesh.replicate(state.initial_state(weights, optimiser, arguments.seed), mesh),
        partial(_feed, arguments, configuration.size, scale_examples.shrunk(people)),
        lambda weights: checkpoints.write(
            arguments.workdir / checkpoint_files.FILE_NAME,
            checkpoints.Selector(configuration, weights),
        ),
    )
    run_loop.say(f"trained in {time.perf_counter() - began:.0f} s: {arguments.workdir}")
    if arguments.evaluate:
        evaluate.scale(
            evaluate.Arguments(
                checkpoint=str(arguments.workdir),
                dataset=arguments.dataset,
                data_dir=arguments.data_dir,
                count=arguments.evaluate,
                json=arguments.workdir / "evaluation.json",
            )
        )


def _first_weights(arguments: Arguments, configuration: config.ScaleSelectorConfig) -> Weights:
    if arguments.initial is None:
        return networks.initial_weights(configuration, jax.random.key(arguments.seed))
    found = checkpoints.load(arguments.initial)
    if found.configuration != configuration:
        raise InputError(
            f"--initial {arguments.initial}: of the network {found.configuration.network}, "
            f"not {arguments.network}"
        )
    return found.weights


def _feed(
    arguments: Arguments, size: int, people: Sequence[scale_examples.Shrunk], done: int
) -> Iterator[tuple[Any, Any]]:
    """Images of boxes and how much these should grow, from the step after `done` on."""
    batches = pipeline.batches(
        people,
        scale_examples.boxes(size),
        arguments.batch_size,
        arguments.seed,
        threads=arguments.threads,
        first=done,
    )
    for batch in batches:
        yield batch["image"], batch["growth"]
