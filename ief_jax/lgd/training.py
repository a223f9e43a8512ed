"""Training LGD: examples made on the device, and the loss through the unrolled steps.

Nothing here reads files or keeps state: `train.py lgd` runs these functions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import joints, pose_prior
from ief_jax.body.poses import Poses
from ief_jax.geometry import keypoints2d
from ief_jax.io import checkpoint_files
from ief_jax.lgd import (
    build,
    gauss_newton,
    iteration,
    losses,
    parameters,
    reprojection,
    synthetic_views,
)
from ief_jax.lgd.config import LGDConfig
from ief_jax.lgd.losses import Truth
from ief_jax.lgd.parameters import Body, Theta


class PoseAndShape(NamedTuple):
    """Who is drawn: a pose [24, 3], axis-angle, and betas [B]."""

    pose: jax.Array
    betas: jax.Array


Draw = Callable[[jax.Array, Any], PoseAndShape]
"""(a random key, an item from outside or None) to a person."""


def from_prior(prior: pose_prior.PosePrior, betas: int) -> Draw:
    """Draws poses from the prior, and standard normal betas."""

    def draw(key: jax.Array, item: Any) -> PoseAndShape:
        pose_key, shape_key = jax.random.split(key)
        return PoseAndShape(
            pose_prior.sample(prior, pose_key), jax.random.normal(shape_key, (betas,))
        )

    return draw


def from_poses(poses: jax.Array, betas: jax.Array | int, weights: np.ndarray) -> Draw:
    """Draws from [N, 24, 3] poses, mirrored half the time.

    Args:
      poses: axis-angle, the root first.
      betas: [N, B] of the same people, or B alone for standard normal ones.
      weights: [N] how often each pose is drawn; sums to one.
    """
    checks.arrays(("poses", poses, "[N, 24, 3] axis-angle, radians"), ("weights", weights, "[N]"))
    if not isinstance(betas, int):
        checks.arrays(("betas", betas, "[N, B] shape coefficients"), N=len(poses))
    cumulative = jnp.asarray(np.cumsum(weights), jnp.float32)

    def draw(key: jax.Array, item: Any) -> PoseAndShape:
        pose_key, shape_key = jax.random.split(key)
        which, side = jax.random.uniform(pose_key, (2,))
        chosen = jnp.minimum(jnp.searchsorted(cumulative, which), len(poses) - 1)
        pose = jnp.where(side < 0.5, parameters.mirror_axis_angle(poses[chosen]), poses[chosen])
        if isinstance(betas, int):
            return PoseAndShape(pose, jax.random.normal(shape_key, (betas,)))
        return PoseAndShape(pose, betas[chosen])

    return draw


def from_items(betas: int) -> Draw:
    """Takes the poses that come from outside, mirrored half the time.

    Items are `body.poses.Poses` of one pose [24, 3]; where they have no betas, those are
    standard normal.
    """

    def draw(key: jax.Array, item: Poses) -> PoseAndShape:
        side_key, shape_key = jax.random.split(key)
        pose = jnp.asarray(item.poses)
        mirrored = parameters.mirror_axis_angle(pose)
        pose = jnp.where(jax.random.uniform(side_key) < 0.5, mirrored, pose)
        if item.betas is None:
            return PoseAndShape(pose, jax.random.normal(shape_key, (betas,)))
        known = jnp.asarray(item.betas)[:betas]
        return PoseAndShape(pose, jnp.pad(known, (0, betas - len(known))))

    return draw


def mixed(first: Draw, second: Draw, share: float) -> Draw:
    """Draws from `second` in a share of the cases, else from `first`."""

    def draw(key: jax.Array, item: Any) -> PoseAndShape:
        choice, first_key, second_key = jax.random.split(key, 3)
        chosen = jax.random.uniform(choice) < share
        return jax.tree.map(
            lambda a, b: jnp.where(chosen, b, a), first(first_key, item), second(second_key, item)
        )

    return draw


class KeypointNoise(NamedTuple):
    """How training keypoints differ from true ones.

    Attributes:
      noise: largest standard deviation, as a share of the person's box.
      drop: largest probability that a keypoint is hidden.
      clean: share of the examples without noise, and (independently) without hidden keypoints.
    """

    noise: float = 0.02
    drop: float = 0.3
    clean: float = 0.35


def example(
    key: jax.Array,
    item: Any,
    draw: Draw,
    task: reprojection.Problem,
    keypoint_noise: KeypointNoise,
) -> tuple[keypoints2d.Keypoints2D, Truth]:
    """One training example: normalised keypoints, and the truth (Algorithm 1)."""
    pose_key, body_key, amount_key, noise_key = jax.random.split(key, 4)
    # theta_gt, beta_gt, R_gt, t_gt, s_gt, x_gt
    person = draw(pose_key, item)
    truth = synthetic_views.view_body(
        body_key, task.model, task.selection, person.pose, person.betas
    )
    noisy, noise, lossy, drop = jax.random.uniform(amount_key, (4,))
    points, confidence = synthetic_views.add_keypoint_noise(
        truth.points,
        truth.confidence,
        noise_key,
        jnp.where(noisy < keypoint_noise.clean, 0.0, noise * keypoint_noise.noise),
        jnp.where(lossy < keypoint_noise.clean, 0.0, drop * keypoint_noise.drop),
    )
    pixels = keypoints2d.Keypoints2D(points, confidence)
    square = keypoints2d.bounding_square(pixels)
    return keypoints2d.normalise(pixels, square), Truth(
        Body(truth.local, truth.betas),
        joints.positions(task.model, truth.local, truth.betas),
        keypoints2d.camera_to_square(truth.camera, square),
        keypoints2d.normalise(
            keypoints2d.Keypoints2D(truth.points, truth.confidence), square
        ).points,
    )


Loss = Callable[[checkpoint_files.Weights, keypoints2d.Keypoints2D, Truth], jax.Array]
"""(weights, observed [B], truth [B]) to the mean loss."""


def loss(configuration: LGDConfig, task: reprojection.Problem) -> Loss:
    """The training loss of a configuration.

    The sum over the steps n = 1 .. N of the paper's parameter loss; with second-order steps, of
    the losses on the body and of the prior about it.
    """

    def of_state(
        theta: Theta, logits: jax.Array, observed: keypoints2d.Keypoints2D, truth: Truth
    ) -> jax.Array:
        if not configuration.second_order_steps:
            return losses.parameter_loss(task, theta, truth)
        prior = gauss_newton.gaussian_prior(task.parameterisation.body(theta), logits)
        return losses.body_loss(task, theta, observed, truth) + (
            losses.PRIOR_WEIGHT * losses.prior_loss(prior, truth)
        )

    def total(
        weights: checkpoint_files.Weights, observed: keypoints2d.Keypoints2D, truth: Truth
    ) -> jax.Array:
        propose = build.proposal(configuration, task, weights)
        states, record = iteration.unroll(
            task, propose, observed, configuration.steps, reprojection.detached_error_and_gradient
        )
        after = jax.tree.map(lambda group: group[1:], states)
        over_batch = jax.vmap(of_state)
        over_steps = jax.vmap(over_batch, in_axes=(0, 0, None, None))
        return over_steps(after, record.extra, observed, truth).mean(1).sum()

    return total
