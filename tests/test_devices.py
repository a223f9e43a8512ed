"""Several devices: fits, predictions and training steps are those of one.

Each check runs in a process of its own with four virtual CPU devices, and a limit on its time: a
program whose devices wait for each other must fail, not stop the tests. They are not made for all
tests, whose batches would have to be multiples of four.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ief_jax.body import joints, model_files, pose_prior
from ief_jax.geometry import rotations, skeletons
from ief_jax.ief import build as ief_build
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief import fpc, on_policy, prediction, training_data, training_methods
from ief_jax.lgd import build as lgd_build
from ief_jax.lgd import checkpoints as lgd_checkpoints
from ief_jax.lgd import fitting, training, training_people
from ief_jax.lgd.config import RELEASED
from ief_jax.training import mesh as training_mesh
from ief_jax.training import optimisers
from ief_jax.training import state as training_state
from ief_jax.training import step as training_step

DEVICES = 4
PER_DEVICE = 8
"""Enough that LAPACK's batched calls would split their work over threads."""
LIMIT = 400.0
"""Seconds for one check: about ten times what it takes."""
FLAGS = f"--xla_force_host_platform_device_count={DEVICES} --xla_backend_optimization_level=0"
"""Programs that run a moment need not be compiled with care."""

FITS = tuple(lgd_checkpoints.SHIPPED)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("fit_paper", "fit_lifting")]
"""What `released` does too, and one step of it."""


@pytest.mark.parametrize("check", ["fit_released", *SLOW, "predict", "lgd", "ief", "fused"])
def test_several_devices_are_as_good_as_one(check: str) -> None:
    root = Path(__file__).parents[1]
    paths = [str(root), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, check],
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        },
        cwd=root,
        timeout=LIMIT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def mesh(count: int) -> Mesh:
    return jax.make_mesh(
        (count,), ("batch",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count]
    )


def agree(found: object, expected: object, tolerance: float) -> None:
    """Trees are equal up to `tolerance` of each leaf's largest entry, or of one."""

    def compare(one: jax.Array, other: jax.Array) -> None:
        scale = max(float(np.abs(other).max()), 1.0)
        np.testing.assert_allclose(one, other, atol=tolerance * scale)

    jax.tree.map(compare, found, expected)


ROUNDING = 1e-3
"""Second-order steps amplify float32's rounding where keypoints say little: to 0.06 degrees."""


def spread(function: Callable[..., object], arguments: tuple[np.ndarray, ...]) -> None:
    """A function of batches [N, ...] under pmap, under a sharded jit, and on one device."""
    expected = function(*arguments)
    shards = [a.reshape(DEVICES, -1, *a.shape[1:]) for a in arguments]
    by_pmap = jax.pmap(function)(*shards)
    joined = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), by_pmap)
    agree(joined, expected, ROUNDING)
    split = NamedSharding(mesh(DEVICES), PartitionSpec("batch"))
    by_jit = jax.jit(function)(*jax.device_put(arguments, split))
    assert all(leaf.sharding.num_devices == DEVICES for leaf in jax.tree.leaves(by_jit))
    agree(by_jit, expected, ROUNDING)


def fit(name: str) -> None:
    model = joints.fold(model_files.embedded())
    rng = np.random.default_rng(0)
    poses = rng.normal(0, 0.2, (DEVICES * PER_DEVICE, 24, 3)).astype(np.float32)
    local = rotations.axis_angle_to_matrix(jnp.asarray(poses))
    place = jax.jit(jax.vmap(partial(joints.positions, model), (0, None)))
    selection = skeletons.selection(skeletons.UNION_27, model.names)
    seen = selection @ np.asarray(place(local, jnp.zeros(model.betas)))
    points = (100 * seen[..., :2] * [1, -1] + 250).astype(np.float32)
    confidence = rng.uniform(0.5, 1, points.shape[:2]).astype(np.float32)
    confidence[::3, 4] = 0
    spread(partial(fitting.fit, lgd_checkpoints.load(name), model), (points, confidence))


def tiny_network() -> ief_checkpoints.Checkpoint:
    from ief_jax.ief.backbones import NAMED
    from tests.helpers.tiny_backbone import TinyBackbone
    from tests.ief.test_iteration import SMALL

    NAMED[SMALL.backbone] = TinyBackbone  # type: ignore[assignment]
    weights = jax.tree.map(lambda w: 3 * w, ief_build.initial_weights(SMALL, jax.random.key(0)))
    start = jnp.linspace(4, 11, 2 * len(SMALL.joints)).reshape(-1, 2)
    return ief_checkpoints.Checkpoint(SMALL, {"network": weights, "start": start})


def crops(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 255, (count, size, size, 3)).astype(np.float32)
    return images, rng.uniform(0, size, (count, 2)).astype(np.float32)


