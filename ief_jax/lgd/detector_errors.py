"""Keypoints as detectors give them: some skeleton's, with the errors that detectors make.

Everything is a function of a key and of one example, to be vmapped. What is drawn: which skeleton
the detector knows, a confidence for each keypoint, noise of 1 / confidence, where the detector's
keypoints lie on the body, limbs that are hidden or guessed, people cut off at the border, left and
right exchanged, and single keypoints that are anywhere.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import joints, smpl
from ief_jax.geometry import keypoints2d, rotations, skeletons
from ief_jax.lgd import annotators, synthetic_views

LAYOUT = skeletons.UNION_27

FACE = skeletons.COCO_17[:5]
FEET = skeletons.FEET


class Skeleton(NamedTuple):
    """What a kind of detector knows.

    Attributes:
      names: of the keypoints.
      share: how often it is drawn.
      offsets: where its annotators put keypoints.
    """

    names: tuple[str, ...]
    share: float
    offsets: annotators.Offsets


SKELETONS = (
    Skeleton(skeletons.UNION_27, 0.2, {}),
    Skeleton(skeletons.COCO_17, 0.22, annotators.COCO),
    Skeleton(skeletons.COCO_18, 0.08, annotators.COCO),
    Skeleton(skeletons.BODY_25, 0.16, annotators.COCO),
    Skeleton(skeletons.BODY_25B, 0.12, annotators.BODY_25B),
    Skeleton(skeletons.LSP_14, 0.07, annotators.LSP),
    Skeleton((*skeletons.LSP_14, "neck", "mid_hip"), 0.05, annotators.LSP),
    Skeleton((*skeletons.LSP_14, *FACE), 0.05, annotators.LSP),
    Skeleton(skeletons.COCO_17[5:], 0.05, annotators.COCO),
)
"""What detectors know."""

GROUPS: tuple[tuple[str, ...], ...] = (
    ("left_knee", "left_ankle", "left_big_toe", "left_small_toe", "left_heel"),
    ("right_knee", "right_ankle", "right_big_toe", "right_small_toe", "right_heel"),
    ("left_knee", "left_ankle", "right_knee", "right_ankle", *FEET),
    ("left_hip", "right_hip", "mid_hip", "left_knee", "left_ankle", "right_knee", "right_ankle")
    + FEET,
    ("left_ankle", "right_ankle", *FEET),
    ("left_elbow", "left_wrist"),
    ("right_elbow", "right_wrist"),
    ("left_wrist", "right_wrist"),
    ("left_shoulder", "left_elbow", "left_wrist", "left_ear", "left_eye"),
    ("right_shoulder", "right_elbow", "right_wrist", "right_ear", "right_eye"),
    FACE,
    (*FACE, "head_top", "upper_neck"),
)
"""Keypoints that are hidden, or guessed, together."""

SWAPPED: tuple[tuple[str, ...], ...] = (
    ("hip", "knee", "ankle", "big_toe", "small_toe", "heel"),
    ("knee", "ankle", "big_toe", "small_toe", "heel"),
    ("ankle", "big_toe", "small_toe", "heel"),
    ("elbow", "wrist"),
    ("shoulder", "elbow", "wrist"),
    ("wrist",),
)
"""Keypoints whose left and right are exchanged together."""

OFFSETS = {
    **dict.fromkeys(FACE, 0.012),
    "head_top": 0.03,
    "upper_neck": 0.025,
    "neck": 0.022,
    "mid_hip": 0.022,
    "left_hip": 0.022,
    "right_hip": 0.022,
    "left_shoulder": 0.018,
    "right_shoulder": 0.018,
}
"""Standard deviation of where keypoints lie on people, about the annotators' mean: metres along
each axis."""
TYPICAL_OFFSET = 0.013
"""The same, of all others."""


class Rates(NamedTuple):
    """How often and how much.

    Attributes:
      noise: largest standard deviation of a keypoint of confidence 1, as a share of the person's
        box; uniform from 0.
      drop: largest probability that a keypoint is hidden by itself; uniform from 0.
      clean: share of the people without noise, and (independently) with nothing missing.
      offset: share of the noisy people whose keypoints lie elsewhere on the body.
      group: probability that a group is hidden or guessed.
      border: that the person is cut off at a border.
      swap: that left and right of a group are exchanged.
      outlier: that one keypoint is anywhere.
      unrated: share of the noisy people whose keypoints come without confidence, as annotators
        give them: 1 for each.
    """

    noise: float = 0.03
    drop: float = 0.3
    clean: float = 0.25
    offset: float = 0.85
    group: float = 0.25
    border: float = 0.12
    swap: float = 0.08
    outlier: float = 0.12
    unrated: float = 0.35


TYPICAL = Rates()


def draw_skeleton(key: jax.Array) -> jax.Array:
    """A detector's skeleton: [] row of `SKELETONS`."""
    return jax.random.categorical(key, _LOG_SHARES)


def moved_points(
    key: jax.Array,
    model: joints.JointModel,
    local: jax.Array,
    skeleton: jax.Array,
    amount: jax.Array,
) -> jax.Array:
    """How far a person's keypoints lie from the body's own: [27, 3] metres.

    Args:
      key: random key.
      model: the body.
      local: [24, 3, 3] rotations of the joints.
      skeleton: [] of `draw_skeleton`.
      amount: [] factor of the annotators' offsets and of `OFFSETS`.
    """
    checks.arrays(("local", local, "[24, 3, 3] rotations of the joints"))
    own = jnp.asarray(_DEVIATIONS)[:, None] * jax.random.normal(key, (len(LAYOUT), 3))
    world = smpl.world_rotations(local, model.parents)[annotators.BONE_ROWS]
    return amount * rotations.rotate(world, _MEAN_OFFSETS[skeleton] + own)


