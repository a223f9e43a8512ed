"""Trains on one command: `python train.py` trains LGD from scratch on the embedded pose prior.

    python train.py [lgd] [--workdir DIR] [--poses FILE.npz ...] [--body FILE] ...

All that a run writes is in its folder: config.json, metrics.jsonl, TensorBoard events,
checkpoints/ (from which the same command goes on after a break), model.npz (which eval.py and
`ief-jax fit --checkpoint DIR` load), and at the end evaluation.json and fits.png.
"""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import tyro
from tensorboardX import SummaryWriter
from tqdm import tqdm

from ief_jax import body_files, checkpoints, fitting, joints, pose_prior, training
from ief_jax.configurations import NAMED, Configuration
from ief_jax.files import InputError, OutputError, output_folder, replacing
from ief_jax.formats import poses


@dataclass(frozen=True)
class Arguments:
    """Train learned gradient descent.

    Attributes:
      workdir: folder for all that is written; a run in it that was cut off goes on.
      configuration: released (the best we know), paper, or lifting (the paper's baseline).
      poses: AMASS-style npz files (`poses` [N, >= 66]); without any, the pose prior alone.
      prior_share: share of the examples that still come from the pose prior beside `poses`.
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
    mesh = training.device_mesh()
    if arguments.batch_size % mesh.size:
        raise InputError(
            f"--batch-size {arguments.batch_size} does not divide over {mesh.size} devices"
        )
    body = body_files.load_or_embedded(arguments.body)
    model = joints.fold(body)
    task = fitting.problem(configuration, model)
    draw = _people(arguments, model.betas)
    output_folder(arguments.workdir)
    _write_config(arguments, configuration)

    # The step
    optimiser = training.adam(arguments.learning_rate, arguments.iterations)
    spoiling = training.Spoiling(arguments.noise, arguments.drop, arguments.clean)
    advance = training.step(
        partial(training.example, draw=draw, task=task, spoiling=spoiling),
        training.loss(configuration, task),
        optimiser,
        arguments.batch_size,
        mesh,
    )
    weights = _first_weights(arguments, configuration, task, model)
    state = training.start(weights, optimiser, arguments.seed)

    # The loop
    with ocp.CheckpointManager(
        (arguments.workdir / "checkpoints").absolute(),
        options=ocp.CheckpointManagerOptions(max_to_keep=2, create=True),
    ) as manager:
        state = _run(arguments, configuration, manager, advance, state)

    _say(f"trained in {time.perf_counter() - began:.0f} s: {arguments.workdir}")
    if arguments.evaluate:
        _evaluate(arguments)


def _run(
    arguments: Arguments,
    configuration: Configuration,
    manager: ocp.CheckpointManager,
    advance: training.Step,
    state: training.TrainState,
) -> training.TrainState:
    """Steps to the end, from the last checkpoint if there is one."""
    if manager.latest_step() is not None:
        state = manager.restore(manager.latest_step(), args=ocp.args.StandardRestore(state))
        _say(f"going on from step {int(state.step)} of {arguments.workdir}")
    first, waiting = int(state.step), []
    with (
        SummaryWriter(str(arguments.workdir)) as events,
        open(arguments.workdir / "metrics.jsonl", "a", encoding="utf-8") as metrics,
        tqdm(total=arguments.iterations, initial=first, unit="step", desc="lgd") as bar,
    ):
        since = time.perf_counter()
        for number in range(first + 1, arguments.iterations + 1):
            state, loss = advance(state)
            waiting.append(loss)
            if number % arguments.log_every == 0 or number == arguments.iterations:
                mean, now = float(jnp.stack(waiting).mean()), time.perf_counter()
                if not np.isfinite(mean):
                    raise FloatingPointError(f"the loss at step {number} is {mean}")
                rate = len(waiting) * arguments.batch_size / (now - since)
                line = {"step": number, "loss": mean, "examples_per_second": rate}
                metrics.write(json.dumps(line) + "\n")
                metrics.flush()
                events.add_scalar("loss", mean, number)
                events.add_scalar("examples_per_second", rate, number)
                bar.update(len(waiting))
                bar.set_postfix(loss=f"{mean:.3f}", examples=f"{rate:.0f}/s")
                waiting, since = [], now
            if number % arguments.save_every == 0 or number == arguments.iterations:
                manager.save(number, args=ocp.args.StandardSave(jax.device_get(state)))
                manager.wait_until_finished()
                checkpoints.write(
                    arguments.workdir / checkpoints.FILE_NAME,
                    checkpoints.Checkpoint(configuration, state.weights),
                )
    return state


def _configuration(arguments: Arguments) -> Configuration:
    configuration = NAMED[arguments.configuration]
    changes = {
        name: getattr(arguments, name)
        for name in ("width", "steps")
        if getattr(arguments, name) is not None
    }
    return dataclasses.replace(configuration, **changes)


def _people(arguments: Arguments, betas: int) -> training.Draw:
    """Where training poses come from: the prior, or files and a share of the prior."""
    prior = training.from_prior(pose_prior.embedded(), betas)
    if not arguments.poses:
        return prior
    found = poses.read_all(arguments.poses)
    _say(f"{len(found.poses)} poses of {len(arguments.poses)} files")
    shapes = betas if found.betas is None else jnp.asarray(poses.fit_betas(found.betas, betas))
    drawn = training.from_poses(jnp.asarray(found.poses), shapes, poses.shares(found))
    return training.mixed(drawn, prior, arguments.prior_share)


def _first_weights(
    arguments: Arguments, configuration: Configuration, task: Any, model: joints.JointModel
) -> checkpoints.Weights:
    if arguments.initial is None:
        return fitting.initial_weights(configuration, task, jax.random.key(arguments.seed))
    weights = checkpoints.load(arguments.initial).weights
    fitting.check(checkpoints.Checkpoint(configuration, weights), model)
    return weights


def _write_config(arguments: Arguments, configuration: Configuration) -> None:
    """Writes what the run is; a folder of another run is left alone."""
    path = arguments.workdir / "config.json"
    wanted = {
        "arguments": {
            name: [str(item) for item in value] if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(arguments).items()
            if name not in ("workdir", "log_every", "save_every", "evaluate")
        },
        "configuration": configuration.to_dict(),
    }
    wanted = json.loads(json.dumps(wanted, default=str))
    if path.exists():
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
        return
    with replacing(path) as file:
        file.write(json.dumps({**wanted, "commit": _commit()}, indent=2).encode())


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


def _evaluate(arguments: Arguments) -> None:
    """The table and the picture of eval.py, on poses that were not trained on."""
    from eval import Arguments as EvaluationArguments
    from eval import lgd as evaluate

    evaluate(
        EvaluationArguments(
            checkpoint=str(arguments.workdir),
            body=arguments.body,
            count=arguments.evaluate,
            json=arguments.workdir / "evaluation.json",
            figure=arguments.workdir / "fits.png",
        )
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


COMMANDS: dict[str, Callable[..., None]] = {"lgd": lgd}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0] not in COMMANDS and words[0] not in ("-h", "--help")):
        words.insert(0, "lgd")
    try:
        tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="train.py", args=words)
    except (InputError, OutputError) as error:
        _say(f"train.py: error: {error}")
        return 2
    except KeyboardInterrupt:
        _say("train.py: interrupted; the same command goes on from the last checkpoint")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
