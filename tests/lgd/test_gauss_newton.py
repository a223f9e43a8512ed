"""Second-order steps: their derivatives, their minimum, the noise they settle on."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax import loop
from ief_jax.body import joints
from ief_jax.geometry import camera, rotations
from ief_jax.geometry.keypoints2d import Keypoints2D, bounding_square, normalise
from ief_jax.lgd import belief, build, gauss_newton, reprojection, synthetic_views
from ief_jax.lgd.config import RELEASED
from ief_jax.lgd.gauss_newton import Displacement, GaussianPrior, Measurement
from ief_jax.lgd.parameters import Body
from tests.helpers.people import random_people


@pytest.fixture(scope="module")
def task(joint_model: joints.JointModel) -> reprojection.Problem:
    return build.problem(RELEASED, joint_model)


@pytest.fixture(scope="module")
def person(task: reprojection.Problem) -> synthetic_views.Example:
    people = random_people(task.model, task.selection, 1, spread=0.3, seed=0)
    return jax.tree.map(lambda leaf: leaf[0], people)


def measurement(
    task: reprojection.Problem, person: synthetic_views.Example, noise: float
) -> Measurement:
    seen = noisy(Keypoints2D(person.points, person.confidence), noise)
    return Measurement(task.model, task.selection, seen, jnp.full(27, 0.01))


@jax.jit
def noisy(pixels: Keypoints2D, noise: float) -> Keypoints2D:
    seen = normalise(pixels, bounding_square(pixels))
    moved = seen.points + noise * jax.random.normal(jax.random.key(2), seen.points.shape)
    return seen._replace(points=moved)


linearise = jax.jit(gauss_newton.linearise)
most_likely_noise = jax.jit(gauss_newton.most_likely_noise)
map_estimate = jax.jit(gauss_newton.map_estimate, static_argnums=2)
most_probable = jax.jit(gauss_newton.most_probable, static_argnums=2)


@jax.jit
def near(person: synthetic_views.Example) -> GaussianPrior:
    """A prior that is off by about as much as it says."""
    turn, shape = 0.1 * jax.random.normal(jax.random.key(3), (24, 3)), jnp.full(10, 0.3)
    body = gauss_newton.displaced(Body(person.local, person.betas), Displacement(turn, shape))
    return GaussianPrior(body, jnp.full((24, 3), 0.1), jnp.full(10, 0.3), together())


def together() -> jax.Array:
    """Some correlation of turns and betas."""
    return belief.correlation_of(factor())


def factor() -> jax.Array:
    return jnp.eye(82) + 0.1 * jax.random.normal(jax.random.key(10), (82, 82))


def zero() -> Displacement:
    return Displacement(jnp.zeros((24, 3)), jnp.zeros(10))


def test_jacobian_of_points_is_that_of_autodiff(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    """The closed form leaves out how pose blend shapes turn with the pose, and nothing else."""
    rigid = dataclasses.replace(task.model, bone_pose_offsets=0 * task.model.bone_pose_offsets)
    body = Body(person.local, person.betas)
    at = Displacement(0.2 * jax.random.normal(jax.random.key(4), (24, 3)), jnp.ones(10))

    @jax.jit
    def by_hand(at: Displacement) -> tuple[jax.Array, jax.Array]:
        moved = gauss_newton.displaced(body, at)
        points = joints.evaluate(rigid, moved.local, moved.betas)
        axes = rotations.compose(points.world, rotations.right_jacobian(at.turn))
        by_turns = joints.moved_by_turns(joints.levers(rigid, points), axes)
        return by_turns, points.shape_jacobian

    by_turn, by_shape = by_hand(at)
    positions = jax.jacfwd(lambda d: joints.positions(rigid, *gauss_newton.displaced(body, d)))
    expected = jax.jit(positions)(at)
    np.testing.assert_allclose(by_turn, expected.turn.reshape(*by_turn.shape), atol=2e-6)
    np.testing.assert_allclose(by_shape, expected.betas, atol=2e-6)


def test_steps_minimise_what_they_say(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    """The gradient of z^T C^-1 z + |x^ - x|^2 / s^2, d = s_d z, vanishes where the steps end."""
    rigid = dataclasses.replace(task.model, bone_pose_offsets=0 * task.model.bone_pose_offsets)
    look, prior, noise = measurement(task._replace(model=rigid), person, 0.02), near(person), 0.02
    precision = jnp.asarray(np.linalg.inv(np.asarray(prior.correlation, np.float64)), jnp.float32)

    def objective(d: Displacement) -> jax.Array:
        body = gauss_newton.displaced(prior.body, d)
        keypoints = look.selection @ joints.positions(rigid, body.local, body.betas)
        view = camera.solve_weak(keypoints, look.observed.points, look.observed.confidence)
        missed = camera.project_weak(view, keypoints) - look.observed.points
        turns = (d.turn / prior.turn_deviation).reshape(-1)
        z = jnp.concatenate([turns, d.betas / prior.betas_deviation])
        return z @ precision @ z + ((missed / noise) ** 2).sum()

    step = gauss_newton.correction(look, prior, jnp.float32(noise))
    states = jax.jit(lambda start: loop.refine(step, start, 12))(zero())
    value_and_slope = jax.jit(jax.value_and_grad(objective))
    end, slope = value_and_slope(jax.tree.map(lambda d: d[-1], states))
    start, first = value_and_slope(zero())
    assert float(end) < 0.1 * float(start)
    for final, initial in zip(slope, first, strict=True):
        assert np.abs(final).max() < 1e-2 * np.abs(initial).max()


def test_the_most_probable_body_is_that_of_the_fit(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    look, prior = measurement(task, person, 0.01), near(person)
    body = most_probable(look, prior, 2)
    fitted = map_estimate(look, prior, 2).bodies
    np.testing.assert_allclose(body.local, fitted.local[-1], atol=1e-5)
    np.testing.assert_allclose(body.betas, fitted.betas[-1], atol=1e-4)


def test_training_sees_what_second_order_steps_make_of_a_prior(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    """The derivative by the prior's mean, deviations and correlation is that of differences."""
    look, prior = measurement(task, person, 0.005), near(person)
    truth = joints.positions(task.model, person.local, person.betas)
    weights = jax.random.normal(jax.random.key(6), truth.shape)
    moved = 0.1 * jax.random.normal(jax.random.key(7), (24, 3))
    turns = jax.random.normal(jax.random.key(8), (24, 3))
    shapes = jax.random.normal(jax.random.key(9), (10,))
    factors = 0.3 * jax.random.normal(jax.random.key(12), (82, 82))

    def changed(size: jax.Array, which: str) -> GaussianPrior:
        if which == "mean":
            by = Displacement(size * moved, jnp.zeros(10))
            return prior._replace(body=gauss_newton.displaced(prior.body, by))
        if which == "turns":
            deviation = prior.turn_deviation * jnp.exp(size * turns)
            return prior._replace(turn_deviation=deviation)
        if which == "correlation":
            return prior._replace(correlation=belief.correlation_of(factor() + size * factors))
        return prior._replace(betas_deviation=prior.betas_deviation * jnp.exp(size * shapes))

    def answer(size: jax.Array, which: str) -> jax.Array:
        body = gauss_newton.most_probable(look, changed(size, which), 2)
        return (weights * joints.positions(task.model, body.local, body.betas)).sum()

    for which in ("mean", "turns", "betas", "correlation"):
        value = jax.jit(partial(answer, which=which))
        step = jnp.float32(0.05)
        # central differences of fourth order
        expected = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (
            12 * step
        )
        slope = jax.jit(jax.grad(partial(answer, which=which)))(jnp.float32(0.0))
        assert abs(float(slope)) > 1e-2, which
        np.testing.assert_allclose(slope, expected, rtol=0.03, err_msg=which)


