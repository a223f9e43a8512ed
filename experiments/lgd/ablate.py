"""`eval.py lgd --ablations`: trains and tests what the paper's Tables 1 and 2 compare.

The same network, loss and data each time (Song et al. 2020, section 4.3): what it sees of the
keypoints x, the gradient and Theta; how many steps it is unrolled for; and direct lifting, which
is one step from the keypoints alone. Several networks a row, from different seeds.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from tqdm import tqdm

from data import cmu
from experiments import checks
from ief_jax import batches
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.body import poses as body_poses
from ief_jax.formats import poses as formats_poses
from ief_jax.io.checkpoint_files import Weights
from ief_jax.io.files import InputError, read_bytes, write_json
from ief_jax.lgd import build, checkpoints, evaluation, training
from ief_jax.lgd.config import PAPER, LGDConfig
from ief_jax.lgd.evaluation import Examples
from ief_jax.training import mesh as training_mesh
from ief_jax.training import optimisers, run_loop
from ief_jax.training import state as training_state
from ief_jax.training import step as training_step

LARGEST_BATCH = 256
PRIOR_TEST_SEED = 2**31
"""Of test people drawn from the pose prior: no training seed is this large."""


class Row(NamedTuple):
    """A row of the paper's tables.

    Attributes:
      name: what is varied.
      inputs: what the network sees.
      steps: N.
      paper: its PA-MPJPE on Human3.6M in the paper, mm.
    """

    name: str
    inputs: tuple[str, ...]
    steps: int
    paper: float

    @property
    def variant(self) -> str:
        """The network's name: rows of one variant share their networks."""
        return f"{'+'.join(self.inputs)}, {self.steps} steps"


ALL = PAPER.inputs
TABLE_1 = (
    Row("x", ("keypoints",), 4, 67.7),
    Row("x, gradient", ("gradient", "keypoints"), 4, 64.2),
    Row("x, Theta", ("theta", "keypoints"), 4, 61.9),
    Row("Theta, gradient", ("gradient", "theta"), 4, 60.5),
    Row("x, Theta, gradient", ALL, 4, 56.4),
)
TABLE_2 = tuple(
    Row(f"{steps} step{'s' if steps > 1 else ''}", ALL, steps, paper)
    for steps, paper in enumerate((66.3, 62.1, 57.2, 56.6, 56.4), start=1)
)
LIFTING = (Row("direct lifting", ("keypoints",), 1, 67.8),)
TABLES = {
    "Table 1: what the network sees": TABLE_1,
    "Table 2: steps": TABLE_2,
    "Section 4.3": LIFTING,
}


@dataclass(frozen=True)
class Arguments:
    """Train and test the paper's ablations of learned gradient descent.

    Attributes:
      dataset: cmu, as `python -m data.prepare_poses` prepared it, instead of `poses` and `test`.
      data_dir: the folder that it was prepared in.
      poses: AMASS-style npz files to train on; without any, the pose prior.
      test: AMASS-style npz file of other people; without one, samples of the pose prior.
      body: SMPL body file (.pkl or .npz) instead of the embedded body.
      seeds: networks a row.
      iterations: training steps of each network.
      batch_size: examples a step.
      learning_rate: of Adam, at its peak.
      width: of the network (the paper's has 1000).
      count: test poses, chosen at random; all by default (1000 of the pose prior).
      noise: of the test keypoints: standard deviation, as a share of the person's box.
      drop: share of the test keypoints that are hidden.
      json: file for every network's errors, kept as they come: a run that was cut off goes on.
    """

    dataset: Literal["cmu"] | None = None
    data_dir: Path | None = None
    poses: tuple[Path, ...] = ()
    test: Path | None = None
    body: Path | None = None
    seeds: int = 3
    iterations: int = 1000
    batch_size: int = 64
    learning_rate: float = 2e-3
    width: int = 128
    count: int | None = None
    noise: float = 0.0
    drop: float = 0.0
    json: Path | None = None


class Network(NamedTuple):
    """One trained network: PA-MPJPE after each step, the start first, mm; and its seconds."""

    pa_mpjpe: list[float]
    seconds: float


Networks = dict[str, dict[int, Network]]
"""Trained networks by variant and seed."""