def predict() -> None:
    checkpoint = tiny_network()
    arguments = crops(DEVICES * PER_DEVICE, checkpoint.configuration.size)
    spread(partial(prediction.predict, checkpoint), arguments)


def train(
    make: training_step.MakeExample,
    objective: training_step.Objective,
    weights: object,
    items: object,
) -> None:
    """Three steps on all devices and on one: the same losses and the same weights."""
    optimiser = optax.sgd(1e-3)
    ends = []
    for devices in (mesh(DEVICES), mesh(1)):
        state = training_mesh.replicate(
            training_state.initial_state(weights, optimiser, 0), devices
        )
        step = training_step.training_step(make, objective, optimiser, 2 * DEVICES, devices)
        losses = []
        for _ in range(3):
            state, loss = step(state, items)
            losses.append(float(loss))
        ends.append((losses, jax.device_get(state.weights)))
    assert len(set(ends[0][0])) == 3  # the examples change, and so do the weights
    np.testing.assert_allclose(ends[0][0], ends[1][0], rtol=1e-4)
    agree(ends[0][1], ends[1][1], 1e-5)


def lgd() -> None:
    model = joints.fold(model_files.embedded())
    configuration = dataclasses.replace(RELEASED, width=16, steps=2)
    task = lgd_build.problem(configuration, model)
    draw = training_people.from_prior(pose_prior.embedded(), model.betas)
    make = partial(training.example, draw=draw, task=task)
    weights = lgd_build.initial_weights(configuration, task, jax.random.key(0))
    train(make, training.loss(configuration, task), weights, None)


def keypoints() -> None:
    checkpoint = tiny_network()
    configuration, start = checkpoint.configuration, checkpoint.weights["start"]
    images, marked = crops(2 * DEVICES, configuration.size)
    rng = np.random.default_rng(2)
    points = rng.uniform(0, configuration.size, (len(images), len(start), 2)).astype(np.float32)
    annotated = rng.uniform(size=points.shape[:2]) < 0.7
    people = training_data.PersonCrop(*map(jnp.asarray, (images, points, annotated, marked)))
    weights = checkpoint.weights["network"]
    method = training_methods.METHODS["jittered"]
    train(
        partial(fpc.training_example, configuration=configuration, method=method, start=start),
        fpc.training_loss(configuration, method),
        weights,
        (np.full(len(images), method.steps), people),
    )
    method = training_methods.METHODS["on_policy"]
    train(
        lambda key, item: (item,),
        on_policy.training_loss(configuration, method, start, 2),
        weights,
        people,
    )


def fused() -> None:
    """Steps in one call, each device updating its share of the weights, are those of one device."""
    rng = np.random.default_rng(3)
    weights = {
        "first": rng.normal(size=(6, 8)).astype(np.float32),
        "second": rng.normal(size=(8, 3)).astype(np.float32),
        "bias": np.zeros(3, np.float32),
    }
    items = list(rng.normal(size=(5, 2 * DEVICES, 6)).astype(np.float32))

    def objective(weights: Any, seen: jax.Array) -> jax.Array:
        found = jnp.tanh(seen @ weights["first"]) @ weights["second"] + weights["bias"][None]
        return jnp.square(found - jnp.cumsum(seen[:, :3], axis=1)).mean()

    optimiser, average = optimisers.optimiser("adam", 0.1, 5), training_state.moving_average(0.9)
    ends = []
    for devices in (mesh(DEVICES), mesh(1)):
        first = training_state.initial_state(weights, optimiser, 0, average)
        steps = training_step.fused_steps(
            lambda key, item: (item + 0.1 * jax.random.normal(key, item.shape),),
            objective,
            optimiser,
            2 * DEVICES,
            devices,
            average,
        )
        state, losses = steps(training_mesh.replicate(first, devices), items)
        assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(state))
        ends.append(jax.device_get((state, losses[: len(items)])))
    assert len({*ends[0][1].tolist()}) == len(items)
    agree(ends[0], ends[1], 1e-5)
    shares = jax.jit(partial(training_step._shared, mesh=mesh(DEVICES)))(weights)
    sizes = {name: leaf.addressable_shards[0].data.shape for name, leaf in shares.items()}
    assert sizes == {"first": (6, 8 // DEVICES), "second": (8 // DEVICES, 3), "bias": (3,)}


CHECKS: dict[str, Callable[[], None]] = {
    **{f"fit_{name}": partial(fit, name) for name in FITS},
    "predict": predict,
    "lgd": lgd,
    "ief": keypoints,
    "fused": fused,
}

if __name__ == "__main__":
    jax.config.update("jax_numpy_rank_promotion", "raise")
    assert jax.device_count() == DEVICES
    CHECKS[sys.argv[1]]()
