"""`eval.py lgd-ablations`: trains and tests what the paper's Tables 1 and 2 compare.

The same network, loss and data each time (Song et al. 2020, section 4.3): its inputs among the
keypoints x, the gradient and Theta; how many steps it is unrolled for; and direct lifting, which
is one step from the keypoints alone. Several networks a row, from different seeds.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from data import cmu
from experiments import checks
from experiments.lgd.arguments import Ablate
from ief_jax import batches
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.body import poses as body_poses
from ief_jax.formats import poses as formats_poses
from ief_jax.io.checkpoint_files import Weights
from ief_jax.io.files import InputError, read_bytes, write_json
from ief_jax.lgd import build, checkpoints, evaluation, training, training_people
from ief_jax.lgd.config import PAPER, LGDConfig
from ief_jax.lgd.evaluation import Examples
from ief_jax.training import mesh as training_mesh
from ief_jax.training import optimisers, run_loop, run_options
from ief_jax.training import state as training_state
from ief_jax.training import step as training_step

LARGEST_BATCH = 256
PRIOR_TEST_SEED = 2**31
"""Of test people drawn from the pose prior: no training seed is this large."""


class Row(NamedTuple):
    """A row of the paper's tables.

    Attributes:
      name: what is varied.
      inputs: of the network.
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
    "Table 1: inputs of the network": TABLE_1,
    "Table 2: steps": TABLE_2,
    "Section 4.3": LIFTING,
}


class Network(NamedTuple):
    """One trained network: PA-MPJPE after each step, the start first, mm; and its seconds."""

    pa_mpjpe: list[float]
    seconds: float


Networks = dict[str, dict[int, Network]]
"""Trained networks by variant and seed."""


def run(arguments: Ablate) -> None:
    """Trains and tests every network that is not there yet; prints the tables."""
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
    with tqdm(total=len(missing) * arguments.adam.iterations, unit="step", desc="ablations") as bar:
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
    draw: training_people.Draw,
    examples: Examples,
    arguments: Ablate,
    advance: Callable[[int], object],
) -> Method:
    """How a row's networks are trained and tested; `advance` is told of every step."""
    mesh = training_mesh.device_mesh()
    configuration = dataclasses.replace(
        PAPER, name="ablation", width=arguments.width, inputs=row.inputs, steps=row.steps
    )
    task = build.problem(configuration, model)
    optimiser = optimisers.adam(arguments.adam.learning_rate, arguments.adam.iterations)
    step = training_step.training_step(
        partial(training.example, draw=draw, task=task),
        training.loss(configuration, task),
        optimiser,
        arguments.adam.batch_size,
        mesh,
    )
    test = tester(configuration, model, examples)

    def train(seed: int) -> Network:
        weights = build.initial_weights(configuration, task, jax.random.key(seed))
        state = training_mesh.replicate(
            training_state.initial_state(weights, optimiser, seed), mesh
        )
        state, _ = jax.block_until_ready(step(state, None))  # compiles
        advance(1)
        began = time.perf_counter()
        for _ in range(1, arguments.adam.iterations):
            state, _ = step(state, None)
            advance(1)
        jax.block_until_ready(state)
        seconds = time.perf_counter() - began
        pa_mpjpe = test(state.weights)
        if not np.isfinite(pa_mpjpe).all():
            raise FloatingPointError(f"{row.variant}, seed {seed}: the error is {pa_mpjpe}")
        return Network(pa_mpjpe, seconds)

    return train


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
        "Given x alone, a network puts out the same correction in each of its steps: they cannot",
        "all be right. Direct lifting is the same network with one step.",
    ]
    return "\n".join(lines)


def _check(arguments: Ablate) -> None:
    checks.at_least(arguments, dict.fromkeys(("seeds", "width", "count"), 1))
    checks.at_least(arguments.adam, dict.fromkeys(("iterations", "batch_size"), 1))
    for name, value in dataclasses.asdict(arguments.keypoint_noise).items():
        if not 0 <= value <= 1:
            raise InputError(f"--{name} is {value}, expected a share between 0 and 1")
    checks.device_mesh(arguments.adam.batch_size)
    if (arguments.dataset is None) != (arguments.data_dir is None):
        raise InputError("--dataset and --data-dir go together")
    if arguments.dataset and (arguments.poses or arguments.test):
        raise InputError("--dataset takes the place of --poses and --test")
    checks.outputs(arguments.json)


def _people(arguments: Ablate, betas: int) -> training_people.Draw:
    if arguments.data_dir:
        found = cmu.load(arguments.data_dir, "train")
    elif arguments.poses:
        found = formats_poses.read_all(arguments.poses)
    else:
        return training_people.from_prior(pose_prior.embedded(), betas)
    shapes = betas if found.betas is None else jnp.asarray(body_poses.fit_betas(found.betas, betas))
    return training_people.from_poses(
        jnp.asarray(found.poses), shapes, body_poses.sampling_weights(found)
    )


def _examples(arguments: Ablate, model: joints.JointModel) -> Examples:
    noise = dataclasses.astuple(arguments.keypoint_noise)
    if arguments.data_dir:
        poses = cmu.load(arguments.data_dir, "test").poses
    elif arguments.test:
        poses = formats_poses.read(arguments.test).poses
    else:
        number = jnp.arange(arguments.count or 1000)
        prior = pose_prior.embedded()
        return evaluation.examples_of_prior(
            model, prior, number, jnp.uint32(PRIOR_TEST_SEED), *noise
        )
    chosen = evaluation.choose(len(poses), arguments.count, 0)
    return evaluation.examples_of_poses(
        model, jnp.asarray(poses[chosen]), jnp.asarray(chosen), jnp.uint32(0), *noise
    )


def _settings(arguments: Ablate) -> dict[str, Any]:
    """What must be the same for two runs' networks to stand in one table."""
    return run_options.settings(arguments, ("seeds", "json"))


def _read(arguments: Ablate) -> Networks:
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


def _write(arguments: Ablate, networks: Networks) -> None:
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
