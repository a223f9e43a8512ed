"""`train.py lgd`: trains LGD, from scratch on the embedded pose prior by default."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import tyro

from data import amass, cmu
from data.motion import pipeline
from experiments import checks
from experiments.lgd import evaluate
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.body import poses as body_poses
from ief_jax.formats import poses as formats_poses
from ief_jax.io import checkpoint_files
from ief_jax.io.files import InputError
from ief_jax.lgd import build, checkpoints, training
from ief_jax.lgd.config import NAMED, LGDConfig
from ief_jax.training import mesh as training_mesh
from ief_jax.training import optimisers, run_loop, state, step

FREE = ("workdir", "log_every", "save_every", "evaluate")
"""Arguments that may change when a run goes on."""


@dataclass(frozen=True)
class Arguments:
    """Train learned gradient descent.

    Attributes:
      workdir: folder for all that is written; a run in it that was cut off goes on.
      configuration: released (the best we know), paper, or lifting (the paper's baseline).
      dataset: where poses come from: the pose prior, or amass or cmu as prepared by
        `python -m data.prepare_poses`, streamed from disk.
      data_dir: the folder that the data set was prepared in.
      split: which part of the data set; train, or for amass also paper (the paper's subsets).
      poses: AMASS-style npz files (`poses` [N, >= 66]) to hold in memory instead of a data set.
      prior_share: share of the examples that still come from the pose prior beside the others.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      iterations: training steps.
      batch_size: examples a step, over all devices.
      optimizer: adam, or sgd. Not in the paper, nor are the four that follow.
      learning_rate: at its peak.
      momentum: of sgd.
      schedule: of the learning rate: cosine, after a warm-up, to nothing; constant.
      clip: the longest gradient of the weights that is followed; 0 for any.
      width: of the network; the configuration's own by default.
      steps: learned steps N; the configuration's own by default.
      noise: largest keypoint noise, as a share of the person's box.
      drop: largest share of keypoints hidden.
      clean: share of the examples without noise, and (independently) with nothing hidden.
      seed: of weights and examples.
      initial: checkpoint to start the weights from (released, paper, lifting, or a folder).
      log_every: steps between two lines of metrics.
      save_every: steps between two checkpoints.
      evaluate: poses in the evaluation at the end; 0 for none.
    """

    workdir: Path = Path("runs/lgd")
    configuration: Literal["released", "paper", "lifting"] = "released"
    dataset: Literal["prior", "amass", "cmu"] = "prior"
    data_dir: Path | None = None
    split: str = "train"
    poses: tuple[Path, ...] = ()
    prior_share: float = 0.5
    body: Path | None = None
    iterations: int = 2500
    batch_size: int = 128
    optimizer: optimisers.OptimizerName = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    schedule: optimisers.ScheduleName = "cosine"
    clip: float = 1.0
    width: int | None = None
    steps: int | None = None
    noise: float = 0.02
    drop: float = 0.3
    clean: float = 0.35
    seed: int = 0
    initial: str | None = None
    log_every: int = 50
    save_every: int = 500
    evaluate: int = 1000


def lgd(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Train learned gradient descent (LGD): 2D keypoints to an SMPL body."""
    began = time.perf_counter()
    checks.at_least(arguments, {"momentum": 0, "clip": 0})
    configuration = _configuration(arguments)
    mesh = checks.device_mesh(arguments.batch_size)
    body = model_files.load_or_embedded(arguments.body)
    model = joints.fold(body)
    task = build.problem(configuration, model)
    draw, feed = people(arguments, model.betas)
    weights = _first_weights(arguments, configuration, task, model)
    run_loop.claim(arguments, configuration, FREE)

    optimiser = optimisers.optimiser(
        arguments.optimizer,
        arguments.learning_rate,
        arguments.iterations,
        schedule=arguments.schedule,
        momentum=arguments.momentum,
        clip=arguments.clip,
    )
    keypoint_noise = training.KeypointNoise(arguments.noise, arguments.drop, arguments.clean)
    advance = step.training_step(
        partial(training.example, draw=draw, task=task, keypoint_noise=keypoint_noise),
        training.loss(configuration, task),
        optimiser,
        arguments.batch_size,
        mesh,
    )
    run_loop.run(
        run_loop.Plan(
            arguments.workdir,
            "lgd",
            arguments.iterations,
            arguments.batch_size,
            arguments.log_every,
            arguments.save_every,
        ),
        advance,
        training_mesh.replicate(state.initial_state(weights, optimiser, arguments.seed), mesh),
        feed,
        lambda weights: checkpoints.write(
            arguments.workdir / checkpoint_files.FILE_NAME,
            checkpoints.Checkpoint(configuration, weights),
        ),
    )
    run_loop.say(f"trained in {time.perf_counter() - began:.0f} s: {arguments.workdir}")
    if arguments.evaluate:
        _evaluate(arguments)


def _configuration(arguments: Arguments) -> LGDConfig:
    configuration = NAMED[arguments.configuration]
    changes = {
        name: getattr(arguments, name)
        for name in ("width", "steps")
        if getattr(arguments, name) is not None
    }
    return dataclasses.replace(configuration, **changes)


Feed = Callable[[int], Iterator[Any]]
"""From the number of steps done to the items of the steps that follow."""


def people(arguments: Arguments, betas: int) -> tuple[training.Draw, Feed]:
    """Where poses come from: the prior, or a data set or files beside a share of the prior.

    Raises:
      InputError: they cannot be read, or the arguments contradict one another.
    """
    prior = training.from_prior(pose_prior.embedded(), betas)
    if arguments.dataset != "prior":
        prepared = _prepared(arguments)
        run_loop.say(f"{prepared.count} poses of {arguments.dataset}, {arguments.split}")
        feed = partial(pipeline.stream, prepared, arguments.batch_size, arguments.seed)
        return training.mixed(training.from_items(betas), prior, arguments.prior_share), feed
    if not arguments.poses:
        return prior, _nothing
    found = formats_poses.read_all(arguments.poses)
    run_loop.say(f"{len(found.poses)} poses of {len(arguments.poses)} files")
    shapes = betas if found.betas is None else jnp.asarray(body_poses.fit_betas(found.betas, betas))
    drawn = training.from_poses(
        jnp.asarray(found.poses), shapes, body_poses.sampling_weights(found)
    )
    return training.mixed(drawn, prior, arguments.prior_share), _nothing


def _nothing(done: int) -> Iterator[None]:
    return itertools.repeat(None)


def _prepared(arguments: Arguments) -> pipeline.Prepared:
    if arguments.poses:
        raise InputError("--poses and --dataset are two sources of poses; give one of them")
    if arguments.data_dir is None:
        raise InputError(
            f"--dataset {arguments.dataset} needs --data-dir, the folder that it was prepared in"
        )
    of = {"amass": amass, "cmu": cmu}[arguments.dataset]
    return of.prepared(arguments.data_dir, arguments.split)


def _first_weights(
    arguments: Arguments, configuration: LGDConfig, task: Any, model: joints.JointModel
) -> checkpoint_files.Weights:
    if arguments.initial is None:
        return build.initial_weights(configuration, task, jax.random.key(arguments.seed))
    weights = checkpoints.load(arguments.initial).weights
    build.check_checkpoint(checkpoints.Checkpoint(configuration, weights), model)
    return weights


def _evaluate(arguments: Arguments) -> None:
    """The table and the picture of eval.py, on poses that were not trained on."""
    evaluate.lgd(
        evaluate.Arguments(
            checkpoint=str(arguments.workdir),
            body=arguments.body,
            count=arguments.evaluate,
            json=arguments.workdir / "evaluation.json",
            figure=arguments.workdir / "fits.png",
        )
    )
