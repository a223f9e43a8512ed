"""Second-order steps over windows: their equations, and what these are solved by."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints
from ief_jax.geometry import camera, rotations, skeletons
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import build, smoothing

FRAMES = 6


@pytest.fixture(scope="module")
def shared(joint_model: joints.JointModel) -> smoothing.Body:
    """A body whose shape does not follow its pose: the steps leave that derivative out."""
    model = joints.restrict(joint_model, build.LAYOUT)
    rigid = dataclasses.replace(model, bone_pose_offsets=0 * model.bone_pose_offsets)
    selection = jnp.asarray(skeletons.selection(build.LAYOUT, model.names))
    return smoothing.Body(rigid, selection, jnp.linspace(-1, 1, model.betas))


@pytest.fixture(scope="module")
def known() -> tuple[smoothing.Frames, smoothing.Path]:
    """A few frames, unevenly spaced, and bodies that are near to what is known of them."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    times = jnp.array([0.0, 0.4, 1.0, 1.3, 2.0, 2.4])
    lens = camera.Intrinsics(jnp.full(FRAMES, 0.2), 0.1 * normal(FRAMES, 2))
    frames = smoothing.Frames(
        Keypoints2D(normal(FRAMES, 27, 2), jnp.ones((FRAMES, 27)), lens),
        jnp.asarray(rng.uniform(0, 4, (FRAMES, 27)), jnp.float32),
        rotations.axis_angle_to_matrix(0.3 * normal(FRAMES, 24, 3)),
        jnp.asarray(rng.uniform(1, 9, (FRAMES, 24, 3)), jnp.float32),
        smoothing.differences(times),
        0.05 * smoothing.rates(times),  # slow, so that what holds still does matter
        jnp.zeros(FRAMES, bool),
    )
    turned = rotations.axis_angle_to_matrix(0.2 * normal(FRAMES, 24, 3))
    view = camera.WeakPerspective(1 + 0.1 * jnp.abs(normal(FRAMES)), 0.2 * normal(FRAMES, 2))
    return frames, smoothing.Path(rotations.compose(frames.prior, turned), view)


def cost(
    shared: smoothing.Body,
    frames: smoothing.Frames,
    path: smoothing.Path,
    strength: float,
    change: jax.Array,
) -> jax.Array:
    """The module's sum, written down again, after a change [W, 75] of the path."""
    turn = rotations.axis_angle_to_matrix(change[:, :72].reshape(FRAMES, 24, 3))
    local = rotations.compose(path.local, turn)
    scale = path.view.scale * jnp.exp(change[:, 74])
    translation = path.view.translation + change[:, 72:74]
    points = jax.vmap(lambda r: joints.positions(shared.model, r, shared.betas))(local)
    lens = frames.observed.intrinsics
    assert lens is not None
    slopes = (frames.observed.points - lens.centre[:, None]) * lens.inverse_focal[:, None, None]
    seen = jnp.einsum("kp,tpx->tkx", shared.selection, points)
    plane = seen[..., :2] * jnp.array([1.0, -1.0])[None, None] + slopes * seen[..., 2:]
    missed = scale[:, None, None] * plane + translation[:, None] - frames.observed.points

    def cauchy(squared: jax.Array) -> jax.Array:
        return smoothing.OUTLIER**2 * jnp.log1p(squared / smoothing.OUTLIER**2)

    total = cauchy((missed**2).sum(-1) * frames.precision).sum()
    error = rotations.matrix_to_axis_angle(
        rotations.compose(jnp.swapaxes(frames.prior, -1, -2), local)
    )
    total += cauchy((error**2 * frames.prior_precision).sum(-1)).sum()
    origin = jnp.concatenate(
        [
            (translation - lens.centre) / scale[:, None],
            1 / (scale * lens.inverse_focal)[:, None],
        ],
        1,
    )
    places = jnp.concatenate([points[:, :24], origin[:, None]], 1)
    turns = smoothing.LEVER / np.sqrt(2) * local.reshape(FRAMES, 24, 9)
    for values in (places, turns):
        for t in range(1, FRAMES - 1):
            second = jnp.tensordot(frames.difference[t], values[t - 1 : t + 2], 1)
            ratio = (second**2).sum(-1) / smoothing.KNEE**2
            huber = 2 * smoothing.KNEE**2 * (jnp.sqrt(1 + ratio) - 1)
            total += (strength / smoothing.ACCELERATION) ** 2 * huber.sum()
    for t in range(FRAMES - 1):
        first = frames.rate[t] * (places[t + 1] - places[t])
        held = jnp.log1p((first**2).sum(-1) / smoothing.HARDLY**2)
        total += (strength * smoothing.HARDLY / smoothing.SPEED) ** 2 * held.sum()
    return total


