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

from commands import checks, eval_lgd, runs
from data import amass, cmu, pose_pipeline
from ief_jax import (
    body_files,
    checkpoints,
    fitting,
    joints,
    lgd_training,
    pose_prior,
    training,
    weight_files,
)
from ief_jax.configurations import NAMED, Configuration
from ief_jax.files import InputError
from ief_jax.formats import poses

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
      learning_rate: of Adam, at its peak.
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
    learning_rate: float = 1e-3
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
    configuration = _configuration(arguments)
    mesh = checks.device_mesh(arguments.batch_size)
    body = body_files.load_or_embedded(arguments.body)
    model = joints.fold(body)
    task = fitting.problem(configuration, model)
    draw, feed = people(arguments, model.betas)
    weights = _first_weights(arguments, configuration, task, model)
    runs.claim(arguments, configuration, FREE)

    optimiser = training.adam(arguments.learning_rate, arguments.iterations)
    spoiling = lgd_training.Spoiling(arguments.noise, arguments.drop, arguments.clean)
    advance = training.step(
        partial(lgd_training.example, draw=draw, task=task, spoiling=spoiling),
        lgd_training.loss(configuration, task),
        optimiser,
        arguments.batch_size,
        mesh,
    )
    runs.run(
        runs.Plan(
            arguments.workdir,
            "lgd",
            arguments.iterations,
            arguments.batch_size,
            arguments.log_every,
            arguments.save_every,
        ),
        advance,
        training.place(training.start(weights, optimiser, arguments.seed), mesh),
        feed,
        lambda weights: checkpoints.write(
            arguments.workdir / weight_files.FILE_NAME,
            checkpoints.Checkpoint(configuration, weights),
        ),
    )
    runs.say(f"trained in {time.perf_counter() - began:.0f} s: {arguments.workdir}")
    if arguments.evaluate:
        _evaluate(arguments)


def _configuration(arguments: Arguments) -> Configuration:
    configuration = NAMED[arguments.configuration]
    changes = {
        name: getattr(arguments, name)
        for name in ("width", "steps")
        if getattr(arguments, name) is not None
    }
    return dataclasses.replace(configuration, **changes)


Feed = Callable[[int], Iterator[Any]]
"""From the number of steps done to the items of the steps that follow."""


def people(arguments: Arguments, betas: int) -> tuple[lgd_training.Draw, Feed]:
    """Where poses come from: the prior, or a data set or files beside a share of the prior.

    Raises:
      InputError: they cannot be read, or the arguments contradict one another.
    """
    prior = lgd_training.from_prior(pose_prior.embedded(), betas)
    if arguments.dataset != "prior":
        prepared = _prepared(arguments)
        runs.say(f"{prepared.count} poses of {arguments.dataset}, {arguments.split}")
        feed = partial(pose_pipeline.stream, prepared, arguments.batch_size, arguments.seed)
        return lgd_training.mixed(
            lgd_training.from_items(betas), prior, arguments.prior_share
        ), feed
    if not arguments.poses:
        return prior, _nothing
    found = poses.read_all(arguments.poses)
    runs.say(f"{len(found.poses)} poses of {len(arguments.poses)} files")
    shapes = betas if found.betas is None else jnp.asarray(poses.fit_betas(found.betas, betas))
    drawn = lgd_training.from_poses(jnp.asarray(found.poses), shapes, poses.shares(found))
    return lgd_training.mixed(drawn, prior, arguments.prior_share), _nothing


def _nothing(done: int) -> Iterator[None]:
    return itertools.repeat(None)


def _prepared(arguments: Arguments) -> pose_pipeline.Prepared:
    if arguments.poses:
        raise InputError("--poses and --dataset are two sources of poses; give one of them")
    if arguments.data_dir is None:
        raise InputError(
            f"--dataset {arguments.dataset} needs --data-dir, the folder that it was prepared in"
        )
    of = {"amass": amass, "cmu": cmu}[arguments.dataset]
    return of.prepared(arguments.data_dir, arguments.split)


def _first_weights(
    arguments: Arguments, configuration: Configuration, task: Any, model: joints.JointModel
) -> checkpoints.Weights:
    if arguments.initial is None:
        return fitting.initial_weights(configuration, task, jax.random.key(arguments.seed))
    weights = checkpoints.load(arguments.initial).weights
    fitting.check(checkpoints.Checkpoint(configuration, weights), model)
    return weights


def _evaluate(arguments: Arguments) -> None:
    """The table and the picture of eval.py, on poses that were not trained on."""
    eval_lgd.lgd(
        eval_lgd.Arguments(
            checkpoint=str(arguments.workdir),
            body=arguments.body,
            count=arguments.evaluate,
            json=arguments.workdir / "evaluation.json",
            figure=arguments.workdir / "fits.png",
        )
    )