def ablations(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Train and test the paper's ablations of learned gradient descent (LGD)."""
    _check(arguments)
    done = _read(arguments)
    model = joints.fold(model_files.load_or_embedded(arguments.body))
    draw = _people(arguments, model.betas)
    examples = _examples(arguments, model)
    rows = {row.variant: row for rows in TABLES.values() for row in rows}.values()
    missing = [
        (seed, row)
        for seed in range(arguments.seeds)
        for row in rows
        if seed not in done.get(row.variant, {})
    ]
    methods: dict[str, Method] = {}
    with tqdm(total=len(missing) * arguments.iterations, unit="step", desc="ablations") as bar:
        for seed, row in missing:
            if row.variant not in methods:
                methods[row.variant] = method(row, model, draw, examples, arguments, bar.update)
            network = methods[row.variant](seed)
            done.setdefault(row.variant, {})[seed] = network
            run_loop.say(f"{row.variant}, seed {seed}: {network.pa_mpjpe[-1]:.2f} mm")
            _write(arguments, done)
    print(table(done, arguments.seeds, len(examples.observed.points)))


Method = Callable[[int], Network]
"""A seed to its network, trained and tested; compiled once for all seeds."""


def method(
    row: Row,
    model: joints.JointModel,
    draw: training.Draw,
    examples: Examples,
    arguments: Arguments,
    advance: Callable[[int], object],
) -> Method:
    """How a row's networks are trained and tested; `advance` is told of every step."""
    mesh = training_mesh.device_mesh()
    configuration = dataclasses.replace(
        PAPER, name="ablation", width=arguments.width, inputs=row.inputs, steps=row.steps
    )
    task = build.problem(configuration, model)
    optimiser = optimisers.adam(arguments.learning_rate, arguments.iterations)
    step = training_step.training_step(
        partial(training.example, draw=draw, task=task, keypoint_noise=training.KeypointNoise()),
        training.loss(configuration, task),
        optimiser,
        arguments.batch_size,
        mesh,
    )
    test = tester(configuration, model, examples)

    def run(seed: int) -> Network:
        weights = build.initial_weights(configuration, task, jax.random.key(seed))
        state = training_mesh.replicate(
            training_state.initial_state(weights, optimiser, seed), mesh
        )
        state, _ = jax.block_until_ready(step(state, None))  # compiles
        advance(1)
        began = time.perf_counter()
        for _ in range(1, arguments.iterations):
            state, _ = step(state, None)
            advance(1)
        jax.block_until_ready(state)
        seconds = time.perf_counter() - began
        pa_mpjpe = test(state.weights)
        if not np.isfinite(pa_mpjpe).all():
            raise FloatingPointError(f"{row.variant}, seed {seed}: the error is {pa_mpjpe}")
        return Network(pa_mpjpe, seconds)

    return run


def tester(
    configuration: LGDConfig, model: joints.JointModel, examples: Examples
) -> Callable[[Weights], list[float]]:
    """From weights to the mean PA-MPJPE after each step, the start first, mm."""

    @jax.jit
    def errors(weights: Weights, people: Examples) -> jax.Array:
        checkpoint = checkpoints.Checkpoint(configuration, weights)
        states = evaluation.path(checkpoint, model, configuration.steps, people.observed)
        by_state = jax.vmap(partial(evaluation.joint_errors, model), in_axes=(0, None))
        return jax.vmap(by_state)(states, people)[0]

    def test(weights: Weights) -> list[float]:
        size = min(LARGEST_BATCH, len(examples.observed.points))
        found = batches.map_in_chunks(partial(errors, weights), size, examples)
        return np.asarray(found, np.float64).mean(0).tolist()

    return test


def table(networks: Networks, seeds: int, count: int) -> str:
    """Ours beside the paper's, mean and spread over the seeds, in mm."""
    lines = [
        f"PA-MPJPE in mm of {count} people after the last step and, behind it, after each step;",
        f"means over {seeds} networks, and their standard deviation. The paper's figures are on",
        "Human3.6M: the order compares, the numbers do not.",
    ]
    for title, rows in TABLES.items():
        lines += ["", f"{title:32}{'ours':>7}{'':8}{'paper':>7}{'seconds':>9}   by step"]
        for row in rows:
            found = [networks[row.variant][seed] for seed in range(seeds)]
            errors = np.array([network.pa_mpjpe for network in found])
            spread = f" +-{errors[:, -1].std(ddof=1):5.2f}" if seeds > 1 else ""
            seconds = np.mean([network.seconds for network in found])
            steps = " ".join(f"{error:.1f}" for error in errors.mean(0)[1:])
            lines.append(
                f"{row.name:32}{errors[:, -1].mean():7.2f}{spread:8}{row.paper:7.1f}{seconds:9.0f}"
                f"   {steps}"
            )
    lines += [
        "",
        "What sees x alone puts out the same correction in each of its four steps: they cannot all",
        "be right. Direct lifting is the same network with one step.",
    ]
    return "\n".join(lines)


def _check(arguments: Arguments) -> None:
    whole = ("seeds", "iterations", "batch_size", "width", "count")
    checks.at_least(arguments, dict.fromkeys(whole, 1))
    for name, value in (("noise", arguments.noise), ("drop", arguments.drop)):
        if not 0 <= value <= 1:
            raise InputError(f"--{name} is {value}, expected a share between 0 and 1")
    checks.device_mesh(arguments.batch_size)
    if (arguments.dataset is None) != (arguments.data_dir is None):
        raise InputError("--dataset and --data-dir go together")
    if arguments.dataset and (arguments.poses or arguments.test):
        raise InputError("--dataset takes the place of --poses and --test")
    checks.outputs(arguments.json)


def _people(arguments: Arguments, betas: int) -> training.Draw:
    if arguments.data_dir:
        found = cmu.load(arguments.data_dir, "train")
    elif arguments.poses:
        found = formats_poses.read_all(arguments.poses)
    else:
        return training.from_prior(pose_prior.embedded(), betas)
    shapes = betas if found.betas is None else jnp.asarray(body_poses.fit_betas(found.betas, betas))
    return training.from_poses(jnp.asarray(found.poses), shapes, body_poses.sampling_weights(found))


def _examples(arguments: Arguments, model: joints.JointModel) -> Examples:
    spoiled = arguments.noise, arguments.drop
    if arguments.data_dir:
        poses = cmu.load(arguments.data_dir, "test").poses
    elif arguments.test:
        poses = formats_poses.read(arguments.test).poses
    else:
        number = jnp.arange(arguments.count or 1000)
        prior = pose_prior.embedded()
        return evaluation.examples_of_prior(
            model, prior, number, jnp.uint32(PRIOR_TEST_SEED), *spoiled
        )
    chosen = evaluation.choose(len(poses), arguments.count, 0)
    return evaluation.examples_of_poses(
        model, jnp.asarray(poses[chosen]), jnp.asarray(chosen), jnp.uint32(0), *spoiled
    )


def _settings(arguments: Arguments) -> dict[str, Any]:
    """What must be the same for two runs' networks to stand in one table."""
    values = dataclasses.asdict(arguments)
    values["poses"] = list(values["poses"])
    chosen = {name: value for name, value in values.items() if name not in ("seeds", "json")}
    return json.loads(json.dumps(chosen, default=str))


def _read(arguments: Arguments) -> Networks:
    """The networks that `--json` already holds."""
    if not arguments.json or not arguments.json.exists():
        return {}
    try:
        content = json.loads(read_bytes(arguments.json))
        settings = content["settings"]
        networks = {
            variant: {int(seed): Network(**network) for seed, network in by_seed.items()}
            for variant, by_seed in content["networks"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{arguments.json}: not a file of ablations: {error}") from error
    for name, value in _settings(arguments).items():
        if settings.get(name) != value:
            raise InputError(
                f"{arguments.json}: these ablations have {name} = {settings.get(name)!r}, not "
                f"{value!r}; take another --json"
            )
    run_loop.say(f"going on from {sum(map(len, networks.values()))} networks in {arguments.json}")
    return networks


def _write(arguments: Arguments, networks: Networks) -> None:
    if not arguments.json:
        return
    content = {
        "settings": _settings(arguments),
        "networks": {
            variant: {seed: network._asdict() for seed, network in by_seed.items()}
            for variant, by_seed in networks.items()
        },
    }
    write_json(arguments.json, content)