def test_equations_are_of_the_stated_cost(
    shared: smoothing.Body, known: tuple[smoothing.Frames, smoothing.Path]
) -> None:
    """Their right side is minus half the gradient, reweighting and all."""
    frames, path = known
    equations = jax.jit(smoothing._normal_equations)(shared, frames, path, 0.7, jnp.float32(1))
    slope = jax.jit(jax.grad(cost, argnums=4))
    expected = -slope(shared, frames, path, 0.7, jnp.zeros((FRAMES, 75))) / 2
    atol = 1e-4 * float(jnp.abs(expected).max())
    np.testing.assert_allclose(equations.right, expected, atol=atol)


@pytest.mark.slow
def test_steps_have_derivatives(
    shared: smoothing.Body, known: tuple[smoothing.Frames, smoothing.Path]
) -> None:
    frames, start = known
    along = jax.random.normal(jax.random.key(0), frames.observed.points.shape)

    def end(amount: jax.Array) -> jax.Array:
        points = frames.observed.points + amount * along
        moved = frames._replace(observed=frames.observed._replace(points=points))
        return smoothing.steps(shared, moved, start, 1.0, 2).local[2, 16, 0, 0]

    slope = jax.jit(jax.grad(end))(jnp.zeros(()))
    value = jax.jit(end)
    expected = (value(jnp.float32(0.01)) - value(jnp.float32(-0.01))) / 0.02
    assert float(slope) == pytest.approx(float(expected), rel=0.05)


def test_bands_are_solved_as_the_whole_matrix() -> None:
    rng = np.random.default_rng(1)
    size = FRAMES * smoothing.PARAMETERS
    root = rng.normal(size=(size, size)) * 0.1
    near = np.abs(np.subtract.outer(*[np.arange(size) // smoothing.PARAMETERS] * 2)) <= 2
    whole = np.where(near, root + root.T, 0) + 8 * np.eye(size)
    right = rng.normal(size=size)
    blocks = whole.reshape(FRAMES, smoothing.PARAMETERS, FRAMES, smoothing.PARAMETERS)

    def band(offset: int) -> jax.Array:
        zero = np.zeros((smoothing.PARAMETERS,) * 2)
        rows = [blocks[t, :, t + offset] if t + offset < FRAMES else zero for t in range(FRAMES)]
        return jnp.asarray(np.stack(rows), jnp.float32)

    equations = smoothing.Equations(
        band(0), band(1), band(2), jnp.asarray(right.reshape(FRAMES, -1), jnp.float32)
    )
    found = jax.jit(smoothing._solve)(equations)
    np.testing.assert_allclose(found.reshape(-1), np.linalg.solve(whole, right), atol=2e-4)


def test_rates_of_a_straight_line() -> None:
    times = np.array([0.0, 0.1, 0.3, 0.35])
    rates = np.asarray(smoothing.rates(jnp.asarray(times)))
    weights = np.sqrt(smoothing.RATE * np.diff(times))
    np.testing.assert_allclose(rates[:-1] * np.diff(7 * times), 7 * weights, rtol=1e-5)
    assert rates[-1] == 0


def test_differences_of_a_parabola() -> None:
    """x = 3 t^2 / 2 at any times accelerates by 3; each frame weighs as long as it lasts."""
    times = np.array([0.0, 0.1, 0.15, 0.4])
    c = np.asarray(smoothing.differences(jnp.asarray(times)))
    around = np.stack([1.5 * times[i : i + 2] ** 2 for i in range(3)], 1)
    lasts = (times[2:] - times[:-2]) / 2
    np.testing.assert_allclose((c[1:-1] * around).sum(1), 3 * np.sqrt(30 * lasts), rtol=1e-4)
    assert not c[[0, -1]].any()
