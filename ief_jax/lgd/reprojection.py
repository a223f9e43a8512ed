"""L: how far a body's keypoints are from the observed ones, and its gradient (LGD, Eq. 1)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd.parameters import Body, Parameterisation, Theta

ROBUST_SCALE = 0.1
"""Residual, in normalised image units, from which the error grows linearly."""


class Problem(NamedTuple):
    """What stays the same during a fit and from person to person.

    Attributes:
      parameterisation: what Theta stands for.
      model: the body.
      selection: [K, P] from the body's points to the keypoints (`skeletons.selection`).
      opposite: [K] each keypoint's counterpart on the other side (`skeletons.opposite`).
    """

    parameterisation: Parameterisation
    model: joints.JointModel
    selection: jax.Array
    opposite: np.ndarray


class Reprojection(NamedTuple):
    """A body seen again: the body, its camera, its points [P, 3] and keypoints x^ [K, 2]."""

    body: Body
    view: camera.WeakPerspective
    points: jax.Array
    keypoints: jax.Array


def check(problem: Problem, theta: Theta, observed: Keypoints2D) -> None:
    """Raises ValueError unless state and keypoints are those of one example of the problem."""
    zero = jax.eval_shape(lambda: problem.parameterisation.start(problem.model.betas))
    checks.same("theta", theta, zero, "the groups of the parameterisation")
    checks.arrays(
        ("problem.selection", problem.selection, "[K, P] from a body's points to the keypoints"),
        P=len(problem.model.names),
    )
    keypoints2d.check(observed, K=len(problem.selection))


def reproject(problem: Problem, theta: Theta, observed: Keypoints2D) -> Reprojection:
    """x^ = s Pi(R X(theta, beta)) + t of one example (Eq. 1).

    With intrinsics Pi runs along the observed keypoints' own lines of sight (`camera.along`).
    """
    check(problem, theta, observed)
    body = problem.parameterisation.body(theta)
    points = joints.positions(problem.model, body.local, body.betas)
    # X = W M(theta, beta)
    keypoints = problem.selection @ points
    view = problem.parameterisation.view(theta, keypoints, observed)
    plane = camera.along(keypoints, camera.slopes(observed.points, observed.intrinsics))
    # x^ = s Pi(X) + t
    return Reprojection(body, view, points, view.scale * plane + view.translation[None])


def robust_error(estimate: jax.Array, observed: Keypoints2D) -> jax.Array:
    """Sum over keypoints of c_i^2 rho(|x^_i - x_i|), rho the pseudo-Huber function: []."""
    checks.arrays(("estimate", estimate, "[K, 2] keypoints"))
    keypoints2d.check(observed, K=len(estimate))
    # rho(r) = 2 d^2 (sqrt(1 + r^2 / d^2) - 1): r^2 near zero, 2 d r far away
    squared = ((estimate - observed.points) ** 2).sum(-1) / ROBUST_SCALE**2
    return (observed.weights * 2 * ROBUST_SCALE**2 * (jnp.sqrt(1 + squared) - 1)).sum()


def reprojection_error(problem: Problem, theta: Theta, observed: Keypoints2D) -> jax.Array:
    """L(Theta) of one example: how far the body's keypoints are from the observed ones."""
    return robust_error(reproject(problem, theta, observed).keypoints, observed)


class ErrorAndGradient(NamedTuple):
    """The error of one example, and its gradient dL/dTheta."""

    error: jax.Array
    gradient: Theta


GradientFunction = Callable[[Problem, Theta, Keypoints2D], ErrorAndGradient]


def error_and_gradient(problem: Problem, theta: Theta, observed: Keypoints2D) -> ErrorAndGradient:
    """L(Theta) and dL/dTheta of one example, by `jax.value_and_grad`."""
    return ErrorAndGradient(
        *jax.value_and_grad(reprojection_error, argnums=1)(problem, theta, observed)
    )


def detached_error_and_gradient(
    problem: Problem, theta: Theta, observed: Keypoints2D
) -> ErrorAndGradient:
    """As `error_and_gradient`, for training, which does not differentiate through the gradient."""
    return jax.lax.stop_gradient(error_and_gradient(problem, theta, observed))
