"""What LGD is trained to make small: errors of Theta_1 .. Theta_N against the truth.

Functions take one state of one example; `training` sums over steps and averages over the batch.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ief_jax import checks
from ief_jax.geometry import camera, keypoints2d, rotations
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import gauss_newton, parameters, reprojection
from ief_jax.lgd.parameters import Body, Theta


class Truth(NamedTuple):
    """The body that was seen.

    Attributes:
      body: its rotations and betas.
      points: [P, 3] its joints and landmarks, metres.
      view: the camera, of normalised coordinates.
      keypoints: [K, 2] where its keypoints are seen, normalised, before any noise.
    """

    body: Body
    points: jax.Array
    view: camera.WeakPerspective
    keypoints: jax.Array


def check(problem: reprojection.Problem, truth: Truth) -> None:
    """Raises ValueError unless the truth is that of one example of the problem."""
    parameters.check(truth.body, problem.model.betas, "truth.body")
    camera.check(truth.view)
    checks.arrays(
        ("truth.points", truth.points, "[P, 3] joints and landmarks, metres"),
        ("truth.keypoints", truth.keypoints, "[K, 2] normalised"),
        P=len(problem.model.names),
        K=len(problem.selection),
    )


def parameter_loss(problem: reprojection.Problem, theta: Theta, truth: Truth) -> jax.Array:
    """The paper's loss: |Theta_n - Theta_gt|_1 (Algorithm 1)."""
    check(problem, truth)
    target = problem.parameterisation.encode(truth.body, truth.view)
    return jnp.abs(parameters.flatten(theta) - parameters.flatten(target)).sum()


JOINT_WEIGHT = 5.0
REPROJECTION_WEIGHT = 0.04
PARAMETER_WEIGHT = 0.065
PRIOR_WEIGHT = 0.005
KEYPOINT_WEIGHT = 0.005
REFINED_WEIGHT = 4.0
"""Of the losses on the body after the second-order steps, beside those on each learned step's."""
REFINED_STEPS = 2
"""Second-order steps that are trained through. A third changes errors by less than 0.1 mm."""


def body_loss(
    problem: reprojection.Problem, theta: Theta, observed: Keypoints2D, truth: Truth
) -> jax.Array:
    """Errors of parameters, of the joints in space and of the keypoints in the image, L1 all.

    Joints are those of the skeleton (24) relative to the pelvis, in metres.
    """
    check(problem, truth)
    again = reprojection.reproject(problem, theta, observed)
    joints = len(problem.model.parents)
    difference = again.points[:joints] - truth.points[:joints]
    in_space = jnp.abs(difference - difference[:1]).sum()
    keypoints = camera.project(again.view, problem.selection @ again.points, observed.intrinsics)
    in_image = jnp.abs(keypoints - truth.keypoints).sum()
    return (
        PARAMETER_WEIGHT * parameter_loss(problem, theta, truth)
        + JOINT_WEIGHT * in_space
        + REPROJECTION_WEIGHT * in_image
    )


def prior_loss(prior: gauss_newton.GaussianPrior, truth: Truth) -> jax.Array:
    """Negative log-likelihood of the truth under a prior, over the deviations alone.

    The prior's mean is taken as given: this trains how far off it is, not to be less so.
    """
    parameters.check(truth.body, len(prior.betas_deviation), "truth.body")
    turned = rotations.compose(jnp.swapaxes(prior.body.local, -1, -2), truth.body.local)
    errors = (
        rotations.matrix_to_axis_angle(turned).reshape(-1),
        truth.body.betas - prior.body.betas,
    )
    deviations = (prior.turn_deviation.reshape(-1), prior.betas_deviation)
    error = jax.lax.stop_gradient(jnp.concatenate(errors))
    return _negative_log_likelihood(error, jnp.concatenate(deviations)).sum()


def keypoint_loss(deviation: jax.Array, observed: Keypoints2D, truth: Truth) -> jax.Array:
    """Negative log-likelihood of where the keypoints were observed, given where they are: [].

    Args:
      deviation: [K] that the network states for the observed coordinates.
      observed: the keypoints as the network saw them; hidden ones do not count.
      truth: the body that was seen.
    """
    keypoints2d.check(observed, K=len(deviation))
    error = jnp.abs(observed.points - truth.keypoints).mean(-1)
    seen = observed.confidence > 0
    return jnp.where(seen, _negative_log_likelihood(error, deviation), 0.0).sum()


def _negative_log_likelihood(error: jax.Array, deviation: jax.Array) -> jax.Array:
    # -log of Laplace's density, log s + |e| / s + const: its best s is the mean absolute error,
    # so that the few bodies seen back to front do not rule it as they would a Gaussian's.
    return jnp.log(deviation) + jnp.abs(error) / deviation
