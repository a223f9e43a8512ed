"""What `benchmarks.accelerator` runs: fits, keypoints, gradients and training steps on one device.

Each case is a function of a device that puts on it all that is needed and gives a call, whose first
call compiles. Inputs are made of seeds, the same for every device.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import scipy.ndimage
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from benchmarks.keypoints import _random_weights
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.ief import build as ief_build
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief import config as ief_config
from ief_jax.ief import fpc, prediction, training_methods
from ief_jax.ief.training_data import PersonCrop
from ief_jax.io.files import InputError
from ief_jax.lgd import build, checkpoints, fitting, synthetic_views, training, training_people
from ief_jax.lgd import config as lgd_config
from ief_jax.training import mesh, optimisers, state, step

Call = Callable[[], Any]
"""Gives arrays on the device."""
Case = Callable[[jax.Device], Call]
"""Puts all on a device; the first call compiles."""

METHOD = training_methods.METHODS["ief"]


class Task(NamedTuple):
    """What a training step is made of.

    Attributes:
      make: a key and an item to an example.
      objective: weights and examples to the mean loss.
      weights: of the network.
      items: from how many examples to those that come from outside.
    """

    make: step.MakeExample
    objective: step.Objective
    weights: Any
    items: Callable[[int], Any]


def fit(checkpoint: str, people: int) -> Case:
    """Keypoints in host memory to bodies."""

    def on(device: jax.Device) -> Call:
        given = jax.device_put((_weights(checkpoint), _model()), device)
        trained = checkpoints.Checkpoint(lgd_config.NAMED[checkpoint], given[0])
        points, confidence = _people(people)
        return lambda: fitting.fit(trained, given[1], points, confidence)

    return on


def keypoints(people: int) -> Case:
    """Crops in host memory to keypoints, by the released checkpoint."""

    def on(device: jax.Device) -> Call:
        released = ief_checkpoints.load("released")
        weights = jax.device_put(released.weights, device)
        trained = ief_checkpoints.Checkpoint(released.configuration, weights)
        crops = _crops(people, released.configuration.size, len(released.configuration.joints))
        return lambda: prediction.predict(trained, crops.image, crops.marked)

    return on


def steps(task: str, examples: int, count: int) -> Case:
    """Training steps from the start: the losses, and the gradient of the first."""

    def on(device: jax.Device) -> Call:
        # Its memory after one step is the gradient.
        optimiser = optax.sgd(1e-5, momentum=0.9)
        given = TASKS[task]()
        advance, first, items = _training(
            given, optimiser, examples, (device,), given.items(1) is None
        )

        def call() -> tuple[Any, jax.Array, jax.Array]:
            one, loss = advance(first(), [items])
            gradient = jax.device_get(optax.tree.get(one.optimiser, "trace"))
            _, others = advance(one, [items] * (count - 1))
            return gradient, loss[:1], others[: count - 1]

        return call

    return on


def train(task: str, examples: int, steps: int, fused: bool) -> Case:
    """Training steps, one after the other: their losses; also on several devices."""

    def on(*devices: jax.Device) -> Call:
        optimiser = optimisers.optimiser("adam", 1e-4, 1000, schedule="constant")
        advance, first, items = _training(TASKS[task](), optimiser, examples, devices, fused)
        here = first()

        def call() -> jax.Array:
            nonlocal here
            here, losses = advance(here, [items] * steps)
            return losses[:steps]

        return call

    return on


def _training(
    given: Task,
    optimiser: optax.GradientTransformation,
    examples: int,
    devices: Sequence[jax.Device],
    fused: bool,
) -> tuple[step.Steps, Callable[[], state.TrainState], Any]:
    """The steps, what makes a first state, and the items of a step."""
    shape, kinds = (len(devices),), (AxisType.Auto,)
    over = jax.make_mesh(shape, ("batch",), axis_types=kinds, devices=devices)
    parts: Any = (given.make, given.objective, optimiser, examples, over)
    advance = step.fused_steps(*parts) if fused else step.one_by_one(step.training_step(*parts))
    first = state.initial_state(given.weights, optimiser, 0)
    items = jax.device_put(given.items(examples), NamedSharding(over, PartitionSpec("batch")))
    return advance, lambda: mesh.replicate(first, over), items


def operations(task: str) -> float | None:
    """Floating-point operations of an example's loss and gradient, as XLA counts them.

    Counted of one learned step, where there are several, and multiplied: XLA counts what a loop
    repeats once.
    """
    times = lgd_config.NAMED[task.split()[1]].steps if task.startswith("lgd") else 1
    given = _lgd(task.split()[1], steps=1) if task.startswith("lgd") else TASKS[task]()
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(1), 1))
    made = jax.eval_shape(jax.vmap(given.make), keys, given.items(1))
    found = jax.jit(jax.value_and_grad(given.objective)).lower(given.weights, *made)
    cost = found.cost_analysis()
    return times * cost["flops"] if cost and "flops" in cost else None


def _lgd(name: str, steps: int | None = None) -> Task:
    configuration = lgd_config.NAMED[name]
    configuration = dataclasses.replace(configuration, steps=steps or configuration.steps)
    model = _cpu(_model)
    task = build.problem(configuration, model)
    draw = training_people.from_prior(pose_prior.embedded(), model.betas)
    make = partial(training.example, draw=draw, task=task)
    return Task(make, training.loss(configuration, task), _weights(name), lambda count: None)


def _weights(name: str) -> Any:
    """Those that are shipped, or random ones if they are of another network."""
    configuration, model = lgd_config.NAMED[name], _cpu(_model)
    shipped = checkpoints.Checkpoint(configuration, checkpoints.load(name).weights)
    try:
        build.check_checkpoint(shipped, model)
    except InputError:
        print(f"  {name}: the shipped weights are of another network, taking random ones")
        task = build.problem(configuration, model)
        key = jax.random.key(0)
        return _cpu(lambda: jax.jit(partial(build.initial_weights, configuration, task))(key))
    return shipped.weights


def _ief(configuration: ief_config.IEFConfig, weights: Any) -> Task:
    """Fixed Path Consolidation, all steps."""
    count, size = len(configuration.joints), configuration.size
    start = _crops(1, size, count).points[0]
    make = partial(fpc.training_example, configuration=configuration, method=METHOD, start=start)
    return Task(
        make,
        fpc.training_loss(configuration, METHOD),
        weights,
        lambda people: (np.full(people, METHOD.steps), _crops(people, size, count)),
    )


def _released_ief() -> Task:
    released = ief_checkpoints.load("released")
    return _ief(released.configuration, released.weights["network"])


def _googlenet() -> Task:
    configuration = ief_config.PAPER
    return _ief(configuration, _random_weights(ief_build.network(configuration), 224))


def _small() -> Task:
    """The network of the stick figures."""
    configuration = dataclasses.replace(ief_config.PAPER, backbone="small", size=48)
    return _ief(configuration, _random_weights(ief_build.network(configuration), 48))


TASKS: dict[str, Callable[[], Task]] = {
    "lgd paper": partial(_lgd, "paper"),
    "lgd released": partial(_lgd, "released"),
    "ief released": _released_ief,
    "ief googlenet": _googlenet,
    "ief small": _small,
}


def _cpu(function: Callable[[], Any]) -> Any:
    """A result computed on the CPU, as host arrays where they can be."""
    with jax.default_device(jax.devices("cpu")[0]):
        return function()


def _model() -> joints.JointModel:
    return joints.fold(model_files.embedded())


@lru_cache
def _people(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [N, K, 2] of people in poses of the prior, pixels, and their confidence.

    No more than 64 different ones, so that none of the time goes to making them.
    """

    def make() -> synthetic_views.Example:
        task = build.problem(lgd_config.NAMED["paper"], _model())
        one = partial(
            synthetic_views.prior_example,
            prior=pose_prior.embedded(),
            model=task.model,
            selection=task.selection,
        )
        return jax.device_get(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 64)))

    found, times = _cpu(make), -(-count // 64)
    return (
        np.tile(found.points, (times, 1, 1))[:count],
        np.tile(found.confidence, (times, 1))[:count],
    )


@lru_cache
def _crops(count: int, size: int, joints: int) -> PersonCrop:
    """Blurred noise, and points in the middle of it."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(min(count, 8), size, size, 3))
    smooth = scipy.ndimage.gaussian_filter(noise, (0, size / 16, size / 16, 0))
    image = np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    points = rng.uniform(0.25 * size, 0.75 * size, (count, joints, 2)).astype(np.float32)
    arrays: Any = (
        np.tile(image, (-(-count // 8), 1, 1, 1))[:count],
        points,
        np.ones((count, joints), bool),
        points.mean(1),
    )
    return PersonCrop(*arrays)
