"""What a network puts out beyond its update, how sure it is, as a prior and a measurement."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import smpl
from ief_jax.geometry import keypoints2d
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import parameters, reprojection
from ief_jax.lgd.gauss_newton import TYPICAL_NOISE, GaussianPrior, Measurement
from ief_jax.lgd.parameters import OPPOSITE, Body, Theta

TYPICAL_TURN = 0.15
TYPICAL_BETA = 0.8
LEAST_DEVIATION = 2e-3
"""Lower bound of every deviation, radians and betas alike."""


class Uncertainty(NamedTuple):
    """How sure the network is, as it puts it out: logarithms, zero for the typical.

    Attributes:
      turn: [24, 3] of each joint's angles.
      betas: [B] of the shape.
      keypoints: [K] of where the keypoints were observed.
    """

    turn: jax.Array
    betas: jax.Array
    keypoints: jax.Array


def output_size(betas: int, keypoints: int) -> int:
    """How many numbers an `Uncertainty` has."""
    return 3 * smpl.JOINTS + betas + keypoints


def uncertainty(outputs: jax.Array, betas: int) -> Uncertainty:
    """What a network puts out beyond its update, [72 + B + K]."""
    checks.arrays(("outputs", outputs, "[D] of 72 angles, betas and keypoints"))
    turn, shape, keypoints = jnp.split(outputs, [3 * smpl.JOINTS, 3 * smpl.JOINTS + betas])
    return Uncertainty(turn.reshape(smpl.JOINTS, 3), shape, keypoints)


def keypoint_deviation(logits: jax.Array, observed: Keypoints2D) -> jax.Array:
    """Standard deviation of each observed keypoint's coordinates: [K], normalised units."""
    keypoints2d.check(observed, K=len(logits))
    # s = (s_min + s_0 exp(l)) / c
    deviation = 0.1 * TYPICAL_NOISE + TYPICAL_NOISE * jnp.exp(jnp.clip(logits, -4, 4))
    return deviation / jnp.maximum(observed.confidence, 0.05)


def correlation_of(factor: jax.Array) -> jax.Array:
    """Correlation matrix of a displacement, the same for a person and its mirror image: [M, M].

    Where one joint is turned too far, its child is turned back: errors that a network makes of
    angles are not independent, and one correlation of all of them is learned.

    Args:
      factor: F [M, M], none of whose rows is zero.
    """
    checks.arrays(("factor", factor, "[M, M] of turns and betas"), M=len(factor))

    def mirror(displacement: jax.Array) -> jax.Array:
        turn, betas = jnp.split(displacement, [3 * smpl.JOINTS])
        turn = parameters.mirror_axis_angle(turn.reshape(smpl.JOINTS, 3))
        return jnp.concatenate([turn.reshape(-1), betas])

    rows = factor * jax.lax.rsqrt((factor**2).sum(1, keepdims=True))
    mirrored = jax.vmap(mirror, 1, 1)(rows)
    # C = (N N^T + P N N^T P) / 2, N the rows of F at unit length, P mirroring
    both = jnp.concatenate([rows, mirrored], 1)
    return jnp.matmul(both, both.T, precision=jax.lax.Precision.HIGHEST) / 2


def gaussian_prior(body: Body, sure: Uncertainty, correlation: jax.Array) -> GaussianPrior:
    """A prior around `body`, as sure as the network is; `correlation` [M, M] as it has it."""
    parameters.check(body, betas=len(sure.betas))
    checks.arrays(("sure.turn", sure.turn, "[24, 3] log of the angles' deviations"))
    # s = s_min + s_0 exp(l), with a typical s_0 for each kind
    return GaussianPrior(
        body,
        LEAST_DEVIATION + TYPICAL_TURN * jnp.exp(jnp.clip(sure.turn, -5, 2)),
        LEAST_DEVIATION + TYPICAL_BETA * jnp.exp(jnp.clip(sure.betas, -5, 2)),
        correlation,
    )


def mirror_outputs(outputs: jax.Array, opposite: np.ndarray) -> jax.Array:
    """What the network would put out, as `uncertainty` takes it, for the mirror image.

    Args:
      outputs: [72 + B + K].
      opposite: [K] each keypoint's counterpart on the other side.
    """
    sure = uncertainty(outputs, len(outputs) - 3 * smpl.JOINTS - len(opposite))
    return jnp.concatenate([sure.turn[OPPOSITE].reshape(-1), sure.betas, sure.keypoints[opposite]])


class Belief(NamedTuple):
    """What the learned steps leave to the second-order ones, of one example.

    Attributes:
      prior: the body that they led to, and how sure the network is of it.
      measurement: the keypoints, and how sure the network is of them.
    """

    prior: GaussianPrior
    measurement: Measurement


def of_outputs(
    task: reprojection.Problem,
    correlation: jax.Array,
    theta: Theta,
    outputs: jax.Array,
    observed: Keypoints2D,
) -> Belief:
    """Prior and measurement of one example.

    Args:
      task: the body.
      correlation: of the prior, `correlation_of`.
      theta: where the learned steps ended.
      outputs: what the network put out beyond its last update: how sure it is.
      observed: normalised keypoints.
    """
    sure = uncertainty(outputs, task.model.betas)
    prior = gaussian_prior(task.parameterisation.body(theta), sure, correlation)
    deviation = keypoint_deviation(sure.keypoints, observed)
    return Belief(prior, Measurement(task.model, task.selection, observed, deviation))
