"""How often estimated keypoints are right: PCKh, PCK, strict PCP, and sides that were mistaken.

Each measure is a function from estimates and truth to booleans, one a joint or limb; `percent`
counts them over those that are annotated, and `scores` does all of it for a data set. What the
customary code leaves to the reader is fixed here:

- PCKh@0.5 (Andriluka et al. 2014): within half the head's size, which MPII gives as 0.6 times the
  diagonal of the head's box. The mean is over all annotated joints but pelvis and thorax, as in
  MPII's own evaluation.
- PCK@0.2 (Sapp and Taskar 2013; the one in use for LSP): within 0.2 of the torso's diameter, from
  left shoulder to right hip. The mean is over all annotated joints.
- PCP, strict and person-centric (Ferrari et al. 2008; strict as in Pishchulin et al. 2012): both
  ends of a limb within half the limb's true length. Ten limbs; the torso runs from half-way between
  the hips to half-way between the shoulders, the head from the neck to its top.

Distances that just reach the threshold count as right everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ief_jax import checks
from ief_jax.geometry import skeletons

PCKH_SHARE = 0.5
"""Of the head's size, within which a joint is right."""
PCK_SHARE = 0.2
"""Of the torso's diameter, within which a joint is right."""
PCP_SHARE = 0.5
"""Of a limb's length, within which both its ends must be."""

TORSO = ("left_shoulder", "right_hip")
"""The ends of the torso's diameter."""

NOT_IN_PCKH = ("pelvis", "thorax")
"""Joints of MPII that its evaluation leaves out of the mean."""

_SIDES = ("right", "left")
LIMBS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "torso": (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")),
    "head": (("upper_neck",), ("head_top",)),
    **{f"{side}_upper_arm": ((f"{side}_shoulder",), (f"{side}_elbow",)) for side in _SIDES},
    **{f"{side}_forearm": ((f"{side}_elbow",), (f"{side}_wrist",)) for side in _SIDES},
    **{f"{side}_upper_leg": ((f"{side}_hip",), (f"{side}_knee",)) for side in _SIDES},
    **{f"{side}_lower_leg": ((f"{side}_knee",), (f"{side}_ankle",)) for side in _SIDES},
}
"""The ten limbs of PCP; each end is the mean of the joints named."""


class Rates(NamedTuple):
    """Percentages after every step.

    Attributes:
      names: of the M joints or limbs.
      each: [T + 1, M]; nan where nobody's is annotated.
      mean: [T + 1], over all that are annotated and count.
    """

    names: tuple[str, ...]
    each: np.ndarray
    mean: np.ndarray


class Scores(NamedTuple):
    """What `scores` measures; None where the joints or the heads' sizes for it are not there."""

    pck: Rates | None
    pckh: Rates | None
    pcp: Rates | None
    mistaken_sides: Rates | None


class Reliability(NamedTuple):
    """How much a confidence is worth.

    Attributes:
      ranking: how often, of a joint that is right and one that is wrong, the right one has the
        higher confidence (the area under the ROC curve); 0.5 for confidences that say nothing.
      right: percentage right among the joints in each of some ranges of confidence, of equal
        widths from 0 to 1; nan where there are none.
      joints: how many there are in each range.
    """

    ranking: float
    right: np.ndarray
    joints: np.ndarray


def scores(
    estimates: np.ndarray,
    joints: Sequence[str],
    truth: np.ndarray,
    annotated: np.ndarray,
    names: Sequence[str],
    head_size: np.ndarray,
) -> Scores:
    """All measures of N people after each of T + 1 steps.

    Args:
      estimates: [N, T + 1, J, 2] in the same pixels as the truth.
      joints: names of the J joints that were estimated, all of them among `names`.
      truth: [N, K, 2].
      annotated: [N, K] bool; other joints' truth is not looked at.
      names: of the K joints of the truth.
      head_size: [N] pixels as MPII defines it; nan where it is not known.
    """
    checks.arrays(
        ("estimates", estimates, "[N, steps, J, 2] pixels"),
        ("truth", truth, "[N, K, 2] pixels"),
        ("annotated", annotated, "bool [N, K]"),
        ("head_size", head_size, "[N] pixels, nan where it is not known"),
        J=len(joints),
        K=len(names),
    )
    joints = tuple(joints)
    own = rows(joints, names)
    right, known = truth[:, None, own], annotated[:, None, own]
    torso = torso_diameter(truth, annotated, names)[:, None]
    head_size = head_size[:, None]
    pck = pckh = pcp = sides = None
    if np.isfinite(torso).any():
        reach = PCK_SHARE * torso
        counted = known & np.isfinite(reach)[..., None]
        pck = _rates(joints, within(estimates, right, reach), counted)
        other = skeletons.opposite(names)[own]
        mistaken = mistaken_sides(estimates, right, truth[:, None, other], reach)
        sides = _rates(joints, mistaken, counted & annotated[:, None, other] & (other != own))
    if np.isfinite(head_size).any():
        counted = known & np.isfinite(head_size)[..., None]
        found = within(estimates, right, PCKH_SHARE * head_size)
        pckh = _rates(joints, found, counted, left_out=NOT_IN_PCKH)
    if all(name in joints for limb in LIMBS.values() for end in limb for name in end):
        found = limbs_found(estimates, right, joints)
        pcp = _rates(tuple(LIMBS), found, limbs_annotated(known, joints))
        # Limbs weigh the same, however many are annotated: all of them are in LSP.
        pcp = pcp._replace(mean=_mean_of_known(pcp.each))
    return Scores(pck, pckh, pcp, sides)


