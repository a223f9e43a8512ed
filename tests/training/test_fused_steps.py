"""Several steps in one call: the losses and weights of single steps, and their moving average."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import train
from ief_jax.body import joints, pose_prior
from ief_jax.lgd import build, checkpoints, detector_errors, training, training_people
from ief_jax.lgd.config import PAPER
from ief_jax.training import mesh, optimisers, state, step

BATCH = 8


def example(key: jax.Array, item: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A noisy item, and what a linear map makes of it."""
    seen = item + 0.1 * jax.random.normal(key, item.shape)
    return seen, jnp.cumsum(seen)


def objective(weights: jax.Array, seen: jax.Array, wanted: jax.Array) -> jax.Array:
    return jnp.square(jnp.tanh(seen @ weights) - wanted).mean()


ITEMS = np.random.default_rng(0).normal(size=(7, BATCH, 5)).astype(np.float32)


def parts(
    average: optax.GradientTransformation | None = None,
) -> tuple[dict[str, Any], Callable[[], state.TrainState]]:
    """What steps are made of, and a function to a new first state."""
    optimiser = optimisers.adam(0.03, 50)
    devices = mesh.device_mesh()

    def first() -> state.TrainState:
        return mesh.replicate(state.initial_state(jnp.eye(5), optimiser, 3, average), devices)

    given = {
        "make": example,
        "objective": objective,
        "optimiser": optimiser,
        "batch_size": BATCH,
        "mesh": devices,
        "average": average,
    }
    return given, first


def cut(
    advance: step.Steps, first: state.TrainState, lengths: tuple[int, ...]
) -> tuple[np.ndarray, state.TrainState]:
    """All losses of calls of these lengths, and the last state."""
    losses, items, here = [], iter(ITEMS), first
    for length in lengths:
        here, found = advance(here, list(itertools.islice(items, length)))
        losses.append(np.asarray(found)[:length])
    return np.concatenate(losses), jax.device_get(here)


def test_fused_steps_are_the_single_ones() -> None:
    given, first = parts()
    alone, end = cut(step.one_by_one(step.training_step(**given)), first(), (7,))
    fused = step.fused_steps(**given, most=5)
    assert len({*alone}) == 7
    ends = []
    for lengths in ((1, 1, 5), (3, 4), (5, 2)):
        losses, last = cut(fused, first(), lengths)
        np.testing.assert_allclose(losses, alone, rtol=1e-6)
        np.testing.assert_allclose(last.weights, end.weights, atol=1e-6)
        assert last.step == 7
        ends.append((losses, last.weights))
    # However it is cut, to the last bit.
    for losses, weights in ends[1:]:
        np.testing.assert_array_equal(losses, ends[0][0])
        np.testing.assert_array_equal(weights, ends[0][1])
    with pytest.raises(ValueError, match="expected those of 1 to 5 steps, got 6"):
        fused(first(), list(ITEMS[:6]))


TRACED: list[int] = []


def noted_objective(weights: jax.Array, seen: jax.Array, wanted: jax.Array) -> Any:
    TRACED.append(1)
    return objective(weights, seen, wanted), {"largest": weights.max()}


@pytest.mark.parametrize("fused", [True, False])
def test_a_run_that_goes_on_does_not_trace_its_steps_again(fused: bool, tmp_path: Path) -> None:
    """And makes the same, to the last bit, of a state that it gives up."""
    given, first = parts()
    given["objective"] = noted_objective
    before, found = jax.config.values["jax_compilation_cache_dir"], []
    for kept, traced in ((None, True), (tmp_path, True), (tmp_path, False)):
        jax.config.update("jax_compilation_cache_dir", None if kept is None else str(kept))
        TRACED.clear()
        advance = step.fused_steps(**given) if fused else None
        advance = advance or step.one_by_one(step.training_step(**given))
        begun = first()
        found.append(cut(advance, begun, (3, 4)))
        assert bool(TRACED) == traced and begun.weights.is_deleted()
    jax.config.update("jax_compilation_cache_dir", before)
    for losses, last in found[1:]:
        np.testing.assert_array_equal(losses, found[0][0])
        jax.tree.map(np.testing.assert_array_equal, last, found[0][1])
    assert found[2][1].noted["largest"] > 0