def detect(
    key: jax.Array,
    points: jax.Array,
    skeleton: jax.Array,
    rates: Rates,
    noisy: jax.Array,
    lossy: jax.Array,
) -> keypoints2d.Keypoints2D:
    """What a detector might give for a person's keypoints.

    Args:
      key: random key.
      points: [27, 2] where the keypoints are, pixels.
      skeleton: [] of `draw_skeleton`.
      rates: how often and how much.
      noisy: [] bool, whether any keypoint is off its place.
      lossy: [] bool, whether any is missing.
    """
    checks.arrays(("points", points, "[27, 2] pixels"))
    keys = jax.random.split(key, 11)
    count = len(LAYOUT)
    side = synthetic_views.box_side(points, jnp.ones(count))
    known = _KNOWN[skeleton]

    # Confidence: of the person, of the keypoint, and a few that are hardly found
    person, swap, outlier, amount, unrated = jax.random.uniform(keys[1], (5,))
    own, low, weak = jax.random.uniform(keys[2], (3, count))
    confidence = (0.5 + 0.5 * person) * (0.6 + 0.4 * own)
    confidence = jnp.where(weak < 0.06, 0.03 + 0.4 * low, confidence)

    # Limbs that are hidden, or guessed with little confidence
    chance, guessed, drop = jax.random.uniform(keys[3], (3,))
    group = _GROUPS[jax.random.randint(keys[4], (), 0, len(GROUPS))]
    struck = lossy & (chance < rates.group) & group
    is_guess = struck & (guessed < 0.4)
    confidence = jnp.where(is_guess, 0.03 + 0.25 * low, confidence)
    hidden = struck & ~is_guess

    # Cut off at a border
    cut, along, share = jax.random.uniform(keys[5], (3,))
    direction = _BORDERS[(along * len(_BORDERS)).astype(int)]
    place = points @ direction
    outside = place > jnp.quantile(place, 0.35 + 0.55 * share)
    hidden |= lossy & (cut < rates.border) & outside
    hidden |= lossy & (jax.random.uniform(keys[6], (count,)) < drop * rates.drop)

    # Left and right exchanged
    which = jax.random.randint(keys[7], (), 0, len(SWAPPED))
    order = jnp.where(noisy & (swap < rates.swap), _SWAPS[which], jnp.arange(count))
    found = points[order]

    # Noise of 1 / confidence, a quarter of the box at most, one keypoint in twenty far worse
    spread = jnp.where(noisy, amount * rates.noise, 0.0) * jnp.ones(count)
    spread = jnp.where(jax.random.uniform(keys[8], (count,)) < 0.05, 3 * spread, spread)
    spread = jnp.minimum(spread / confidence, 0.25)
    spread = jnp.where(noisy & is_guess, jnp.maximum(spread, 0.08), spread)
    found = found + side * spread[:, None] * jax.random.normal(keys[9], (count, 2))
    anywhere = points.mean(0) + side * (jax.random.uniform(keys[10], (2,)) * 1.2 - 0.6)
    strays = jax.random.randint(keys[0], (), 0, count) == jnp.arange(count)
    strays &= noisy & (outlier < rates.outlier)
    found = jnp.where(strays[:, None], anywhere[None], found)

    # Exact keypoints are sure ones more often than not; annotations are all sure, and not exact
    is_rated = jnp.where(noisy, unrated >= rates.unrated, amount < 0.3)
    confidence = jnp.where(is_rated, confidence, 1.0)
    confidence = _at_least_seen(confidence, known & ~hidden, known)
    return keypoints2d.Keypoints2D(jnp.where((confidence > 0)[:, None], found, 0.0), confidence)


def _at_least_seen(confidence: jax.Array, seen: jax.Array, known: jax.Array) -> jax.Array:
    """Hides keypoints, but for the `FEWEST` of the skeleton that come first."""
    rank = jnp.cumsum(known & ~seen)
    missing = jnp.maximum(synthetic_views.FEWEST - seen.sum(), 0)
    return jnp.where(seen | (known & (rank <= missing)), confidence, 0.0)


def _mask(names: tuple[str, ...]) -> np.ndarray:
    return np.array([name in names for name in LAYOUT])


def _swap_order(parts: tuple[str, ...]) -> np.ndarray:
    """Rows of the layout, with left and right of some parts exchanged."""
    other = skeletons.opposite(LAYOUT)
    swapped = np.array([name.partition("_")[2] in parts for name in LAYOUT])
    return np.where(swapped, other, np.arange(len(LAYOUT)))


_DEVIATIONS = np.array([OFFSETS.get(name, TYPICAL_OFFSET) for name in LAYOUT], np.float32)
_KNOWN = jnp.asarray(np.stack([_mask(each.names) for each in SKELETONS]))
_LOG_SHARES = np.log([each.share for each in SKELETONS]).astype(np.float32)
_MEAN_OFFSETS = jnp.asarray(np.stack([annotators.of_layout(each.offsets) for each in SKELETONS]))
_GROUPS = jnp.asarray(np.stack([_mask(names) for names in GROUPS]))
_SWAPS = jnp.asarray(np.stack([_swap_order(parts) for parts in SWAPPED]))
_BORDERS = jnp.asarray(np.array([[0, 1], [0, 1], [0, 1], [0, -1], [1, 0], [-1, 0]], np.float32))
