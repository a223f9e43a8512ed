"""Keypoints that were detected: arrays over all people of all frames, whatever they came from."""

from collections.abc import Sequence
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
      person: [N] the person's place within its frame, in file order. Rows are in file
        order; where the file says who is who, in that of frames, and within them of `identity`.
      frame_names: F names (file stems, mostly).
      images: F file names of the photographs, None where the file does not say.
      numbers: F numbers of the frames, each once: the file's own, or else 0, 1, ...
      identity: [N] number of the person over frames; -1 where the file does not say.
      fps: frames per second, None where the file does not say.
      passed_over: of each item that could not be read, where it is and why.
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
    numbers: tuple[int, ...]
    identity: np.ndarray
    fps: float | None = None
    passed_over: tuple[str, ...] = ()


class Skipped(NamedTuple):
    """A person who cannot be fitted: index of the frame, place within it, and why not."""

    frame: int
    person: int
    reason: str


class FramePeople(NamedTuple):
    """The N people found in one frame.

    Attributes:
      name: of the frame.
      image: file name of its photograph; None where there is none.
      number: of the frame.
      points: [N, K, 2] pixels, x right, y down.
      confidence: [N, K] in [0, 1]; 0 where the keypoint was not found.
      identity: [N] number of the person over frames; None where it is not known.
    """

    name: str
    image: str | None
    number: int
    points: np.ndarray
    confidence: np.ndarray
    identity: np.ndarray | None = None


def gathered(
    frames: Sequence[FramePeople], names: Sequence[str], fps: float | None = None
) -> Detections:
    """The people of several frames as one.

    Args:
      frames: in order, those without anybody too.
      names: of the K keypoints.
      fps: frames per second, if they are of a video.
    """
    counts = [len(one.points) for one in frames]
    places = [np.arange(count) for count in counts]
    known = [
        np.full(count, -1) if one.identity is None else one.identity
        for one, count in zip(frames, counts, strict=True)
    ]
    return Detections(
        points=np.concatenate([one.points for one in frames]).astype(np.float32),
        confidence=np.concatenate([one.confidence for one in frames]).astype(np.float32),
        names=tuple(names),
        skeleton="of its own",
        evidence="names of the network's keypoints",
        frame=np.repeat(np.arange(len(frames)), counts),
        person=np.concatenate(places).astype(np.int64),
        frame_names=tuple(one.name for one in frames),
        images=tuple(one.image for one in frames),
        numbers=tuple(one.number for one in frames),
        identity=np.concatenate(known).astype(np.int64),
        fps=fps,
    )


def to_union(found: Detections) -> Detections:
    """The same people in the 27 keypoints that bodies are fitted to (`skeletons.UNION_27`)."""
    points, confidence = skeletons.to_union(found.points, found.confidence, found.names)
    return found._replace(points=points, confidence=confidence, names=skeletons.UNION_27)


def usable(found: Detections, minimum: int = MINIMUM_SEEN) -> tuple[Detections, list[Skipped]]:
    """Parts the people who can be fitted from those who cannot.

    Args:
      found: detections in the keypoints that will be fitted (`to_union`).
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
        identity=found.identity[rows],
    )


def joined(found: Sequence[Detections]) -> Detections:
    """Several detections in the same keypoints as one: frames behind frames.

    Numbers of frames stay if they are all different, and people's numbers too.

    Raises:
      ValueError: the keypoints differ.
    """
    if len(found) == 1:
        return found[0]
    if any(one.names != found[0].names for one in found):
        raise ValueError("names: expected the same keypoints in all")
    starts = np.cumsum([0, *(len(one.frame_names) for one in found)])
    numbers = tuple(number for one in found for number in one.numbers)
    rates = {one.fps for one in found}
    return Detections(
        points=np.concatenate([one.points for one in found]),
        confidence=np.concatenate([one.confidence for one in found]),
        names=found[0].names,
        skeleton=", ".join(dict.fromkeys(one.skeleton for one in found)),
        evidence="; ".join(dict.fromkeys(one.evidence for one in found)),
        frame=np.concatenate([one.frame + at for one, at in zip(found, starts, strict=False)]),
        person=np.concatenate([one.person for one in found]),
        frame_names=tuple(name for one in found for name in one.frame_names),
        images=tuple(image for one in found for image in one.images),
        numbers=numbers if len(set(numbers)) == len(numbers) else tuple(range(len(numbers))),
        identity=np.concatenate([one.identity for one in found]),
        fps=rates.pop() if len(rates) == 1 else None,
        passed_over=tuple(one for part in found for one in part.passed_over),
    )


def box_size(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """The larger side of the box round each person's seen keypoints; 0 where none is seen."""
    seen = (confidence > 0)[..., None]
    low = np.where(seen, points, np.inf).min(1)
    high = np.where(seen, points, -np.inf).max(1)
    return np.maximum(high - low, 0).max(1)
