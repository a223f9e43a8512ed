"""`train.py scale`: trains the network that chooses the box round a person."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from data.keypoints import pipeline, scale_examples, sets
from experiments import checks
from experiments import optimisers as experiment_optimisers
from experiments.options import OptimiserOptions
from experiments.scale import validation
from experiments.scale.arguments import Evaluate, Train
from ief_jax.ief.scale_selector import checkpoints, config, networks
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import Weights
from ief_jax.io.files import InputError
from ief_jax.training import measures, optimisers, run_loop, run_options, state, step
from ief_jax.training import mesh as training_mesh

NETWORKS = {"small": config.SMALL, "vgg_s": config.PAPER}

FREE = ("run", "data_dir", "threads", "evaluate")
"""Arguments that may change when a run goes on."""


def run(arguments: Train) -> None:
    """Trains, and evaluates at the end."""
    began = time.perf_counter()
    workdir, options = arguments.run.workdir, arguments.adam
    checks.at_least(options, {"iterations": 1})
    configuration = NETWORKS[arguments.network]
    mesh = checks.device_mesh(options.batch_size)
    found, _ = sets.load_all(arguments.dataset, arguments.data_dir, "train")
    rows = np.random.default_rng(arguments.seed).permutation(len(found))[: arguments.people]
    people = [found[row] for row in rows]
    weights = _first_weights(arguments, configuration)
    validate = None
    if arguments.run.validates(options.iterations):
        validate = validation.on_people(arguments, configuration)
    run_loop.claim(workdir, run_options.settings(arguments, FREE), configuration)
    optimiser = measures.noting(optimisers.adam(options.learning_rate, options.iterations))
    run_loop.run(
        arguments.run,
        step.one_by_one(
            step.training_step(
                lambda key, item: item,
                partial(networks.loss, configuration),
                optimiser,
                options.batch_size,
                mesh,
            )
        ),
        training_mesh.replicate(state.initial_state(weights, optimiser, arguments.seed), mesh),
        partial(
            _feed,
            arguments,
            configuration.size,
            scale_examples.shrunk(people),
            mesh,
        ),
        lambda folder, weights: checkpoints.write(
            folder / checkpoint_files.FILE_NAME,
            checkpoints.Selector(configuration, weights),
        ),
        name="scale",
        iterations=options.iterations,
        batch_size=options.batch_size,
        observe=experiment_optimisers.observer(
            OptimiserOptions(learning_rate=options.learning_rate), options.iterations
        ),
        validate=validate,
    )
    run_loop.say(f"trained in {time.perf_counter() - began:.0f} s: {workdir}")
    if arguments.evaluate and run_loop.is_first_process():
        from experiments.scale import evaluate  # slow to import

        evaluate.run(
            Evaluate(
                checkpoint=str(workdir),
                dataset=arguments.dataset,
                data_dir=arguments.data_dir,
                count=arguments.evaluate,
                json=workdir / "evaluation.json",
            )
        )


def _first_weights(arguments: Train, configuration: config.ScaleSelectorConfig) -> Weights:
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
    arguments: Train,
    size: int,
    people: Sequence[scale_examples.Shrunk],
    mesh: jax.sharding.Mesh,
    done: int,
) -> Iterator[tuple[Any, Any]]:
    """Images of this process's boxes and how much these should grow, after `done` steps.

    They are on their way to its devices.
    """
    batches = pipeline.batches(
        people,
        scale_examples.boxes(size),
        arguments.adam.batch_size,
        arguments.seed,
        threads=arguments.threads,
        first=done,
        rows=training_mesh.own_rows(arguments.adam.batch_size, mesh),
    )
    for batch in batches:
        yield training_mesh.spread((batch["image"], batch["growth"]), training_mesh.of_batch(mesh))
