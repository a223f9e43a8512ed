"""What Ultralytics' `Results.to_json()` gives: a list of objects with `keypoints` x, y, visible."""

from typing import Any

import numpy as np

from ief_jax.formats.content import Collector, Content, Frame, ItemError, numbers, with_confidence
from ief_jax.formats.messages import kind


def matches(content: Any) -> bool:
    """Is it a list of objects with `keypoints`, or of lists of them (one an image)?"""
    if not isinstance(content, list):
        return False
    return any(_is_one(e) or (isinstance(e, list) and any(map(_is_one, e))) for e in content)


def _is_one(entry: Any) -> bool:
    keypoints = entry.get("keypoints") if isinstance(entry, dict) else None
    return isinstance(keypoints, dict) and "x" in keypoints and "y" in keypoints


def read(content: Any) -> Content:
    """The people."""
    found = Collector()
    several = any(isinstance(entry, list) for entry in content)
    for number, image in enumerate(content if several else [content]):
        frame = Frame(f"{number:06d}", None, number) if several else Frame()
        index = found.frame(number, frame)
        if not isinstance(image, list):
            found.passed_over.append(f"[{number}] is {kind(image)}, expected a list of objects")
            continue
        without = 0
        for person, entry in enumerate(image):
            place = f"[{number}][{person}]" if several else f"[{person}]"
            if not _is_one(entry):
                without += 1
                continue
            try:
                keypoints = _keypoints(entry["keypoints"], f"{place}.keypoints")
            except ItemError as error:
                found.passed_over.append(str(error))
                continue
            found.person(f"{place}.keypoints", index, keypoints, entry.get("track_id"))
        if without:
            found.passed_over.append(f"{without} of the objects without keypoints")
    return Content(
        "Ultralytics",
        found.frames,
        found.people,
        found.passed_over,
        "it holds no person",
        usual=("COCO_17",),
    )


def _keypoints(values: dict[str, Any], place: str) -> np.ndarray:
    columns = [values.get(key) for key in ("x", "y", "visible")]
    if columns[2] is None and isinstance(columns[0], list):
        columns[2] = [1.0] * len(columns[0])
    if len({len(c) if isinstance(c, list) else -1 for c in columns}) > 1 or columns[0] is None:
        raise ItemError(f"{place}: expected lists 'x', 'y' and 'visible' of one length")
    if not isinstance(columns[0], list):
        raise ItemError(f"{place}.x is {kind(columns[0])}, expected a list")
    x, y, visible = (numbers(column or [], place) for column in columns)
    return with_confidence(np.stack([x, y], -1), visible)
