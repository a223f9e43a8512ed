"""The hand-tuned optimiser that LGD is measured against, in the manner of SMPLify.

Bogo et al., "Keep it SMPL" (2016): gradient descent on a robust reprojection error, a mixture of
Gaussians over poses and a penalty on the shape, from one start or several. Differences: Adam on
all variables at once, the weak-perspective camera solved in closed form at every step, no
interpenetration term. People are independent of each other: vmap gives batches.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from ief_jax import checks
from ief_jax.body import joints, smpl
from ief_jax.body.pose_prior import PosePrior, gaussian_energy, largest_component
from ief_jax.geometry import camera, keypoints2d, rotations

YAWS = (0.0, jnp.pi / 2, jnp.pi, -jnp.pi / 2)
"""Directions in which the restarts face, radians; a single start faces the camera."""


class Settings(NamedTuple):
    """Weights and step sizes, tuned on CMU validation subjects (data/pose_prior/README.md).

    Attributes:
      steps: Adam steps from each start (static).
      rate: first step size, radians; it falls along a cosine to `last_rate`.
      last_rate: last step size.
      deviation: of the keypoints, as a share of half the side of the person's box.
      robust: residual at which a keypoint's influence saturates, same unit.
      prior: factor of both priors at the start; it falls geometrically to 1 ...
      annealed: ... by this share of the steps.
      mixture: share of the steps after which the mixture begins to replace the single Gaussian.
    """

    steps: int = 200
    rate: float = 0.1
    last_rate: float = 0.01
    deviation: float = 0.005
    robust: float = 0.1
    prior: float = 30.0
    annealed: float = 0.7
    mixture: float = 0.3


TUNED = Settings()


class Variables(NamedTuple):
    """What is optimised: pose [63] and rotation [3] axis-angle, betas [B]."""

    pose: jax.Array
    rotation: jax.Array
    betas: jax.Array


class Fit(NamedTuple):
    """A body: local rotations [24, 3, 3], betas [B], and its final objective []."""

    local: jax.Array
    betas: jax.Array
    objective: jax.Array


class Problem(NamedTuple):
    """What stays fixed while one person is fitted.

    Attributes:
      model: the body.
      selection: [K, P] from the body's points to the keypoints.
      prior: over poses.
      observed: the keypoints, normalised to the square round them.
    """

    model: joints.JointModel
    selection: jax.Array
    prior: PosePrior
    observed: keypoints2d.Keypoints2D


def check(problem: Problem) -> None:
    """Raises ValueError unless keypoints and body belong together."""
    checks.arrays(
        ("problem.selection", problem.selection, "[K, P] from a body's points to the keypoints"),
        P=len(problem.model.names),
    )
    keypoints2d.check(problem.observed, K=len(problem.selection))


def body(variables: Variables, yaw: float | jax.Array) -> jax.Array:
    """Local rotations [24, 3, 3] of a body whose start faces `yaw`; its hands are straight."""
    checks.arrays(
        ("variables.pose", variables.pose, "[63] axis-angle, radians"),
        ("variables.rotation", variables.rotation, "[3] axis-angle, radians"),
        ("yaw", yaw, "[] radians"),
    )
    root = rotations.axis_angle_to_matrix(variables.rotation) @ rotations.axis_angle_to_matrix(
        jnp.array([0.0, 1.0, 0.0]) * yaw
    )
    posed = rotations.axis_angle_to_matrix(variables.pose.reshape(-1, 3))
    hands = jnp.broadcast_to(jnp.eye(3), (smpl.JOINTS - 1 - len(posed), 3, 3))
    return jnp.concatenate([root[None], posed, hands])


def objective(
    problem: Problem,
    variables: Variables,
    yaw: float | jax.Array,
    deviation: float,
    robust: float,
    prior_weight: float | jax.Array = 1.0,
    mixture: float | jax.Array = 1.0,
) -> jax.Array:
    """Negative log posterior of a body, up to a constant: [].

    Args:
      problem: what is observed, of which body.
      variables: the body.
      yaw: where its start faces, radians.
      deviation: of the keypoints, normalised units.
      robust: residual at which a keypoint's influence saturates, normalised units.
      prior_weight: factor of the priors.
      mixture: 0 takes the single Gaussian as the pose prior, 1 the mixture; between, a blend.
    """
    check(problem)
    observed = problem.observed
    points = problem.selection @ joints.positions(
        problem.model, body(variables, yaw), variables.betas
    )
    view = camera.solve_weak(points, observed.points, observed.weights, observed.intrinsics)
    estimate = camera.project(view, points, observed.intrinsics)
    squared = ((estimate - observed.points) ** 2).sum(-1)
    # E_J = sum_i c_i^2 rho(x^_i - x_i) / (2 sigma^2), rho(r) = r^2 / (1 + r^2 / rho_0^2)
    reprojection = (observed.weights * squared / (1 + squared / robust**2)).sum() / (
        2 * deviation**2
    )
    # E_theta = -max_c log(w_c N(theta; mu_c, S_c)), Bogo et al. Eq. 5
    likeliest = -largest_component(problem.prior, variables.pose)
    single = gaussian_energy(problem.prior, variables.pose)
    pose = single + mixture * (likeliest - single)
    # E_beta = |beta|^2 / 2
    shape = 0.5 * (variables.betas**2).sum()
    return reprojection + prior_weight * (pose + shape)


def fit_from(problem: Problem, yaw: float | jax.Array, settings: Settings) -> Fit:
    """Optimises one person from the mean pose turned by `yaw`."""
    optimiser = optax.adam(
        optax.cosine_decay_schedule(
            settings.rate, settings.steps, settings.last_rate / settings.rate
        )
    )
    start = Variables(problem.prior.mean, jnp.zeros(3), jnp.zeros(problem.model.betas))

    def step(
        carry: tuple[Variables, optax.OptState], t: jax.Array
    ) -> tuple[tuple[Variables, optax.OptState], None]:
        variables, state = carry
        done = t / settings.steps
        left = jnp.clip(1 - done / settings.annealed, 0.0)
        # The mixture fades in over a fifth of the steps.
        mixture = jnp.clip((done - settings.mixture) / 0.2, 0.0, 1.0)
        gradient = jax.grad(objective, argnums=1)(
            problem,
            variables,
            yaw,
            settings.deviation,
            settings.robust,
            settings.prior**left,
            mixture,
        )
        update, state = optimiser.update(gradient, state)
        return (optax.apply_updates(variables, update), state), None

    (variables, _), _ = jax.lax.scan(
        step, (start, optimiser.init(start)), jnp.arange(settings.steps)
    )
    final = objective(problem, variables, yaw, settings.deviation, settings.robust)
    return Fit(body(variables, yaw), variables.betas, final)


def fit(problem: Problem, settings: Settings = TUNED, yaws: tuple[float, ...] = YAWS) -> Fit:
    """The best by final objective of the fits from several directions, for one person."""
    check(problem)
    fits = jax.vmap(lambda yaw: fit_from(problem, yaw, settings))(jnp.asarray(yaws))
    best = fits.objective.argmin()
    return jax.tree.map(lambda leaves: leaves[best], fits)
