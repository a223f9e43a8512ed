"""One estimate of several augmented ones, and how likely each joint is to be right.

Augmented estimates of one network agree more or less than those of another, so what their agreement
is worth is a property of the checkpoint: its calibration, fitted with one test-time augmentation.
Without one, and for any other augmentation (a single crop agrees with itself), no confidence is
given.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ief_jax import checks
from ief_jax.ief import augmentation
from ief_jax.ief.augmentation import Augmentation
from ief_jax.ief.config import IEFConfig
from ief_jax.ief.prediction import Prediction


class Estimate(NamedTuple):
    """One person's keypoints.

    Attributes:
      path: [T + 1, K, 2] pixels of the photograph: y_0 .. y_T.
      confidence: [K] in [0, 1], how likely y_T is to be there and right; None where that is not
        known: the checkpoint is not calibrated for the augmentations, or nothing was corrected.
    """

    path: np.ndarray
    confidence: np.ndarray | None


def calibration_for(
    configuration: IEFConfig, augmentations: Sequence[Augmentation]
) -> tuple[float, ...]:
    """A checkpoint's calibration, if it has one that holds for these augmentations; else empty."""
    augment = augmentation.NAMED.get(configuration.calibrated_for)
    if augment is None or tuple(augmentations) != augment(configuration.joints):
        return ()
    return configuration.calibration


def combine(found: Prediction, side: float, calibration: Sequence[float]) -> Estimate:
    """One estimate of several, and how sure it is.

    Args:
      found: paths [V, T + 1, K, 2] in pixels, and presence [V, K].
      side: of the box that fits the person, pixels.
      calibration: from `calibration_for`; empty for no confidence.
    """
    checks.arrays(("paths", found.path, "[V, steps, K, 2] pixels of the photograph"))
    path = np.median(found.path, 0)
    if not calibration or len(path) < 2:
        return Estimate(path, None)
    return Estimate(path, joint_confidence(found, side, calibration))


def joint_confidence(found: Prediction, side: float, calibration: Sequence[float]) -> np.ndarray:
    """How likely each joint is to be there and right, from `disagreement`.

    Args:
      found: paths [V, T + 1, K, 2] in pixels, T at least 1; presence [V, K].
      side: of the box that fits the person, pixels.
      calibration: constant and weights of the logistic regression.

    Returns:
      [K] in (0, 1).
    """
    constant, *weights = calibration
    # P(right) = 1 / (1 + exp(-(w_0 + d w)))
    return 1 / (1 + np.exp(-(constant + disagreement(found, side) @ np.array(weights))))


def disagreement(found: Prediction, side: float) -> np.ndarray:
    """What speaks against each joint: [K, 2], the more, the worse.

    The first is how far the augmented estimates are apart, the second how far the last correction
    still went (corrections die out where the network sees that the joint is in its place):
    logarithms of root mean squares over the augmentations, in sides of the box. [K, 3] where the
    network says what can be seen: the third is the mean logit of that, its sign changed.

    Args:
      found: paths [V, T + 1, K, 2] in pixels, T at least 1; presence [V, K].
      side: of the box that fits the person, pixels.
    """
    paths = np.asarray(found.path)
    checks.arrays(("paths", paths, "[V, steps, K, 2] pixels of the photograph"))
    checks.count("paths: states of each", paths.shape[1], least=2)
    last = paths[:, -1]
    apart = np.square(last - last.mean(0)).sum(-1).mean(0)
    moving = np.square(last - paths[:, -2]).sum(-1).mean(0)
    doubts = 0.5 * np.log(np.stack([apart, moving], -1) / side**2 + _RESOLUTION**2)
    if found.presence is None:
        return doubts
    return np.concatenate([doubts, -np.asarray(found.presence).mean(0)[:, None]], -1)


_RESOLUTION = 1e-3
"""Differences much below this share of the box are nothing."""
