"""What all formats have in common: people's keypoints are checked and put into one array."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ief_jax.formats import skeleton_choice
from ief_jax.formats.detections import Detections
from ief_jax.formats.messages import kind
from ief_jax.io.files import InputError

LARGEST = 1e6
"""Pixel coordinates beyond this are taken for a broken file."""


def assemble(
    path: Path,
    places: Sequence[str],
    rows: Sequence[np.ndarray],
    skeleton: str | None,
    names: tuple[str, ...] | None,
    frame: np.ndarray,
    person: np.ndarray,
    frame_names: tuple[str, ...],
    images: tuple[str | None, ...],
) -> Detections:
    """Checks the people of a file, and settles the skeleton.

    Args:
      path: what was read, for messages.
      places: of each person, file and field.
      rows: of each person [K, 3], or [0, 3] where nothing of the body was found.
      skeleton: the user's word, or None.
      names: the file's word, or None.
      frame: as in `Detections`.
      person: likewise.
      frame_names: likewise.
      images: likewise.

    Raises:
      InputError: numbers of keypoints that differ, coordinates that are no pixels, no keypoint with
        any confidence, a skeleton that is not known; names file and field.
    """
    count = max(len(row) for row in rows)
    for place, row in zip(places, rows, strict=True):
        if len(row) not in (0, count):
            raise InputError(f"{place} has {len(row)} keypoints, others have {count}")
    stacked = np.zeros((len(rows), count, 3))
    for place, row, target in zip(places, rows, stacked, strict=True):
        if len(row):
            _check_numbers(place, row)
            target[:] = row
    points, confidence = stacked[..., :2], np.clip(stacked[..., 2], 0, 1)
    if not confidence.any():
        raise InputError(f"{path}: all confidences are zero: no keypoint was detected")
    seen = points[confidence > 0]
    if np.ptp(seen, 0).max() > 0 and (np.abs(seen) <= 1).all():
        raise InputError(
            f"{path}: all coordinates lie within [-1, 1]: expected pixels, not a share of the image"
        )
    names, skeleton, evidence = skeleton_choice.settle(path, points, confidence, skeleton, names)
    return Detections(
        points.astype(np.float32),
        confidence.astype(np.float32),
        names,
        skeleton,
        evidence,
        frame,
        person,
        frame_names,
        images,
    )


def _check_numbers(place: str, row: np.ndarray) -> None:
    bad = ~np.isfinite(row).all(1) | (np.abs(row[:, :2]) > LARGEST).any(1)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        x, y, confidence = row[at]
        raise InputError(
            f"{place}: keypoint {at} is ({x:g}, {y:g}) with confidence {confidence:g}, expected "
            "finite pixel coordinates"
        )


def triples(values: Any, place: str) -> np.ndarray:
    """The keypoints [K, 3] in a list of x, y and confidence (or visibility) of one after the other.

    Raises:
      InputError: it is no such list; the message starts with `place`.
    """
    if not isinstance(values, list) or len(values) % 3:
        raise InputError(f"{place} is {kind(values)}, expected [x, y, confidence, ...]")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise InputError(f"{place} holds something that is not a number")
    try:
        return np.array(values, np.float64).reshape(-1, 3)
    except OverflowError as error:
        raise InputError(f"{place}: a number is too large") from error
