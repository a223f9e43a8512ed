"""The whole fit of a batch: normalise, learned steps, second-order steps."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ief_jax import checks
from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d
from ief_jax.io import checkpoint_files
from ief_jax.lgd import build, gauss_newton, iteration, reprojection
from ief_jax.lgd.config import LGDConfig
from ief_jax.lgd.parameters import Body, Theta


def second_order_states(
    configuration: LGDConfig,
    task: reprojection.Problem,
    theta: Theta,
    logits: jax.Array,
    observed: keypoints2d.Keypoints2D,
) -> Theta:
    """The states after each second-order step, for one example: groups of [steps, d].

    Args:
      configuration: how many steps.
      task: the body.
      theta: where the learned steps ended.
      logits: what the network put out beyond its last update: how sure it is.
      observed: normalised keypoints.
    """
    prior = gauss_newton.gaussian_prior(task.parameterisation.body(theta), logits)
    measurement = gauss_newton.Measurement(task.model, task.selection, observed)

    def encode(body: Body) -> Theta:
        points = joints.positions(task.model, body.local, body.betas)
        view = camera.solve_weak(task.selection @ points, observed.points, observed.confidence)
        return task.parameterisation.encode(body, view)

    bodies = gauss_newton.map_estimate(measurement, prior, configuration.second_order_steps)
    return jax.vmap(encode)(bodies)


class Run(NamedTuple):
    """A batch of N fits.

    Attributes:
      states: Theta_0, after each learned and then each second-order step: [T + 1 + S, N, d].
      record: what each learned step saw: [T, N, ...].
      observed: the normalised keypoints, [N, ...].
      frame: the squares they were normalised in, [N, ...].
    """

    states: Theta
    record: iteration.StepRecord
    observed: keypoints2d.Keypoints2D
    frame: keypoints2d.Square


def infer(
    configuration: LGDConfig,
    steps: int,
    weights: checkpoint_files.Weights,
    model: joints.JointModel,
    points: jax.Array,
    confidence: jax.Array,
) -> Run:
    """Normalises keypoints [N, 18, 2] and runs all steps on them; none if `steps` is 0."""
    checks.count("steps", steps)
    keypoints2d.check_batch(keypoints2d.Keypoints2D(points, confidence), K=len(build.LAYOUT))
    task = build.problem(configuration, model)
    # A keypoint that the body has no point for (no landmarks, say) is as good as hidden.
    known = (task.selection.sum(1) > 0).astype(confidence.dtype)
    pixels = keypoints2d.Keypoints2D(points, confidence * known[None])
    square = jax.vmap(keypoints2d.bounding_square)(pixels)
    observed = jax.vmap(keypoints2d.normalise)(pixels, square)
    propose = build.proposal(configuration, task, weights)
    if configuration.symmetric:
        propose = iteration.mirror_averaged(propose, gauss_newton.mirror_logits)
    states, record = iteration.unroll(task, propose, observed, steps)
    if configuration.second_order_steps and steps:
        last = jax.tree.map(lambda group: group[-1], states)
        further = jax.vmap(partial(second_order_states, configuration, task), out_axes=1)
        states = jax.tree.map(
            lambda a, b: jnp.concatenate([a, b]), states, further(last, record.extra[-1], observed)
        )
    return Run(states, record, observed, square)
