"""YOLO's label text: a line a person, `class cx cy w h` and K keypoints as shares of the image."""

import re

import numpy as np

from ief_jax.formats.content import Collector, Content, Frame, with_confidence
from ief_jax.io.files import InputError

_LINE = re.compile(r"\s*[0-9]+(\s+-?[0-9.]+(e-?[0-9]+)?){4,}\s*", re.IGNORECASE)


def matches(text: str) -> bool:
    """Does it start with a line of a class and numbers?"""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return _LINE.fullmatch(first) is not None


def read(text: str) -> Content:
    """The people of an image; coordinates are shares of it."""
    found = Collector()
    index = found.frame(0, Frame())
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if not _LINE.fullmatch(line):
            found.passed_over.append(f"line {number} is not a class and numbers")
            continue
        try:
            values = np.array(line.split()[5:], np.float64)
        except ValueError:
            found.passed_over.append(f"line {number} holds something that is not a number")
            continue
        width = _width(len(values))
        if width is None:
            found.passed_over.append(
                f"line {number} has {len(values)} numbers after the box, expected x, y and "
                "visibility of each keypoint"
            )
            continue
        count, tail = width
        keypoints = with_confidence(values[: len(values) - tail].reshape(-1, count))
        identity = values[-1] if tail == 2 else None
        found.person(f"line {number}", index, keypoints, identity)
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


def _width(count: int) -> tuple[int, int] | None:
    """Numbers a keypoint, and those behind the keypoints (`save_conf`, a track's number)."""
    for each, least in ((3, 36), (2, 24)):
        for tail in (0, 1, 2):
            if (count - tail) % each == 0 and count - tail >= least:
                return each, tail
    return None
