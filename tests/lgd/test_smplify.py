"""The optimiser baseline: its objective by parts and by finite differences, and that it fits."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, pose_prior
from ief_jax.geometry import camera, keypoints2d, skeletons
from ief_jax.lgd import metrics, smplify

YAW = 0.4
SHORT = smplify.TUNED._replace(steps=100)


@pytest.fixture(scope="module")
def prior() -> pose_prior.PosePrior:
    return pose_prior.embedded()


def person(prior: pose_prior.PosePrior, seed: int) -> smplify.Variables:
    pose_key, shape_key = jax.random.split(jax.random.key(seed))
    pose = pose_prior.sample(prior, pose_key).reshape(-1)[3:66]
    betas = 0.7 * jax.random.normal(shape_key, (10,))
    return smplify.Variables(pose, jnp.array([0.1, 0.0, -0.1]), betas)


def seen(
    model: joints.JointModel, prior: pose_prior.PosePrior, truth: smplify.Variables
) -> smplify.Problem:
    """Keypoints of a body that faces YAW, without fault."""
    selection = jnp.asarray(skeletons.selection(skeletons.UNION_27, model.names))
    points = selection @ points_of(model, smplify.body(truth, YAW), truth.betas)
    pixels = camera.project_weak(
        camera.WeakPerspective(jnp.float32(150.0), jnp.array([320.0, 240.0])), points
    )
    observed = keypoints2d.Keypoints2D(pixels, jnp.ones(27))
    return smplify.Problem(
        model,
        selection,
        prior,
        keypoints2d.normalise(observed, keypoints2d.bounding_square(observed)),
    )


points_of = jax.jit(joints.positions)
fit_from = jax.jit(partial(smplify.fit_from, settings=SHORT))


@pytest.fixture(scope="module")
def truth(prior: pose_prior.PosePrior) -> smplify.Variables:
    return person(prior, 0)


@pytest.fixture(scope="module")
def problem(
    joint_model: joints.JointModel, prior: pose_prior.PosePrior, truth: smplify.Variables
) -> smplify.Problem:
    return seen(joint_model, prior, truth)


@jax.jit
def value(
    problem: smplify.Problem,
    variables: smplify.Variables,
    prior_weight: jax.Array | float = 1.0,
    mixture: jax.Array | float = 1.0,
) -> jax.Array:
    return smplify.objective(problem, variables, YAW, 0.05, 0.1, prior_weight, mixture)


def test_the_true_body_costs_its_priors_alone(
    problem: smplify.Problem, truth: smplify.Variables
) -> None:
    shape = 0.5 * float((truth.betas**2).sum())
    single = float(pose_prior.gaussian_energy(problem.prior, truth.pose))
    mixture = -float(pose_prior.component_log_densities(problem.prior, truth.pose).max())
    for weight, blend, expected in (
        (1.0, 0.0, single + shape),
        (1.0, 1.0, mixture + shape),
        (3.0, 1.0, 3 * (mixture + shape)),
        (1.0, 0.25, 0.75 * single + 0.25 * mixture + shape),
        (0.0, 1.0, 0.0),
    ):
        found = value(problem, truth, weight, blend)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0.02)


def test_the_data_term_is_geman_and_mcclures(
    problem: smplify.Problem, truth: smplify.Variables
) -> None:
    # One keypoint far off, of small weight, barely moves the camera: by hand with that camera.
    moved = problem.observed.points.at[4].add(jnp.array([0.4, 0.3]))
    confidence = jnp.full(27, 0.6).at[4].set(0.2)
    other = problem._replace(observed=keypoints2d.Keypoints2D(moved, confidence))
    points = problem.selection @ joints.positions(
        problem.model, smplify.body(truth, YAW), truth.betas
    )
    view = camera.solve_weak(points, moved, confidence**2)
    distance = np.linalg.norm(camera.project_weak(view, points) - moved, axis=-1)
    expected = sum(
        c**2 * r**2 / (1 + r**2 / 0.1**2) / (2 * 0.05**2)
        for c, r in zip(np.asarray(confidence), distance, strict=True)
    )
    np.testing.assert_allclose(value(other, truth, 0.0), expected, rtol=1e-3)
    # However far it goes, it costs no more than c^2 rho_0^2 / (2 sigma^2) itself.
    assert distance[4] > 0.4
    assert expected < 2 * 0.2**2 * 0.1**2 / (2 * 0.05**2)


def test_the_gradient_is_that_of_finite_differences(
    problem: smplify.Problem, truth: smplify.Variables
) -> None:
    rng = np.random.default_rng(0)

    def noise(leaf: jax.Array) -> jax.Array:
        return jnp.asarray(rng.normal(size=leaf.shape), jnp.float32)

    at = jax.tree.map(lambda leaf: leaf + 0.1 * noise(leaf), truth)
    blend = partial(value, prior_weight=0.02, mixture=0.5)
    gradient = jax.jit(jax.grad(blend, argnums=1))(problem, at)
    for group in smplify.Variables._fields:
        direction = jax.tree.map(jnp.zeros_like, at)._replace(**{group: noise(getattr(at, group))})
        step = 2e-3
        ahead, behind = (
            float(blend(problem, jax.tree.map(lambda a, d, s=s: a + s * d, at, direction)))
            for s in (step, -step)
        )
        along = sum(
            float((g * d).sum())
            for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
        )
        np.testing.assert_allclose((ahead - behind) / (2 * step), along, rtol=0.03, atol=0.02)


def test_a_hidden_keypoint_has_no_influence(
    problem: smplify.Problem, truth: smplify.Variables
) -> None:
    hidden = problem.observed.confidence.at[7].set(0.0)
    costs = []
    for place in (0.0, 5.0):
        points = problem.observed.points.at[7].set(place)
        other = problem._replace(observed=keypoints2d.Keypoints2D(points, hidden))
        costs.append(float(value(other, truth)))
    assert costs[0] == costs[1]


def test_the_derivative_is_finite_at_the_start_and_with_nothing_seen(
    problem: smplify.Problem,
) -> None:
    start = smplify.Variables(jnp.zeros(63), jnp.zeros(3), jnp.zeros(problem.model.betas))
    blind = problem._replace(observed=keypoints2d.Keypoints2D(jnp.zeros((27, 2)), jnp.zeros(27)))
    slope = jax.jit(jax.grad(value, argnums=1))
    for task in (problem, blind):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope(task, start)))


@pytest.fixture(scope="module")
def fits(problem: smplify.Problem) -> smplify.Fit:
    """From each of the four directions."""
    every = [fit_from(problem, yaw) for yaw in smplify.YAWS]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *every)


def test_known_bodies_are_recovered_from_a_near_start(
    joint_model: joints.JointModel, prior: pose_prior.PosePrior
) -> None:
    rest = points_of(joint_model, jnp.tile(jnp.eye(3), (24, 1, 1)), jnp.zeros(10))[:24]
    errors, starts, misses = [], [], []
    for seed in range(24):
        truth = person(prior, seed)
        problem = seen(joint_model, prior, truth)
        # The start faces the camera, 23 degrees off.
        found = fit_from(problem, 0.0)
        points = points_of(joint_model, found.local, found.betas)
        right = points_of(joint_model, smplify.body(truth, YAW), truth.betas)[:24]
        errors.append(metrics.pa_mpjpe(points[:24], right))
        starts.append(metrics.pa_mpjpe(rest, right))
        view = camera.solve_weak(problem.selection @ points, *problem.observed)
        again = camera.project_weak(view, problem.selection @ points)
        misses.append(np.linalg.norm(again - problem.observed.points, axis=-1).mean())
    assert np.median(errors) < 0.045
    assert np.median(errors) < 0.3 * np.median(starts)
    # Of half the side of the person's box.
    assert np.median(misses) < 0.01


def test_local_rotations_are_rotations(fits: smplify.Fit) -> None:
    products = fits.local @ jnp.swapaxes(fits.local, -1, -2)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-5)


def test_the_best_start_wins(problem: smplify.Problem, fits: smplify.Fit) -> None:
    best = jax.jit(partial(smplify.fit, settings=SHORT))(problem)
    assert best.objective.shape == ()
    assert fits.objective.max() > fits.objective.min() + 1
    np.testing.assert_allclose(best.objective, fits.objective.min(), rtol=0.02, atol=0.5)
    nearest = fits.local[fits.objective.argmin()]
    np.testing.assert_allclose(best.local, nearest, atol=0.05)