@pytest.mark.parametrize("parts_of_batch", [2, 4])
def test_microbatches_come_to_the_steps_of_the_whole_batch(parts_of_batch: int) -> None:
    given, first = parts()
    for kind in (step.fused_steps, lambda **more: step.one_by_one(step.training_step(**more))):
        losses, whole = cut(kind(**given), first(), (7,))
        found, end = cut(kind(**given, microbatches=parts_of_batch), first(), (7,))
        np.testing.assert_allclose(found, losses, rtol=1e-5)
        np.testing.assert_allclose(end.weights, whole.weights, atol=1e-6)


def test_microbatches_save_memory() -> None:
    """What lies between the layers of a wide network is there for a part of the batch alone."""

    def wide(weights: jax.Array, seen: jax.Array) -> jax.Array:
        return jnp.square(jnp.tanh(seen @ weights) @ weights.T - seen).mean()

    def bytes_between(microbatches: int) -> int:
        optimiser = optimisers.adam(0.03, 50)
        differentiate = step._differentiate(lambda key, item: (item,), wide)
        one = mesh.device_mesh()
        advance = step._advance(differentiate, optimiser, 64, one, None, microbatches)
        here = state.initial_state(jnp.ones((4, 4096)), optimiser, 0)
        compiled = jax.jit(advance).lower(here, jnp.ones((64, 4))).compile()
        analysis = compiled.memory_analysis()
        assert analysis is not None
        return int(analysis.temp_size_in_bytes)

    assert bytes_between(8) < 0.4 * bytes_between(1)


@pytest.mark.slow
def test_fused_steps_of_lgd_are_the_single_ones(joint_model: joints.JointModel) -> None:
    configuration = dataclasses.replace(PAPER, width=16, steps=2)
    task = build.problem(configuration, joint_model)
    draw = training_people.from_prior(pose_prior.embedded(), joint_model.betas)
    optimiser = optimisers.adam(3e-3, 50)
    given: Any = (
        partial(
            training.example,
            draw=draw,
            task=task,
            rates=detector_errors.Rates(),
            cameras=training.Cameras(),
        ),
        training.loss(configuration, task),
        optimiser,
        BATCH,
        mesh.device_mesh(),
    )
    weights = build.initial_weights(configuration, task, jax.random.key(0))
    found = []
    for advance in (step.one_by_one(step.training_step(*given)), step.fused_steps(*given)):
        first = mesh.replicate(state.initial_state(weights, optimiser, 0), mesh.device_mesh())
        _, losses = advance(first, [None] * 4)
        found.append(losses[:4])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


def test_the_moving_average_of_the_weights() -> None:
    decay = 0.8
    given, first = parts(state.moving_average(decay))
    path, here = [], first()
    advance = step.fused_steps(**given, most=2)
    for item in ITEMS:
        here, _ = advance(here, [item])
        path.append(np.asarray(here.weights))
    shares = decay ** np.arange(len(path))[::-1]
    expected = np.einsum("n,nij->ij", shares / shares.sum(), np.stack(path))
    found = state.averaged_weights(jax.device_get(here), decay)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - path[-1]).max() > 1e-3
    np.testing.assert_array_equal(state.averaged_weights(here, 0.0), path[-1])
    np.testing.assert_array_equal(state.averaged_weights(first(), decay), jnp.eye(5))


@pytest.mark.slow
def test_a_run_publishes_the_moving_average(tmp_path: Path) -> None:
    words = ["lgd", "--width", "8", "--steps", "1", "--batch-size", "8", "--evaluate", "0"]
    words += ["--configuration", "paper", "--iterations", "6", "--log-every", "3"]
    for name, more in (("plain", []), ("mean", ["--ema", "0.9"])):
        assert train.main([*words, "--workdir", str(tmp_path / name), *more]) == 0
    lines = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("plain", "mean")
    ]
    assert [line["step"] for line in lines[0]] == [3, 6]
    first, second = ([line["loss"] for line in each] for each in lines)
    assert first == pytest.approx(second, rel=1e-5)
    plain, mean = (checkpoints.load(tmp_path / name).weights for name in ("plain", "mean"))
    apart = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), plain, mean)
    assert max(jax.tree.leaves(apart)) > 0
    assert train.main([*words, "--workdir", str(tmp_path / "bad"), "--ema", "1"]) == 2
