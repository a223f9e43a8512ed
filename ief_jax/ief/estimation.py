"""The keypoints of people in a photograph, each found from a marked point on them.

    marked point -> scale selector's box -> test-time augmentation -> corrections -> keypoints
                          ^                                                            |
                          +--------------------- box refinement -----------------------+

The paper takes the box of the scale selector. Where a person's joints are says how large they are,
better than the box alone does, so the box is refined by them and the keypoints are found again
(ours). Test-time augmentation costs time and gives two things: a better estimate, the median, and
how far the augmented ones agree, which tells right joints from wrong ones where nothing else does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ief_jax import checks
from ief_jax.geometry import crops
from ief_jax.geometry.crops import Box
from ief_jax.ief import augmentation, build, confidence, person_height
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief.augmentation import IDENTITY, Augmentation
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.confidence import Estimate
from ief_jax.ief.config import IEFConfig
from ief_jax.ief.prediction import Prediction
from ief_jax.ief.scale_selector import checkpoints as scale_selector_checkpoints
from ief_jax.ief.scale_selector import selection
from ief_jax.ief.scale_selector.checkpoints import Selector

BOX_REFINEMENTS = 1
"""How often the scale selector's box is replaced by the one that fits the keypoints found in it."""

_MOVED = 0.25
"""How much of the way to the middle of the keypoints a box is moved to fit them."""

_LARGEST_CHANGE = 2.0
"""Of the box's side by one refinement."""

_EXTREMITIES = frozenset(("left_ankle", "right_ankle", "left_shoulder", "right_shoulder"))
"""Without them, keypoints do not say how tall somebody is."""


class Estimator(NamedTuple):
    """Trained networks: the one that corrects keypoints, and the one that finds the box."""

    checkpoint: Checkpoint
    selector: Selector


def box_refinements(joints: Sequence[str]) -> int:
    """`BOX_REFINEMENTS`, or none where the joints do not say how large the box must be."""
    return BOX_REFINEMENTS if set(joints) >= _EXTREMITIES else 0


def default_augmentations(configuration: IEFConfig) -> tuple[Augmentation, ...]:
    """Those that the checkpoint is calibrated for, or `augmentation.scales_and_mirror`."""
    name = configuration.calibrated_for or "scales_and_mirror"
    return augmentation.NAMED[name](configuration.joints)


def load(name: str | Path = "released", selector: str | Path = "released") -> Estimator:
    """A checkpoint and a scale selector, each shipped or written by `train.py`.

    Args:
      name: `released` or `lsp`; or a folder that `train.py ief` wrote, or the file in it.
      selector: `released`; or a folder that `train.py scale` wrote, or the file in it.

    Raises:
      InputError: there is no such checkpoint or selector, or it is broken, or its weights are those
        of another network than it says.
    """
    checkpoint = ief_checkpoints.load(name)
    # The tests check those that are shipped; here it would take a second.
    if str(name) not in ief_checkpoints.SHIPPED:
        build.check_checkpoint(checkpoint, str(name))
    return Estimator(checkpoint, scale_selector_checkpoints.load(selector))


def estimate(
    estimator: Estimator,
    photograph: Image.Image,
    marked: np.ndarray,
    augmentations: Sequence[Augmentation] | None = None,
    steps: int | None = None,
) -> Estimate:
    """One person's keypoints.

    Args:
      estimator: from `load`.
      photograph: in RGB.
      marked: [2] pixels, a point on the person.
      augmentations: of which the median is taken; `default_augmentations` by default.
      steps: T; the checkpoint's own number by default.

    Returns:
      Its confidence is None where the checkpoint is not calibrated for these augmentations.

    Raises:
      ValueError: the marked point is not two finite numbers, or `steps` is negative.
    """
    checks.arrays(("marked", marked, "[2] a point on the person, pixels"))
    if not np.isfinite(marked).all():
        raise ValueError(f"marked: expected finite pixels, got {marked}")
    configuration = estimator.checkpoint.configuration
    joints = configuration.joints
    augmentations = augmentations or default_augmentations(configuration)
    box = selection.refine_box(estimator.selector, photograph, marked)
    (found,), (box,) = estimate_paths(
        estimator.checkpoint,
        [photograph],
        [box],
        augmentations,
        box_refinements(joints),
        steps,
        len(augmentations),
    )
    calibration = confidence.calibration_for(configuration, augmentations)
    return confidence.combine(found, box.side, calibration)


def estimate_paths(
    checkpoint: Checkpoint,
    photographs: Sequence[Image.Image],
    boxes: Sequence[Box],
    augmentations: Sequence[Augmentation],
    refinements: int,
    steps: int | None,
    batch: int,
) -> tuple[list[Prediction], list[Box]]:
    """Every correction of the keypoints of several people, and the boxes they were found in.

    Args:
      checkpoint: the trained network.
      photographs: one a person, in RGB.
      boxes: the first box of each person, about the point that is marked on them.
      augmentations: of the last box; for those before one crop is enough.
      refinements: how often the boxes are refined by the keypoints found in them; 0 in the paper.
      steps: T; the checkpoint's own number by default.
      batch: crops to compute at a time; each number is compiled once.

    Returns:
      Of each person y_0 .. y_T with each augmentation in the last box, [V, T + 1, K, 2] pixels of
      the photograph, and presence [V, K]; the last boxes.
    """
    configuration = checkpoint.configuration

    def found(boxes: Sequence[Box], augmentations: Sequence[Augmentation]) -> list[Prediction]:
        crops_of_people = [
            augmentation.person_crops(
                photograph, np.array([box.x, box.y]), box, augmentations, configuration.size
            )
            for photograph, box in zip(photographs, boxes, strict=True)
        ]
        return augmentation.predict_paths(checkpoint, crops_of_people, steps, batch)

    boxes = list(boxes)
    for _ in range(refinements):
        paths = [np.asarray(one.path) for one in found(boxes, IDENTITY)]
        pairs = zip(boxes, paths, strict=True)
        boxes = [refine_box(box, path[0, -1], configuration.joints) for box, path in pairs]
    return found(boxes, augmentations), boxes


def refine_box(box: Box, points: np.ndarray, joints: Sequence[str]) -> Box:
    """The box corrected by the keypoints that were found in it.

    Args:
      box: where they were found.
      points: [K, 2] pixels of the photograph.
      joints: their K names.
    """
    tall = crops.PERSON * person_height.person_height(
        points, np.ones(len(points), bool), tuple(joints)
    )
    side = float(np.clip(tall, box.side / _LARGEST_CHANGE, box.side * _LARGEST_CHANGE))
    x, y = (points.min(0) + points.max(0)) / 2
    return Box(box.x + _MOVED * (x - box.x), box.y + _MOVED * (y - box.y), side)
