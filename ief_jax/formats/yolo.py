"""YOLO's label text: a line a person, `class cx cy w h` and K keypoints as shares of the image."""

import re

import numpy as np

from ief_jax.formats.content import KNOWN_COUNTS, Collector, Content, Frame, with_confidence
from ief_jax.io.files import InputError

_NEAR = 0.75
"""Of its width and height, half of which are in the box itself: people reach out of theirs."""
_LINE = re.compile(r"\s*[0-9]+(\s+-?[0-9.]+(e-?[0-9]+)?){4,}\s*", re.IGNORECASE)
_LONGEST = 2**14
"""Of such a line, characters."""


def matches(text: str) -> bool:
    """Does it start with a line of a class and numbers?"""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return len(first) <= _LONGEST and _LINE.fullmatch(first) is not None


def read(text: str) -> Content:
    """The people of an image; coordinates are shares of it."""
    found = Collector()
    index = found.frame(0, Frame())
    people: list[tuple[str, np.ndarray, float | None]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if not _LINE.fullmatch(line):
            found.passed_over.append(f"line {number} is not a class and numbers")
            continue
        try:
            values = np.array(line.split()[1:], np.float64)
        except ValueError:
            found.passed_over.append(f"line {number} holds something that is not a number")
            continue
        reading = _reading(values[:4], values[4:])
        if reading is None:
            found.passed_over.append(
                f"line {number} has {len(values) - 4} numbers after the box, expected x, y and "
                "visibility of each keypoint"
            )
            continue
        people.append((f"line {number}", *reading))
    tracks = [track for _, _, track in people]
    if len(set(tracks)) < len(tracks):
        tracks = [None] * len(tracks)  # confidences that are all 1
    for (place, keypoints, _), track in zip(people, tracks, strict=True):
        found.person(place, index, keypoints, track)
    if not found.people and found.passed_over:
        raise InputError(f"YOLO labels, but not of keypoints: {found.passed_over[0]}")
    return Content(
        "YOLO",
        found.frames,
        found.people,
        found.passed_over,
        "it holds no person",
        shares=True,
        usual=("COCO_17",),
    )


def _reading(box: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float | None] | None:
    """The keypoints [K, 3], and a track's number if there is one.

    There may be 3 numbers or 2 a keypoint, and behind them a confidence (`save_conf`), a track's
    number or both, so that 52 are 17 keypoints or 26. Of what may be, that counts of which the
    most keypoints lie in the box, then what comes first; numbers of keypoints of no known layout
    come last.
    """
    ways = []
    for each, least in ((3, 12), (2, 12)):
        for tail in (0, 1, 2):
            count, rest = divmod(len(values) - tail, each)
            if rest == 0 and count >= least:
                points = values[: len(values) - tail].reshape(count, each)
                ways.append((count in KNOWN_COUNTS, _share_inside(box, points), -tail, each))
    if not ways:
        return None
    *_, tail, each = max(ways)
    end = len(values) + tail
    last = values[-1] if tail else None
    track = last if tail == -2 or (last is not None and last >= 1 and last % 1 == 0) else None
    return with_confidence(values[:end].reshape(-1, each)), track


def _share_inside(box: np.ndarray, points: np.ndarray) -> float:
    """How many of the points [K, 2 or 3] that are anywhere lie in the box cx, cy, w, h, or near."""
    there = points[(points[:, :2] != 0).any(1), :2]
    inside = (np.abs(there - box[:2]) <= _NEAR * box[2:]).all(1)
    return float(inside.mean()) if len(there) else 0.0
