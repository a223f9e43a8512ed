"""The keypoints of everybody in a photograph: people are found, and each is looked at closely.

    photograph -> detector -> boxes -> corrections -> keypoints -> each person once

The detector's box takes the place of the scale selector's (`estimation`, for a marked point), and
needs no refinement.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from ief_jax.geometry.crops import PERSON, Box
from ief_jax.geometry.skeletons import COCO_17
from ief_jax.ief import confidence, estimation, keypoint_similarity, person_detector, person_height
from ief_jax.ief.augmentation import Augmentation
from ief_jax.ief.backbones.multipose import SEEN
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.confidence import Estimate
from ief_jax.ief.person_detector import Detector, Found

ALIKE = 0.5
"""Similarity from which keypoints are of one person, who was found twice."""
SUREST, LEAST = 5, 0.45
"""Where so many of the surest keypoints have a lower mean confidence, nobody is there."""


class People(NamedTuple):
    """N people of a photograph, the surest first.

    Attributes:
      estimates: the keypoints of each.
      middles: [N, 2] of their boxes, pixels.
      score: [N] of the detector, 0 to 1.
      boxes: of each, where the keypoints were found in the end.
    """

    estimates: list[Estimate]
    middles: np.ndarray
    score: np.ndarray
    boxes: list[Box]


def estimate_people(
    checkpoint: Checkpoint,
    detector: Detector,
    photograph: Image.Image,
    augmentations: Sequence[Augmentation] | None = None,
    steps: int | None = None,
) -> People:
    """Everybody's keypoints.

    Args:
      checkpoint: the network that corrects keypoints.
      detector: the one that finds people.
      photograph: in RGB.
      augmentations: of which the median is taken; `estimation.default_augmentations` by default.
      steps: T; the checkpoint's own number by default.
    """
    found = person_detector.find_people(detector, photograph)
    boxes = person_boxes(found, photograph.size)
    configuration = checkpoint.configuration
    augmentations = augmentations or estimation.default_augmentations(configuration)
    if not boxes:
        return People([], np.zeros((0, 2)), np.zeros(0), [])
    predictions, last = estimation.estimate_paths(
        checkpoint,
        [photograph] * len(boxes),
        boxes,
        augmentations,
        0,
        steps,
        len(augmentations),
    )
    calibration = confidence.calibration_for(configuration, augmentations)
    estimates = [
        confidence.combine(one, box.side, calibration)
        for one, box in zip(predictions, last, strict=True)
    ]
    rows = different_people(estimates, found.score, configuration.joints)
    middles = np.array([[box.x, box.y] for box in boxes])
    return People(
        [estimates[row] for row in rows],
        middles[rows],
        found.score[rows],
        [last[row] for row in rows],
    )


def different_people(
    estimates: Sequence[Estimate], score: np.ndarray, joints: Sequence[str]
) -> np.ndarray:
    """Rows of those who are there, each once, the surest first.

    Args:
      estimates: of one person at least.
      score: [N] of the detector.
      joints: names of the keypoints.
    """
    there = [
        one.confidence is None or np.sort(one.confidence)[-SUREST:].mean() >= LEAST
        for one in estimates
    ]
    points = np.stack([one.path[-1] for one in estimates])
    rows = keypoint_similarity.distinct(
        np.concatenate([points.min(1), points.max(1)], -1),
        points,
        np.ones(points.shape[:-1], bool),
        score,
        joints,
        ALIKE,
        person_detector.OVERLAP,
    )
    return rows[np.array(there)[rows]]


def person_boxes(found: Found, size: tuple[int, int]) -> list[Box]:
    """The box that fits each person: as large as `PERSON` times their height.

    The detector's box ends where the person is cut off or hidden; the height that the keypoints
    say may reach far beyond. Between the two is their geometric mean.

    Args:
      found: by `person_detector.find_people`.
      size: width and height of the photograph, pixels.
    """
    limits = np.tile(np.array(size) - 0.5, 2)
    boxes = []
    for edges, points, sure in zip(found.boxes, found.points, found.confidence, strict=True):
        left, top, right, bottom = np.clip(edges, -0.5, limits)
        longer = max(right - left, bottom - top, 1.0)
        tall = longer
        if (sure > SEEN).any():
            tall = max(person_height.person_height(points, sure > SEEN, COCO_17), 1.0)
        # side = 1.2 sqrt(longer side of the box * height)
        side = PERSON * float(np.sqrt(longer * tall))
        boxes.append(Box(float(left + right) / 2, float(top + bottom) / 2, side))
    return boxes
