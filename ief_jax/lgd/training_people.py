"""Who is seen in training: poses and shapes, drawn at random.

A `Draw` takes a random key and makes one person; some make a draw of others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import pose_prior, smpl
from ief_jax.body.poses import Poses
from ief_jax.lgd import parameters


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


LEGS = tuple(
    f"{side}_{part}" for part in ("hip", "knee", "ankle", "foot") for side in ("left", "right")
)
STRAIGHTENED = ("pelvis", *LEGS, "spine1", "spine2", "spine3", "neck", "head")
"""Joints that are less bent in people who stand straighter."""


def straightened(first: Draw, share: float) -> Draw:
    """Draws people who stand straighter than they did in a share of the cases.

    Motion capture moves and photographs stand still: legs, trunk and tilt are bent by a share of
    what they were, the square of a uniform one, so that a third of them are bent by a tenth at
    most; the arms as before.
    """
    rows = np.isin(smpl.JOINT_NAMES, STRAIGHTENED)[:, None]

    def draw(key: jax.Array, item: Any) -> PoseAndShape:
        choice, first_key = jax.random.split(key)
        chosen, left = jax.random.uniform(choice, (2,))
        person = first(first_key, item)
        factor = jnp.where((chosen < share) & rows, left**2, 1.0)
        return PoseAndShape(person.pose * factor, person.betas)

    return draw


ARMS = tuple(
    tuple(f"{side}_{part}" for part in ("collar", "shoulder", "elbow", "wrist", "hand"))
    for side in ("left", "right")
)
EXCHANGED: tuple[tuple[str, ...], ...] = (*ARMS, ARMS[0] + ARMS[1], LEGS)
"""Joints that are taken from another person together."""


def recombined(first: Draw, share: float) -> Draw:
    """Draws people whose arms or legs are another's in a share of the cases.

    Some thousand captured poses are few; people outside a laboratory hold their arms otherwise
    while they walk. The other is a second draw; where poses come from outside, the same one or its
    mirror image. Ours.
    """
    groups = jnp.asarray(np.stack([np.isin(smpl.JOINT_NAMES, names) for names in EXCHANGED]))

    def draw(key: jax.Array, item: Any) -> PoseAndShape:
        choice, group_key, first_key, other_key = jax.random.split(key, 4)
        person, other = first(first_key, item), first(other_key, item)
        group = groups[jax.random.randint(group_key, (), 0, len(EXCHANGED))]
        taken = (jax.random.uniform(choice) < share) & group[:, None]
        return PoseAndShape(jnp.where(taken, other.pose, person.pose), person.betas)

    return draw
