"""Training: the examples, the losses, the step, and a run of train.py that is cut off."""

import dataclasses
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
from filelock import FileLock

import train
from ief_jax.body import joints, model_files, pose_prior, smpl
from ief_jax.geometry import camera
from ief_jax.lgd import (
    build,
    checkpoints,
    detector_errors,
    features,
    losses,
    parameters,
    reprojection,
    training,
    training_people,
)
from ief_jax.lgd.config import PAPER, RELEASED, LGDConfig
from ief_jax.training import mesh, optimisers
from ief_jax.training import state as training_state
from ief_jax.training import step as training_step

SMALL = {
    configuration.name: dataclasses.replace(configuration, width=32, steps=2)
    for configuration in (PAPER, RELEASED)
}


CLEAN = detector_errors.Rates(clean=1.0)
KNOWN = training.Cameras(unknown=0.0, focal_error=0.0)
"""The network is told the lens as it is."""


def make(
    configuration: LGDConfig,
    model: joints.JointModel,
    rates: detector_errors.Rates,
    cameras: training.Cameras,
) -> Callable[..., Any]:
    task = build.problem(configuration, model)
    draw = training_people.from_prior(pose_prior.embedded(), model.betas)
    return partial(training.example, item=None, draw=draw, task=task, rates=rates, cameras=cameras)


def several(configuration: LGDConfig, model: joints.JointModel, count: int) -> Any:
    """Some examples with keypoint noise, drawn by one program."""
    draw = jax.jit(
        jax.vmap(make(configuration, model, detector_errors.Rates(), training.Cameras()))
    )
    return draw(jax.random.split(jax.random.key(5), count))


def initial_weights(configuration: LGDConfig, task: reprojection.Problem) -> Any:
    return jax.jit(lambda key: build.initial_weights(configuration, task, key))(jax.random.key(0))


def test_mirrored_pose_is_the_mirror_image(joint_model: joints.JointModel) -> None:
    from ief_jax.geometry import rotations

    pose = pose_prior.sample(pose_prior.embedded(), jax.random.key(0))
    betas = jnp.zeros(10)
    place = lambda p: joints.positions(joint_model, rotations.axis_angle_to_matrix(p), betas)  # noqa: E731
    image = place(pose)[:24][parameters.OPPOSITE] * np.array([[-1, 1, 1]])
    np.testing.assert_allclose(place(parameters.mirror_axis_angle(pose))[:24], image, atol=5e-3)


@pytest.mark.parametrize("orthographic", [0.0, 1.0])
def test_truth_explains_the_keypoints(orthographic: float, joint_model: joints.JointModel) -> None:
    """Without errors of a detector, the true body and camera give the observed keypoints."""
    cameras = KNOWN._replace(orthographic=orthographic)
    observed, truth = jax.jit(make(PAPER, joint_model, CLEAN, cameras))(jax.random.key(1))
    task = build.problem(PAPER, joint_model)
    again = camera.project(truth.view, task.selection @ truth.points, observed.intrinsics)
    seen = np.asarray(observed.confidence) > 0
    assert seen.sum() >= 12
    np.testing.assert_allclose(again[seen], observed.points[seen], atol=1e-4)
    np.testing.assert_allclose(truth.keypoints[seen], observed.points[seen], atol=1e-5)
    assert float(observed.intrinsics.inverse_focal > 0) == 1 - orthographic


@pytest.mark.parametrize("name", ["paper", "released"])
def test_losses_vanish_at_the_truth(name: str, joint_model: joints.JointModel) -> None:
    task = build.problem(SMALL[name], joint_model)
    observed, truth = jax.jit(make(SMALL[name], joint_model, CLEAN, KNOWN))(jax.random.key(2))
    theta = task.parameterisation.encode(truth.body, truth.view)
    assert float(losses.parameter_loss(task, theta, truth)) < 1e-4
    assert float(losses.body_loss(task, theta, observed, truth)) < 5e-3


def test_recombined_people_have_the_limbs_of_two() -> None:
    poses = jnp.arange(1.0, 3.0)[:, None, None] * jnp.ones((2, 24, 3))
    draw = training_people.from_poses(poses, 10, np.array([0.5, 0.5]))
    recombine = jax.vmap(training_people.recombined(draw, 0.4))
    drawn = np.abs(recombine(jax.random.split(jax.random.key(2), 2000), None).pose[..., 0])
    parts = {tuple(row) for row in drawn != drawn[:, :1]}
    expected = {tuple(np.isin(smpl.JOINT_NAMES, names)) for names in training_people.EXCHANGED}
    assert parts == {*expected, (False,) * 24}
    # Half of the pairs are of one pose.
    assert (drawn != drawn[:, :1]).any(1).mean() == pytest.approx(0.2, abs=0.03)


