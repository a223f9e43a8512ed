"""The whole fit of a batch: normalise, learned steps, second-order steps."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ief_jax import checks
from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d
from ief_jax.io import checkpoint_files
from ief_jax.lgd import belief, build, gauss_newton, iteration, reprojection, upright
from ief_jax.lgd.config import LGDConfig
from ief_jax.lgd.parameters import Body, Theta


class Refined(NamedTuple):
    """What second-order steps led to, of one example.

    Attributes:
      states: after each step: groups of [steps, d].
      spread: how far off the joints may be after the last.
    """

    states: Theta
    spread: gauss_newton.Spread


def second_order_states(
    configuration: LGDConfig,
    task: reprojection.Problem,
    correlation: jax.Array,
    theta: Theta,
    outputs: jax.Array,
    observed: keypoints2d.Keypoints2D,
) -> Refined:
    """The second-order steps of one example.

    Arguments as for `belief.of_outputs`; the configuration says how many steps.
    """
    prior, measurement = belief.of_outputs(task, correlation, theta, outputs, observed)
    found = gauss_newton.map_estimate(measurement, prior, configuration.second_order_steps)
    states = jax.vmap(lambda body: state_of_body(task, body, observed))(found.bodies)
    return Refined(states, found.spread)


def state_of_body(
    task: reprojection.Problem, body: Body, observed: keypoints2d.Keypoints2D
) -> Theta:
    """Theta of a body, seen by the camera that fits the keypoints best."""
    points = joints.positions(task.model, body.local, body.betas)
    view = camera.solve_weak(
        task.selection @ points, observed.points, observed.weights, observed.intrinsics
    )
    return task.parameterisation.encode(body, view)


ASSUMED_INVERSE_FOCAL = 0.1
"""1 / f, per half a side of a person's square, where the lens is not known: a standing adult is
then about 9 m away, and in the middle of the picture. Between 0.2 and 0 (weak perspective) it costs
least where the camera may be near or far."""


def to_normalised(
    pixels: keypoints2d.Keypoints2D,
) -> tuple[keypoints2d.Square, keypoints2d.Keypoints2D]:
    """A person's upright square, and the keypoints in it, as the networks see them."""
    square = keypoints2d.bounding_square(pixels, upright.turn(pixels, build.HEIGHTS))
    observed = keypoints2d.normalise(pixels, square)
    if observed.intrinsics is None:
        observed = observed._replace(intrinsics=assumed_lens())
    return square, observed


def assumed_lens() -> camera.Intrinsics:
    """The lens that is taken where none is known, of normalised coordinates."""
    return camera.Intrinsics(jnp.float32(ASSUMED_INVERSE_FOCAL), jnp.zeros(2))


class Run(NamedTuple):
    """A batch of N fits.

    Attributes:
      states: Theta_0, after each learned and then each second-order step: [T + 1 + S, N, d].
      record: what each learned step saw: [T, N, ...].
      observed: the normalised keypoints, [N, ...].
      frame: the squares they were normalised in, [N, ...].
      spread: [N, 24] how far off the joints may be; None without second-order steps.
    """

    states: Theta
    record: iteration.StepRecord
    observed: keypoints2d.Keypoints2D
    frame: keypoints2d.Square
    spread: gauss_newton.Spread | None


def infer(
    configuration: LGDConfig,
    steps: int,
    weights: checkpoint_files.Weights,
    model: joints.JointModel,
    pixels: keypoints2d.Keypoints2D,
) -> Run:
    """Normalises N people's keypoints and runs all steps on them; none if `steps` is 0.

    Without intrinsics `ASSUMED_INVERSE_FOCAL` is taken.
    """
    checks.count("steps", steps)
    keypoints2d.check_batch(pixels, K=len(build.LAYOUT))
    task = build.problem(configuration, model)
    # A keypoint that the body has no point for (no landmarks, say) is as good as hidden.
    known = (task.selection.sum(1) > 0).astype(pixels.confidence.dtype)
    pixels = pixels._replace(confidence=pixels.confidence * known[None])
    square, observed = jax.vmap(to_normalised)(pixels)
    propose = build.proposal(configuration, task, weights)
    if configuration.symmetric:
        mirror = partial(belief.mirror_outputs, opposite=task.opposite)
        propose = iteration.mirror_averaged(propose, mirror)
    states, record = iteration.unroll(task, propose, observed, steps)
    spread = None
    if configuration.second_order_steps and steps:
        last = jax.tree.map(lambda group: group[-1], states)
        refine = partial(second_order_states, configuration, task, build.correlation(weights))
        refined = jax.vmap(refine)(last, record.extra[-1], observed)
        spread = refined.spread
        further = jax.tree.map(lambda group: jnp.swapaxes(group, 0, 1), refined.states)
        states = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), states, further)
    return Run(states, record, observed, square, spread)
