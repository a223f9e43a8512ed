"""`train.py lgd`: trains LGD, from scratch on the embedded pose prior by default."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import checks, optimisers
from experiments.lgd import data_sets, validation
from experiments.lgd.arguments import Evaluate, PoseOptions, Train
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.body import poses as body_poses
from ief_jax.formats import poses as formats_poses
from ief_jax.io import checkpoint_files
from ief_jax.lgd import build, checkpoints, detector_errors, training, training_people
from ief_jax.lgd.config import NAMED, LGDConfig
from ief_jax.training import measures, run_loop, run_options, state, step
from ief_jax.training import mesh as training_mesh

FREE = ("run", "evaluate")
"""Arguments that may change when a run goes on."""


def run(arguments: Train) -> None:
    """Trains, and evaluates at the end."""
    began = time.perf_counter()
    workdir = arguments.run.workdir
    checks.at_least(arguments, dict.fromkeys(("width", "steps", "iterations"), 1))
    configuration = _configuration(arguments)
    mesh = checks.device_mesh(arguments.batch_size, arguments.microbatches)
    body = model_files.load_or_embedded(arguments.body)
    model = joints.fold(body)
    task = build.problem(configuration, model)
    rows = training_mesh.own_rows(arguments.batch_size, mesh)
    draw, feed = people(arguments.data, model.betas, arguments.batch_size, arguments.seed, rows)
    draw = training_people.recombined(draw, arguments.data.recombined)
    draw = training_people.straightened(draw, arguments.data.straightened)
    validate = None
    if arguments.run.validates(arguments.iterations):
        validate = validation.on_poses(arguments.data, configuration, model)
    weights = _first_weights(arguments, configuration, task, model)
    optimiser = measures.noting(optimisers.from_options(arguments.optimiser, arguments.iterations))
    run_loop.claim(workdir, run_options.settings(arguments, FREE), configuration)

    rates = detector_errors.Rates(**dataclasses.asdict(arguments.keypoint_noise))
    average = state.moving_average(arguments.optimiser.ema)
    advance = step.fused_steps(
        partial(training.example, draw=draw, task=task, rates=rates),
        training.loss_and_steps(configuration, task, optimisers.COMPUTE[arguments.precision]),
        optimiser,
        arguments.batch_size,
        mesh,
        average,
        microbatches=arguments.microbatches,
    )
    first = state.initial_state(weights, optimiser, arguments.seed, average)
    run_loop.run(
        arguments.run,
        advance,
        training_mesh.replicate(first, mesh),
        feed,
        lambda folder, weights: checkpoints.write(
            folder / checkpoint_files.FILE_NAME,
            checkpoints.Checkpoint(configuration, weights),
        ),
        name="lgd",
        iterations=arguments.iterations,
        batch_size=arguments.batch_size,
        decay=arguments.optimiser.ema,
        observe=optimisers.observer(arguments.optimiser, arguments.iterations),
        validate=validate,
    )
    run_loop.say(f"trained in {time.perf_counter() - began:.0f} s: {workdir}")
    if arguments.evaluate and run_loop.is_first_process():
        _evaluate(arguments)


def _configuration(arguments: Train) -> LGDConfig:
    configuration = NAMED[arguments.configuration]
    changes = {
        name: getattr(arguments, name)
        for name in ("width", "steps")
        if getattr(arguments, name) is not None
    }
    return dataclasses.replace(configuration, **changes)


Feed = Callable[[int], Iterator[Any]]
"""From the number of steps done to the items of the steps that follow."""


def people(
    options: PoseOptions, betas: int, batch_size: int, seed: int, rows: np.ndarray
) -> tuple[training_people.Draw, Feed]:
    """Where poses come from: the prior, or a data set or files beside a share of the prior.

    Args:
      options: say which.
      betas: shape coefficients of a person.
      batch_size: people a step, over all processes.
      seed: of the order.
      rows: of each batch, which this process feeds.

    Raises:
      InputError: they cannot be read, or the options contradict one another.
    """
    prior = training_people.from_prior(pose_prior.embedded(), betas)
    if options.dataset != "prior":
        from data.motion import pipeline  # slow to import

        prepared = data_sets.prepared(options, options.split)
        run_loop.say(f"{prepared.total} poses of {options.dataset}, {options.split}")

        def feed(done: int) -> Iterator[Any]:
            for poses in pipeline.stream(prepared, batch_size, seed, done):
                yield jax.tree.map(lambda part: part[rows], poses)

        return training_people.mixed(
            training_people.from_items(betas), prior, options.prior_share
        ), feed
    if not options.poses:
        return prior, _nothing
    found = formats_poses.read_all(options.poses)
    run_loop.say(f"{len(found.poses)} poses of {len(options.poses)} files")
    shapes = betas if found.betas is None else jnp.asarray(body_poses.fit_betas(found.betas, betas))
    drawn = training_people.from_poses(
        jnp.asarray(found.poses), shapes, body_poses.sampling_weights(found)
    )
    return training_people.mixed(drawn, prior, options.prior_share), _nothing


def _nothing(done: int) -> Iterator[None]:
    return itertools.repeat(None)


def _first_weights(
    arguments: Train, configuration: LGDConfig, task: Any, model: joints.JointModel
) -> checkpoint_files.Weights:
    if arguments.initial is None:
        return build.initial_weights(configuration, task, jax.random.key(arguments.seed))
    weights = checkpoints.load(arguments.initial).weights
    build.check_checkpoint(checkpoints.Checkpoint(configuration, weights), model)
    return weights


def _evaluate(arguments: Train) -> None:
    """The table and the picture of eval.py, on poses that were not trained on."""
    from experiments.lgd import evaluate  # slow to import, and a run may never come here

    workdir = arguments.run.workdir
    evaluate.run(
        Evaluate(
            checkpoint=str(workdir),
            body=arguments.body,
            count=arguments.evaluate,
            json=workdir / "evaluation.json",
            figure=workdir / "fits.png",
        )
    )