def rows(joints: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Where each of `joints` is among `names`: [J]."""
    index = {name: i for i, name in enumerate(names)}
    return np.array([index[joint] for joint in joints])


def within(estimate: np.ndarray, truth: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Whether each joint is within `reach` of the truth.

    Args:
      estimate: [..., K, 2] pixels.
      truth: [..., K, 2] pixels.
      reach: [...] pixels; nothing is within nan.

    Returns:
      bool [..., K].
    """
    checks.arrays(
        ("estimate", estimate, "[..., K, 2] pixels"), ("truth", truth, "[..., K, 2] pixels")
    )
    return _distance(estimate, truth) <= reach[..., None]


def torso_diameter(truth: np.ndarray, annotated: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """From left shoulder to right hip: [..., K, 2] to [...]; nan where one is not annotated."""
    checks.arrays(
        ("truth", truth, "[..., K, 2] pixels"),
        ("annotated", annotated, "bool [..., K]"),
        K=len(names),
    )
    if not all(name in names for name in TORSO):
        return np.full(truth.shape[:-2], np.nan)
    first, second = rows(TORSO, names)
    length = _distance(truth[..., first, :], truth[..., second, :])
    return np.where(annotated[..., first] & annotated[..., second], length, np.nan)


def limbs_found(estimate: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Strict PCP: whether both ends of each of `LIMBS` are within half its true length.

    Args:
      estimate: [..., K, 2] pixels.
      truth: [..., K, 2] pixels.
      names: the K joints'.

    Returns:
      bool [..., 10].
    """
    checks.arrays(
        ("estimate", estimate, "[..., K, 2] pixels"),
        ("truth", truth, "[..., K, 2] pixels"),
        K=len(names),
    )
    found, right = _limb_ends(estimate, names), _limb_ends(truth, names)
    length = _distance(right[..., 0, :], right[..., 1, :])
    return np.all(within(found, right, PCP_SHARE * length), -1)


def limbs_annotated(annotated: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Which of `LIMBS` have all their joints annotated: bool [..., K] to [..., 10]."""
    checks.arrays(("annotated", annotated, "bool [..., K]"), K=len(names))
    ends = [rows((*first, *second), names) for first, second in LIMBS.values()]
    return np.stack([annotated[..., end].all(-1) for end in ends], -1)


def mistaken_sides(
    estimate: np.ndarray, truth: np.ndarray, other: np.ndarray, reach: np.ndarray
) -> np.ndarray:
    """Whether each joint was put where the other side's joint is.

    A left wrist is mistaken if it is within reach of the right wrist, and nearer to it than to
    the left one.

    Args:
      estimate: [..., K, 2] pixels.
      truth: [..., K, 2] pixels.
      other: [..., K, 2] pixels, the truth of each joint's counterpart on the other side.
      reach: [...] pixels.

    Returns:
      bool [..., K].
    """
    checks.arrays(
        ("estimate", estimate, "[..., K, 2] pixels"),
        ("truth", truth, "[..., K, 2] pixels"),
        ("other", other, "[..., K, 2] pixels"),
    )
    to_own, to_other = _distance(estimate, truth), _distance(estimate, other)
    return (to_other < to_own) & (to_other <= reach[..., None])


def reliability(confidence: np.ndarray, hits: np.ndarray, bins: int = 5) -> Reliability:
    """Whether confidences tell right joints from wrong ones.

    Args:
      confidence: [M] in [0, 1].
      hits: bool [M].
      bins: of equal width.
    """
    checks.arrays(("confidence", confidence, "[M] 0 to 1"), ("hits", hits, "bool [M]"))
    checks.count("bins", bins, least=1)
    right, wrong = np.sort(confidence[hits]), np.sort(confidence[~hits])
    below = np.searchsorted(wrong, right, "left") + np.searchsorted(wrong, right, "right")
    pairs = len(right) * len(wrong)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    inside = place == np.arange(bins)[:, None]
    return Reliability(
        float(below.sum() / 2 / pairs) if pairs else float("nan"),
        percent(hits, inside, 1),
        inside.sum(1),
    )


def percent(hits: np.ndarray, counted: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """The percentage of hits among those counted, over `axis`; nan where nothing is counted.

    Args:
      hits: bool.
      counted: bool, of a shape that broadcasts with it.
      axis: summed over.
    """
    checks.arrays(("hits", hits, "bool [...]"), ("counted", counted, "bool [...]"))
    hits, counted = np.broadcast_arrays(hits, counted)
    number = counted.sum(axis)
    return np.where(number, 100 * (hits & counted).sum(axis) / np.maximum(number, 1), np.nan)


def _rates(
    names: tuple[str, ...], hits: np.ndarray, counted: np.ndarray, left_out: Sequence[str] = ()
) -> Rates:
    """Counts hits [N, T + 1, M] over people, and over people and joints that are not left out."""
    in_mean = np.array([name not in left_out for name in names])
    return Rates(names, percent(hits, counted, 0), percent(hits, counted & in_mean, (0, 2)))


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """The mean over the last axis of what is not nan; nan where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(-1)
    return np.where(known.any(-1), total / np.maximum(known.sum(-1), 1), np.nan)


def _limb_ends(points: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """[..., K, 2] to [..., 10, 2 ends, 2]."""
    ends = [[points[..., rows(end, names), :].mean(-2) for end in e] for e in LIMBS.values()]
    return np.stack([np.stack(pair, -2) for pair in ends], -3)


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1)
