"""One estimate of several augmented ones, and how likely each joint is to be right."""

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """One person's keypoints.

    Attributes:
      path: [T + 1, K, 2] pixels of the photograph: y_0 .. y_T.
      confidence: [K] in [0, 1]: how likely y_T is to be right.
    """

    path: np.ndarray
    confidence: np.ndarray


def combine(paths: np.ndarray, side: float) -> Estimate:
    """One estimate of several, and how sure it is.

    Args:
      paths: [V, T + 1, K, 2] pixels.
      side: of the box that fits the person, pixels.
    """
    path = np.median(paths, 0)
    return Estimate(path, joint_confidence(paths, side))


def joint_confidence(paths: np.ndarray, side: float) -> np.ndarray:
    """How likely each joint is to be right, from `disagreement`.

    Args:
      paths: [V, T + 1, K, 2] pixels; T at least 1.
      side: of the box that fits the person, pixels.

    Returns:
      [K] in (0, 1).
    """
    constant, *weights = CALIBRATION
    return 1 / (1 + np.exp(-(constant + disagreement(paths, side) @ np.array(weights))))


CALIBRATION = (-5.68, -1.25, -0.25)
"""Constant and weights of the logistic regression from `disagreement` to whether a joint is right
(within 0.2 of the torso's diameter), as `eval.py ief-calibrate` finds them."""


def disagreement(paths: np.ndarray, side: float) -> np.ndarray:
    """What speaks against each joint: [K, 2], the more, the worse.

    The first is how far the augmented estimates are apart, the second how far the last correction
    still went (corrections die out where the network sees that the joint is in its place):
    logarithms of root mean squares over the augmentations, in sides of the box.

    Args:
      paths: [V, T + 1, K, 2] pixels; T at least 1.
      side: of the box that fits the person, pixels.
    """
    last = paths[:, -1]
    apart = np.square(last - last.mean(0)).sum(-1).mean(0)
    moving = np.square(last - paths[:, -2]).sum(-1).mean(0)
    return 0.5 * np.log(np.stack([apart, moving], -1) / side**2 + _RESOLUTION**2)


_RESOLUTION = 1e-3
"""Differences much below this share of the box are nothing."""
