"""What a run shows of itself: norms, rates, what the steps do, a summary, a picture, a trace."""

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ief_jax.body import joints
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import build, iteration, reprojection, training
from ief_jax.lgd.config import PAPER
from ief_jax.training import measures, mesh, optimisers, state, step
from tests.helpers import tiny_run

WEIGHTS = {"params": {"first": {"kernel": jnp.array([[1.0, -2.0]])}}, "second": jnp.array([3.0])}
ITEMS = np.random.default_rng(0).normal(size=(5, 4, 2)).astype(np.float32)
RATE, MOMENTUM = 0.1, 0.5


def objective(weights: Any, seen: jax.Array) -> Any:
    wide = seen @ weights["params"]["first"]["kernel"][0]
    error = wide - weights["second"][0]
    return (error**2).mean(), {"bias": error.mean()}


def by_hand() -> list[dict[str, float]]:
    """Gradient descent with momentum on the mean of (a x + b y - c)^2."""
    where, velocity, found = np.array([1.0, -2.0, 3.0]), np.zeros(3), []
    for item in ITEMS.astype(float):
        slope = np.concatenate([item, -np.ones((4, 1))], axis=1)
        error = slope @ where
        gradient = (2 * error[:, None] * slope).mean(0)
        velocity = MOMENTUM * velocity + gradient
        where = where - RATE * velocity
        norms = {
            f"{kind}/{group}": float(np.linalg.norm(values[part]))
            for kind, values in (
                ("gradient_norm", gradient),
                ("update_norm", RATE * velocity),
                ("weight_norm", where),
            )
            for group, part in (("first", slice(2)), ("second", slice(2, 3)))
        }
        found.append({**norms, "bias": float(error.mean())})
    return found


@pytest.mark.parametrize("fused", [False, True])
def test_norms_and_what_the_objective_notes(fused: bool) -> None:
    optimiser = measures.noting(
        optimisers.optimiser("sgd", RATE, 9, schedule="constant", momentum=MOMENTUM, clip=0.0)
    )
    devices = mesh.device_mesh()
    parts: Any = (lambda key, item: (item,), objective, optimiser, 4, devices)
    advance = step.fused_steps(*parts) if fused else step.one_by_one(step.training_step(*parts))
    here = mesh.replicate(state.initial_state(WEIGHTS, optimiser, 0), devices)
    expected = by_hand()
    for first, last in ((0, 3), (3, 5)):
        here, _ = advance(here, list(ITEMS[first:last]))
        found = measures.observed(jax.device_get(here))
        assert found == pytest.approx(expected[last - 1], rel=1e-4)


def test_the_rate_is_that_of_the_updates() -> None:
    rates = optimisers.rates(0.3, 40, "cosine")
    descent = optimisers.optimiser("sgd", 0.3, 40, momentum=0.0, clip=0.0)
    memory = descent.init(jnp.ones(1))
    for number in range(6):
        update, memory = descent.update(jnp.ones(1), memory)
        np.testing.assert_allclose(-update[0], rates(number), rtol=1e-6)
    assert float(rates(4)) == pytest.approx(0.3)
    assert float(optimisers.rates(0.3, 40, "constant")(39)) == pytest.approx(0.3)


def test_what_the_learned_steps_do(joint_model: joints.JointModel) -> None:
    """Along the negative gradient the cosine is 1; the errors are those of the states."""
    task = build.problem(PAPER, joint_model)
    people = 3
    zero = task.parameterisation.start(joint_model.betas)
    start = jax.tree.map(lambda g: jnp.zeros((people, *g.shape)), zero)
    rng = np.random.default_rng(0)
    points = jnp.asarray(rng.normal(size=(people, len(task.selection), 2)), jnp.float32)
    observed = Keypoints2D(points, jnp.ones(points.shape[:2]))
    at = jax.jit(jax.vmap(lambda theta, x: reprojection.error_and_gradient(task, theta, x)))
    first = at(start, observed)
    after = jax.tree.map(lambda y, g: y - 1e-3 * g, start, first.gradient)
    second = at(after, observed)
    back = jax.tree.map(lambda y, g: y + 1e-3 * g, after, second.gradient)
    states = jax.tree.map(lambda *three: jnp.stack(three), start, after, back)
    record = iteration.StepRecord(
        jnp.stack([first.error, second.error]),
        jax.tree.map(lambda *two: jnp.stack(two), first.gradient, second.gradient),
        jnp.zeros((2, people, 0)),
    )
    found = jax.jit(partial(training.what_steps_do, task))(states, record, observed)
    assert found["cosine/step 1"] == pytest.approx(1.0, abs=1e-3)
    assert found["cosine/step 2"] == pytest.approx(-1.0, abs=1e-3)
    last = at(back, observed).error.mean()
    assert found["error/step 0"] == pytest.approx(float(first.error.mean()))
    assert found["error/step 1"] == pytest.approx(float(second.error.mean()))
    assert found["error/step 2"] == pytest.approx(float(last), rel=1e-5)
    assert last > second.error.mean() < first.error.mean()


def test_a_run_leaves_a_summary_a_picture_and_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--workdir", str(tmp_path), "--iterations", "12", "--log-every", "4"]
    assert tiny_run.main([*words, "--profile", "3"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 12]
    assert all(line["gradient_norm/all"] > 0 for line in lines)
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("# tiny: finished\n") and "12 steps of 8 examples" in text
    assert f"| loss | {lines[0]['loss']:.4g} | {lines[-1]['loss']:.4g} |" in text
    with Image.open(tmp_path / "curves.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    (trace,) = tmp_path.glob("profile/plugins/profile/*/perfetto_trace.json.gz")
    assert f"steps: {trace}" in capsys.readouterr().err
    assert len(json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]) > 10
    # One that stops says where, and has the curves up to there.
    broken = tmp_path / "nan"
    words[1] = str(broken)
    assert tiny_run.main([*words, "--nan-at", "7"]) == 1
    assert "the loss of step 7" in capsys.readouterr().err
    assert (broken / "summary.md").read_text().startswith("# tiny: stopped: the loss of step 7")
    assert (broken / "curves.png").exists()


def test_a_trace_that_there_is_none_of_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--workdir", str(tmp_path), "--iterations", "1", "--profile", "3"]
    assert tiny_run.main(words) == 0
    assert "no trace: one begins with the second call" in capsys.readouterr().err


def test_a_trace_that_cannot_be_written_is_a_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "profile").write_bytes(b"in the way")
    words = ["--workdir", str(tmp_path), "--iterations", "12", "--profile", "3"]
    assert tiny_run.main(words) == 2
    assert f"cannot write a trace to {tmp_path}/profile: " in capsys.readouterr().err
