"""MediaPipe's pose landmarks as JSON: objects with x and y as shares of the image.

`[{x, y, z, visibility}, ...]` of 33 is a person. It may stand in a list of people, under
`pose_landmarks` (`poseLandmarks`, `landmarks`, `landmark`), or in a list of frames.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ief_jax.formats.content import (
    Collector,
    Content,
    Frame,
    ItemError,
    numbers,
    rate,
    size_in,
    whole,
)
from ief_jax.geometry import skeletons

_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "pose")
_FRAMES = ("frames", "results")
_COUNT = len(skeletons.MEDIAPIPE_33)


def matches(content: Any) -> bool:
    """Are there landmarks in any frame?"""
    return any(next(_people(frame), None) is not None for frame in _frames(content))


def read(content: Any) -> Content:
    """The people; coordinates are shares of the image unless they are too large for it."""
    found = Collector()
    frames = _frames(content)
    outer = content if isinstance(content, dict) else {}
    for number, frame in enumerate(frames):
        inner = frame if isinstance(frame, dict) else {}
        stated = whole(inner.get("frame", inner.get("frame_id", inner.get("frame_number"))))
        single = len(frames) == 1 and stated is None
        at = number if stated is None else stated
        index = found.frame(
            number,
            Frame(
                None if single else f"{at:06d}",
                None,
                None if single else at,
                size_in(inner) or size_in(outer),
            ),
        )
        for person, landmarks in enumerate(_people(frame)):
            place = f"frame {number}, person {person}"
            try:
                keypoints = _keypoints(landmarks, place)
            except ItemError as error:
                found.passed_over.append(str(error))
                continue
            found.person(place, index, keypoints)
    return Content(
        "MediaPipe",
        found.frames,
        found.people,
        found.passed_over,
        "it holds no landmarks",
        skeleton="MEDIAPIPE_33",
        fps=rate(outer.get("fps")),
    )


def _frames(content: Any) -> list[Any]:
    if isinstance(content, dict):
        for key in _FRAMES:
            if isinstance(content.get(key), list):
                return list(content[key])
        return [content]
    if isinstance(content, list) and not _is_person(content):
        return content
    return [content]


def _people(frame: Any) -> Iterator[list[Any]]:
    """The lists of landmarks in a frame: one person, several, or none."""
    if isinstance(frame, dict):
        for key in _KEYS:
            if isinstance(frame.get(key), list | dict):
                yield from _people(frame[key])
                return
    elif isinstance(frame, list):
        if _is_person(frame):
            yield frame
        else:
            for entry in frame:
                if _is_person(entry):
                    yield entry
                elif isinstance(entry, dict) and isinstance(entry.get("landmark"), list):
                    yield from _people(entry)


def _is_person(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == _COUNT
        and all(isinstance(one, dict) and ("x" in one or "y" in one) for one in value)
    )


def _keypoints(landmarks: list[Any], place: str) -> np.ndarray:
    # Protocol buffers as JSON leave out what is exactly 0.
    columns = [[one.get(axis, 0.0) for one in landmarks] for axis in ("x", "y")]
    columns.append([one.get("visibility", one.get("score", 1.0)) for one in landmarks])
    return np.stack([numbers(column, place) for column in columns], -1)