def test_draws_follow_the_shares() -> None:
    poses = jnp.arange(3.0)[:, None, None] * jnp.ones((3, 24, 3))
    draw = training_people.from_poses(poses, 10, np.array([0.2, 0.0, 0.8]))
    drawn = jax.vmap(draw)(jax.random.split(jax.random.key(0), 2000), None)
    which = np.abs(drawn.pose[:, 0, 0])
    assert (which == 1).sum() == 0 and (which == 2).mean() == pytest.approx(0.8, abs=0.04)
    mirrored = drawn.pose[which == 2][:, 0, 1] < 0
    assert mirrored.mean() == pytest.approx(0.5, abs=0.05)
    kept = training_people.from_poses(
        poses, jnp.arange(30.0).reshape(3, 10), np.array([0.0, 1.0, 0.0])
    )
    np.testing.assert_array_equal(kept(jax.random.key(1), None).betas, np.arange(10.0, 20.0))


def descended(optimiser: optax.GradientTransformation, gradients: np.ndarray) -> np.ndarray:
    """Where a weight that starts at zero is after each gradient."""
    weight = jnp.zeros(gradients.shape[1:])
    state, path = optimiser.init(weight), []
    for gradient in gradients:
        update, state = optimiser.update(jnp.asarray(gradient), state, weight)
        weight = optax.apply_updates(weight, update)
        path.append(weight)
    return np.stack(path)


GRADIENTS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradient_descent_with_momentum(momentum: float) -> None:
    optimiser = optimisers.optimiser(
        "sgd", 0.1, 99, schedule="constant", momentum=momentum, clip=0.0
    )
    velocity, weight, expected = np.zeros(3), np.zeros(3), []
    for gradient in GRADIENTS:
        velocity = momentum * velocity + gradient
        weight = weight - 0.1 * velocity
        expected.append(weight)
    np.testing.assert_allclose(descended(optimiser, GRADIENTS), expected, rtol=1e-5)


def test_long_gradients_are_clipped() -> None:
    optimiser = optimisers.optimiser("sgd", 1.0, 99, schedule="constant", momentum=0.0, clip=0.5)
    steps = np.diff(descended(optimiser, GRADIENTS), axis=0, prepend=0)
    length = np.linalg.norm(GRADIENTS, axis=-1, keepdims=True)
    assert (length > 0.5).any()
    np.testing.assert_allclose(steps, -GRADIENTS * np.minimum(1, 0.5 / length), rtol=1e-4)


def test_the_cosine_schedule_warms_up_and_ends_at_nothing() -> None:
    optimiser = optimisers.optimiser("sgd", 0.3, 40, momentum=0.0, clip=0.0)
    rates = -np.diff(descended(optimiser, np.ones((40, 1))), axis=0, prepend=0)[:, 0]
    # A tenth of the steps up along a line, the others down along half a cosine.
    step = np.arange(40)
    down = 0.15 * (1 + np.cos(np.pi * (step - 4) / 36))
    np.testing.assert_allclose(rates, np.where(step < 4, 0.3 * step / 4, down), atol=1e-5)


def test_adams_first_step_is_the_gradients_sign() -> None:
    optimiser = optimisers.optimiser("adam", 0.1, 99, schedule="constant", clip=0.0)
    first = descended(optimiser, GRADIENTS[:1])[0]
    np.testing.assert_allclose(first, -0.1 * np.sign(GRADIENTS[0]), rtol=1e-4)


@pytest.mark.slow
def test_the_loss_falls(joint_model: joints.JointModel) -> None:
    configuration = SMALL["released"]
    task = build.problem(configuration, joint_model)
    optimiser = optimisers.adam(3e-3, 60)
    example = make(configuration, joint_model, detector_errors.Rates(), training.Cameras())
    state = training_state.initial_state(
        build.initial_weights(configuration, task, jax.random.key(0)), optimiser, 0
    )
    step = training_step.training_step(
        lambda key, item: example(key),
        training.loss(configuration, task),
        optimiser,
        32,
        mesh.device_mesh(),
    )
    values = []
    for _ in range(60):
        state, value = step(state, None)
        values.append(float(value))
    assert np.mean(values[-10:]) < 0.75 * np.mean(values[:5])


def test_pmap_gives_the_same_losses(joint_model: joints.JointModel) -> None:
    """The loss under pmap against the loss under jit, of the same examples."""
    configuration = SMALL["paper"]
    task = build.problem(configuration, joint_model)
    objective = training.loss(configuration, task)
    weights = initial_weights(configuration, task)
    observed, truth = several(configuration, joint_model, 8)
    one = jax.tree.map(lambda x: x[None], (observed, truth))
    by_pmap = jax.pmap(objective, in_axes=(None, 0, 0))(weights, *one)
    by_jit = jax.jit(objective)(weights, observed, truth)
    assert float(by_pmap[0]) == pytest.approx(float(by_jit), rel=1e-5)