def test_exact_and_noisy_keypoints_are_told_apart(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    noises, assumed = [], []
    for noise in (0.0, 0.02):
        close = linearise(measurement(task, person, noise), near(person), zero())
        noises.append(float(most_likely_noise(close)))
        assumed.append(float(gauss_newton.assumed_noise(jnp.float32(noises[-1]))))
    assert noises[0] < 0.006 and 0.009 < noises[1] < 0.05
    # The steps take exact ones for still more exact, and noisy ones for noisier.
    assert assumed[0] < noises[0] and assumed[1] > noises[1]


def test_evidence_is_that_of_scipy(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    """The chosen noise is the best of the grid under scipy's density of the visible part."""
    from scipy.linalg import null_space
    from scipy.stats import multivariate_normal

    close = linearise(measurement(task, person, 0.01), near(person), zero())
    rows, target = np.asarray(close.rows, np.float64), np.asarray(close.target, np.float64)
    # The camera's three directions hold nothing: rows and target have no part in them.
    gram = rows @ np.asarray(together(), np.float64) @ rows.T
    values, vectors = np.linalg.eigh(gram + np.outer(target, target))
    del vectors
    assert (values[:3] < 1e-6).all()
    basis = np.linalg.svd(np.concatenate([rows, target[:, None]], 1))[0][:, :51]
    assert null_space(basis.T).shape == (54, 3)
    density = [
        multivariate_normal(
            np.zeros(51), basis.T @ gram @ basis + float(s) ** 2 * np.eye(51)
        ).logpdf(basis.T @ target)
        for s in gauss_newton.NOISES
    ]
    assert float(most_likely_noise(close)) == pytest.approx(
        float(gauss_newton.NOISES[int(np.argmax(density))])
    )


def test_hidden_keypoints_have_no_say(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    look = measurement(task, person, 0.0)
    hidden = look.observed._replace(confidence=look.observed.confidence.at[4].set(0.0))
    moved = hidden._replace(points=hidden.points.at[4].set(5.0))
    ends = [
        map_estimate(look._replace(observed=seen), near(person), 2).bodies.local
        for seen in (hidden, moved)
    ]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert np.isfinite(ends[0]).all()


def test_no_keypoints_leave_the_belief_alone(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    look = measurement(task, person, 0.0)
    nothing = look.observed._replace(confidence=jnp.zeros(27))
    end = map_estimate(look._replace(observed=nothing), near(person), 2).bodies
    np.testing.assert_allclose(end.local[-1], near(person).body.local, atol=1e-5)


@pytest.mark.parametrize("hidden", [(), (4,), (0, 7, 12)])
def test_dimensions_that_hold_nothing_are_hidden_or_the_cameras(
    task: reprojection.Problem, person: synthetic_views.Example, hidden: tuple[int, ...]
) -> None:
    """Whatever moves the keypoints, rows have the rank of all dimensions less the unused."""
    look = measurement(task, person, 0.0)
    confidence = look.observed.confidence.at[np.array(hidden, int)].set(0.0)
    look = look._replace(observed=look.observed._replace(confidence=confidence))
    linear = jax.jit(gauss_newton.linearise)(look, near(person), zero())
    root = jnp.sqrt(confidence)[:, None]
    anywhere = jax.random.normal(jax.random.key(5), (27, 2))
    free = gauss_newton._camera_directions(anywhere, root)
    motions = jax.random.normal(jax.random.key(6), (54, 82)) * jnp.repeat(root, 2, 0)
    rank = np.linalg.matrix_rank(np.asarray(gauss_newton._without(free, motions)), rtol=1e-4)
    assert int(linear.unused) == 54 - rank


def test_products_of_rows_stay_positive(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    """Of few rows that matter: what float32 leaves below zero is less than what is added."""
    close = linearise(measurement(task, person, 0.0), near(person), zero())
    few = np.random.default_rng(0).normal(size=(3, 82))
    rows = jnp.asarray(np.random.default_rng(1).normal(size=(36, 3)) @ few, jnp.float32)
    close = close._replace(rows=rows, correlated=rows @ together())
    values = np.linalg.eigvalsh(np.asarray(gauss_newton._gram(close), np.float64))
    assert values[0] > 0
    exact = np.asarray(rows, np.float64) @ np.asarray(together()) @ np.asarray(rows).T
    np.testing.assert_allclose(values[-3:], np.linalg.eigvalsh(exact)[-3:], rtol=1e-5)


@pytest.mark.slow
def test_spread_is_that_of_refitted_samples(
    task: reprojection.Problem, person: synthetic_views.Example
) -> None:
    """Bodies drawn from the prior, seen with noise, and fitted: their joints' errors."""
    rigid = dataclasses.replace(task.model, bone_pose_offsets=0 * task.model.bone_pose_offsets)
    look, noise = measurement(task._replace(model=rigid), person, 0.0), jnp.float32(0.02)
    body = Body(person.local, person.betas)
    prior = GaussianPrior(body, jnp.full((24, 3), 0.04), jnp.full(10, 0.3), together())
    triangle = jnp.linalg.cholesky(prior.correlation)
    hidden = look.observed.confidence.at[jnp.array([7, 9, 15])].set(0.0)
    view = camera.WeakPerspective(jnp.float32(1.1), jnp.zeros(2))

    def joints_of(body: Body) -> jax.Array:
        points = joints.positions(rigid, body.local, body.betas)
        return points[:24] - points[:1]

    def error(key: jax.Array) -> jax.Array:
        one, two = jax.random.split(key)
        drawn = triangle @ jax.random.normal(one, (82,))
        turn, betas = drawn[:72].reshape(24, 3), drawn[72:]
        truth = gauss_newton.displaced(body, Displacement(0.04 * turn, 0.3 * betas))
        points = task.selection @ joints.positions(rigid, truth.local, truth.betas)
        seen = camera.project_weak(view, points) + noise * jax.random.normal(two, (27, 2))
        seen_by = look._replace(observed=Keypoints2D(seen, hidden))
        found = loop.refine(gauss_newton.correction(seen_by, prior, noise), at_rest, 3)
        last = jax.tree.map(lambda d: d[-1], found)
        return joints_of(gauss_newton.displaced(body, last)) - joints_of(truth)

    at_rest = gauss_newton.at_rest(prior)
    errors = np.asarray(jax.jit(jax.vmap(error))(jax.random.split(jax.random.key(7), 500)))
    exact = camera.project_weak(view, task.selection @ joints.positions(rigid, *body))
    exact_look = look._replace(observed=Keypoints2D(exact, hidden))
    near = gauss_newton.linearise(exact_look, prior, at_rest)
    spread = jax.jit(gauss_newton.joint_spread)(near, prior.correlation, noise)
    root_mean_square = np.sqrt((errors[:, 1:] ** 2).mean(0))
    image = np.sqrt((root_mean_square[:, :2] ** 2).mean(1))
    np.testing.assert_allclose(spread.image[1:], image, rtol=0.15)
    np.testing.assert_allclose(spread.depth[1:], root_mean_square[:, 2], rtol=0.15)
    # Wrists that are hidden are less sure in the image than elbows that are not.
    assert spread.image[20] > 1.2 * spread.image[18]
