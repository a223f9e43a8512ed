"""Keypoints that were detected: arrays over all people of all frames, whatever they came from."""

from typing import NamedTuple

import numpy as np

from ief_jax.geometry import skeletons

MINIMUM_SEEN = 6
"""Keypoints that a person must show to be fitted."""


class Detections(NamedTuple):
    """N people found in F frames.

    Attributes:
      points: [N, K, 2] pixels, x right, y down.
      confidence: [N, K] in [0, 1]; 0 where the keypoint was not found.
      names: the K keypoints' names.
      skeleton: a key of `skeletons.LAYOUTS`, or "of its own" where the file names others.
      evidence: why this skeleton.
      frame: [N] index into the frames.
      person: [N] the person's place within its frame, in file order.
      frame_names: F names (file stems, mostly).
      images: F file names of the photographs, None where the file does not say.
    """

    points: np.ndarray
    confidence: np.ndarray
    names: tuple[str, ...]
    skeleton: str
    evidence: str
    frame: np.ndarray
    person: np.ndarray
    frame_names: tuple[str, ...]
    images: tuple[str | None, ...]


class Skipped(NamedTuple):
    """A person who cannot be fitted: index of the frame, place within it, and why not."""

    frame: int
    person: int
    reason: str


def to_coco_18(found: Detections) -> Detections:
    """The same people in the 18 keypoints that bodies are fitted to (`skeletons.COCO_18`)."""
    points, confidence = skeletons.convert(
        found.points, found.confidence, found.names, skeletons.COCO_18
    )
    return found._replace(points=points, confidence=confidence, names=skeletons.COCO_18)


def usable(found: Detections, minimum: int = MINIMUM_SEEN) -> tuple[Detections, list[Skipped]]:
    """Parts the people who can be fitted from those who cannot.

    Args:
      found: detections in the keypoints that will be fitted (`to_coco_18`).
      minimum: keypoints that a person must show.
    """
    seen = (found.confidence > 0).sum(1)
    reasons = np.full(len(seen), "", object)
    reasons[box_size(found.points, found.confidence) < 1] = "all keypoints within one pixel"
    for row in np.flatnonzero(seen < minimum):
        reasons[row] = f"{seen[row]} of {len(found.names)} keypoints seen, {minimum} needed"
    return part(found, reasons)


def part(found: Detections, reasons: np.ndarray) -> tuple[Detections, list[Skipped]]:
    """Parts the people without a reason to skip them ('' in `reasons` [N]) from the others."""
    skip = reasons != ""
    rows = zip(found.frame[skip], found.person[skip], reasons[skip], strict=True)
    skipped = [Skipped(int(frame), int(person), str(reason)) for frame, person, reason in rows]
    return take(found, np.flatnonzero(~skip)), skipped


def take(found: Detections, rows: np.ndarray) -> Detections:
    """The people in these rows; the frames stay as they are."""
    return found._replace(
        points=found.points[rows],
        confidence=found.confidence[rows],
        frame=found.frame[rows],
        person=found.person[rows],
    )


def box_size(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """The larger side of the box round each person's seen keypoints; 0 where none is seen."""
    seen = (confidence > 0)[..., None]
    low = np.where(seen, points, np.inf).min(1)
    high = np.where(seen, points, -np.inf).max(1)
    return np.maximum(high - low, 0).max(1)