def test_lgd_loss_is_the_sum_over_steps(joint_model: joints.JointModel) -> None:
    """Against Algorithm 1 written out with a Python loop."""
    configuration = SMALL["paper"]
    task = build.problem(configuration, joint_model)
    weights = initial_weights(configuration, task)
    module = build.network(configuration, task)
    observed, truth = several(configuration, joint_model, 2)

    @jax.jit
    def step(theta: parameters.Theta, seen: Any) -> parameters.Theta:
        gradient = jax.grad(reprojection.reprojection_error, argnums=1)(task, theta, seen)
        shown = features.all_features(gradient, theta, seen)
        update = parameters.unflatten(module.apply(weights, shown[None])[0], theta)
        return {name: theta[name] + update[name] for name in theta}

    total = 0.0
    for n in range(2):
        seen, real = jax.tree.map(lambda x, n=n: x[n], (observed, truth))
        theta = task.parameterisation.start(10)
        target = task.parameterisation.encode(real.body, real.view)
        for _ in range(configuration.steps):
            theta = step(theta, seen)
            total += sum(float(jnp.abs(theta[name] - target[name]).sum()) for name in theta) / 2
    value = jax.jit(training.loss(configuration, task))(weights, observed, truth)
    assert float(value) == pytest.approx(total, rel=1e-4)


ARGUMENTS = ["--width", "16", "--steps", "1", "--batch-size", "8", "--evaluate", "0"]


def run(workdir: Path, *more: str) -> int:
    return train.main(["lgd", "--workdir", str(workdir), *ARGUMENTS, *more])


def test_a_run_writes_what_it_says_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "run"
    arguments = ("--iterations", "6", "--save-every", "2", "--log-every", "2")
    assert run(work, *arguments) == 0
    assert {"config.json", "metrics.jsonl", "model.npz", "checkpoints"} <= {
        path.name for path in work.iterdir()
    }
    assert any("tfevents" in path.name for path in work.iterdir())
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    whole = checkpoints.load(work).weights

    # Cut off after step 4, it ends where the uninterrupted run does.
    (work / "model.npz").unlink()
    import shutil

    shutil.rmtree(work / "checkpoints" / "6")
    assert run(work, *arguments) == 0
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        checkpoints.load(work).weights,
        whole,
    )
    # What is another run leaves it alone.
    before = (work / "model.npz").read_bytes()
    assert run(work, *arguments, "--seed", "3") == 2
    assert "seed = 0, not 3; take another --workdir" in capsys.readouterr().err
    assert (work / "model.npz").read_bytes() == before


@pytest.mark.slow
def test_gradient_descent_at_a_constant_rate(tmp_path: Path) -> None:
    work, rate = tmp_path / "run", 1e-4
    words = ("--optimizer", "sgd", "--learning-rate", str(rate), "--schedule", "constant")
    assert run(work, "--configuration", "paper", "--iterations", "1", *words, "--clip", "0") == 0
    trained = checkpoints.load(work)
    task = build.problem(trained.configuration, joints.fold(model_files.embedded()))
    first = build.initial_weights(trained.configuration, task, jax.random.key(0))
    moved = np.concatenate(
        [
            np.ravel(b - a)
            for a, b in zip(*map(jax.tree.leaves, (first, trained.weights)), strict=True)
        ]
    )
    # Further than a clipped gradient leads, and than the first step of a warm-up, which is none.
    assert np.linalg.norm(moved) > 2 * rate
    # Adam's first step is as long for every weight.
    assert np.abs(moved).max() > 10 * np.abs(moved).mean() > 0


def test_two_processes_do_not_train_in_one_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "run"
    work.mkdir()
    with FileLock(work / "lock"):
        assert run(work, "--iterations", "1") == 2
    assert f"{work}: another process trains in it" in capsys.readouterr().err
    assert not (work / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--poses", "{tmp}/none.npz"), "none.npz: No such file"),
        (("--body", "{tmp}/none.pkl"), "none.pkl"),
        (("--iterations", "0"), "--iterations is 0, expected 1 or more"),
        (("--clip", "-1"), "--clip is -1.0, expected 0 or more"),
        (("--initial", "paper"), "weights of another configuration"),
    ],
)
def test_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, str], message: str
) -> None:
    filled = [word.format(tmp=tmp_path) for word in more]
    assert run(tmp_path / "run", "--iterations", "1", *filled) == 2
    assert message in capsys.readouterr().err
