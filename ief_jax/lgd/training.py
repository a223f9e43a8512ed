"""Training LGD: examples made on the device, and the loss through the unrolled steps.

Nothing here reads files or keeps state: `train.py lgd` runs these functions.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d
from ief_jax.io import checkpoint_files
from ief_jax.lgd import (
    belief,
    build,
    detector_errors,
    gauss_newton,
    inference,
    iteration,
    losses,
    reprojection,
    synthetic_views,
    training_people,
    upright,
)
from ief_jax.lgd.config import LGDConfig
from ief_jax.lgd.losses import Truth
from ief_jax.lgd.parameters import Body, Theta


class Cameras(NamedTuple):
    """How people are seen.

    Attributes:
      orthographic: share of the cameras that are infinitely far away, and known to be.
      unknown: share of the others whose lens the network is not told of.
      focal_error: standard deviation of the log of the focal length that the network is told, in
        half of the cases where it is told one.
      level: share of the perspective cameras that are level. Most photographs are taken so: where
        more are pitched, a person whose trunk looks a little short is taken to be seen from above.
    """

    orthographic: float = 0.25
    unknown: float = 0.35
    focal_error: float = 0.15
    level: float = 0.8


TYPICAL_CAMERAS = Cameras()


def example(
    key: jax.Array,
    item: Any,
    draw: training_people.Draw,
    task: reprojection.Problem,
    rates: detector_errors.Rates = detector_errors.TYPICAL,
    cameras: Cameras = TYPICAL_CAMERAS,
) -> tuple[keypoints2d.Keypoints2D, Truth]:
    """One training example: normalised keypoints, and the truth (Algorithm 1)."""
    pose_key, near_key, far_key, kind_key, *keys = jax.random.split(key, 8)
    skeleton_key, offset_key, error_key, lens_key = keys
    # theta_gt, beta_gt, R_gt, t_gt, s_gt, x_gt
    person = draw(pose_key, item)
    body = task.model, task.selection, person.pose, person.betas
    kind, unknown, noisy, lossy, offset = jax.random.uniform(kind_key, (5,))
    far = kind < cameras.orthographic
    truth = jax.tree.map(
        lambda a, b: jnp.where(far, a, b),
        synthetic_views.view_body(far_key, *body),
        synthetic_views.view_body_in_perspective(near_key, *body, cameras.level),
    )

    # What a detector makes of it: its keypoints lie elsewhere on the body, and it errs
    is_noisy = noisy >= rates.clean
    skeleton = detector_errors.draw_skeleton(skeleton_key)
    moved = detector_errors.moved_points(
        offset_key,
        task.model,
        truth.local,
        skeleton,
        jnp.where(is_noisy & (offset < rates.offset), 1.0, 0.0),
    )
    points = joints.positions(task.model, truth.local, truth.betas)
    elsewhere = camera.project(truth.camera, task.selection @ points + moved, truth.intrinsics)
    pixels = detector_errors.detect(
        error_key, elsewhere, skeleton, rates, is_noisy, lossy >= rates.clean
    )
    told = truth.intrinsics._replace(
        inverse_focal=truth.intrinsics.inverse_focal * _focal_error(lens_key, cameras)
    )
    square, observed = inference.to_normalised(pixels._replace(intrinsics=told))
    is_unknown = ~far & (unknown < cameras.unknown)
    lens = jax.tree.map(
        lambda a, b: jnp.where(is_unknown, a, b), inference.assumed_lens(), observed.intrinsics
    )
    observed = observed._replace(intrinsics=lens)

    upright_body, view = upright.to_square(
        task.model, Body(truth.local, truth.betas), truth.camera, square
    )
    seen = keypoints2d.normalise(
        keypoints2d.Keypoints2D(truth.points, truth.confidence), square
    ).points
    return observed, Truth(
        upright_body,
        joints.positions(task.model, upright_body.local, upright_body.betas),
        view,
        seen,
    )


def _focal_error(key: jax.Array, cameras: Cameras) -> jax.Array:
    """The factor by which the stated inverse focal length is off: [], 1 half the time."""
    which, size = jax.random.split(key)
    wrong = jnp.exp(cameras.focal_error * jax.random.normal(size))
    return jnp.where(jax.random.uniform(which) < 0.5, 1.0, wrong)


Loss = Callable[[checkpoint_files.Weights, keypoints2d.Keypoints2D, Truth], jax.Array]
"""(weights, observed [B], truth [B]) to the mean loss."""

LossAndSteps = Callable[
    [checkpoint_files.Weights, keypoints2d.Keypoints2D, Truth],
    tuple[jax.Array, dict[str, jax.Array]],
]
"""As `Loss`, with numbers by name."""


def loss(
    configuration: LGDConfig, task: reprojection.Problem, compute: DTypeLike | None = None
) -> Loss:
    """The training loss of a configuration, as in `loss_and_steps`."""
    both = loss_and_steps(configuration, task, compute)
    return lambda weights, observed, truth: both(weights, observed, truth)[0]


def loss_and_steps(
    configuration: LGDConfig, task: reprojection.Problem, compute: DTypeLike | None = None
) -> LossAndSteps:
    """The training loss of a configuration, and what its learned steps do.

    The sum over the steps n = 1 .. N of the paper's parameter loss; with second-order steps, of
    the losses on the body and of the prior about it, and the loss on the body that second-order
    steps make of the last one.

    The numbers are means over the batch: `error/step n`, L(Theta_n) of n = 0 .. N, and `cosine/step
    n`, between the n-th update Theta_n - Theta_{n-1} and the negative gradient before it.

    Args:
      configuration: of the network.
      task: the problem on the body that is trained with.
      compute: dtype that the network is computed in, by default that of its weights; bodies,
        cameras, losses and the gradients that the network sees stay as they are.
    """

    def of_refined(
        correlation: jax.Array,
        theta: Theta,
        outputs: jax.Array,
        observed: keypoints2d.Keypoints2D,
        truth: Truth,
    ) -> jax.Array:
        prior, measurement = belief.of_outputs(task, correlation, theta, outputs, observed)
        steps = min(configuration.second_order_steps, losses.REFINED_STEPS)
        body = gauss_newton.most_probable(measurement, prior, steps)
        return losses.REFINED_WEIGHT * losses.body_loss(
            task, inference.state_of_body(task, body, observed), observed, truth
        )

    def of_state(
        correlation: jax.Array | None,
        theta: Theta,
        outputs: jax.Array,
        observed: keypoints2d.Keypoints2D,
        truth: Truth,
    ) -> jax.Array:
        if correlation is None:
            return losses.parameter_loss(task, theta, truth)
        prior, measurement = belief.of_outputs(task, correlation, theta, outputs, observed)
        return (
            losses.body_loss(task, theta, observed, truth)
            + losses.PRIOR_WEIGHT * losses.prior_loss(prior, truth)
            + losses.KEYPOINT_WEIGHT * losses.keypoint_loss(measurement.deviation, observed, truth)
        )

    def total(
        weights: checkpoint_files.Weights, observed: keypoints2d.Keypoints2D, truth: Truth
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        propose = build.proposal(configuration, task, weights, compute)
        states, record = iteration.unroll(
            task, propose, observed, configuration.steps, reprojection.detached_error_and_gradient
        )
        after = jax.tree.map(lambda group: group[1:], states)
        correlation = None
        if configuration.second_order_steps:
            correlation = build.correlation(weights)
        over_batch = jax.vmap(partial(of_state, correlation))
        over_steps = jax.vmap(over_batch, in_axes=(0, 0, None, None))
        value = over_steps(after, record.extra, observed, truth).mean(1).sum()
        if correlation is not None:
            last, outputs = jax.tree.map(lambda group: group[-1], (states, record.extra))
            over_batch = jax.vmap(partial(of_refined, correlation))
            value += over_batch(last, outputs, observed, truth).mean()
        return value, what_steps_do(task, states, record, observed)

    return total


def what_steps_do(
    task: reprojection.Problem,
    states: Theta,
    record: iteration.StepRecord,
    observed: keypoints2d.Keypoints2D,
) -> dict[str, jax.Array]:
    """The numbers of `loss_and_steps`, of a batch's states [N + 1, B, d] and what each step saw."""
    last = jax.tree.map(lambda group: group[-1], states)
    after = jax.vmap(partial(reprojection.reprojection_error, task))(last, observed)
    errors = jnp.concatenate([record.error, after[None]]).mean(1)
    update = _flat(jax.tree.map(lambda group: jnp.diff(group, axis=0), states))
    gradient = _flat(record.gradient)
    lengths = jnp.linalg.norm(update, axis=-1) * jnp.linalg.norm(gradient, axis=-1)
    # cos(Theta_{n+1} - Theta_n, -dL/dTheta_n)
    cosines = -((update * gradient).sum(-1) / jnp.maximum(lengths, 1e-12)).mean(1)
    return {
        **{f"error/step {n}": error for n, error in enumerate(errors)},
        **{f"cosine/step {n}": cosine for n, cosine in enumerate(cosines, 1)},
    }


def _flat(groups: Theta) -> jax.Array:
    """[..., D] of groups [..., d]."""
    return jnp.concatenate(list(groups.values()), axis=-1)
