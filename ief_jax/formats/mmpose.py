"""Predictions of MMPose 1.x: of an image, a list of people; of a video, a list of frames.

Either may stand under `instance_info`, beside `meta_info` with the names of the keypoints.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ief_jax.formats.content import (
    Collector,
    Content,
    Frame,
    ItemError,
    numbers,
    rows,
    whole,
    with_confidence,
)
from ief_jax.formats.messages import has, kind
from ief_jax.io.files import InputError


def matches(content: Any) -> bool:
    """Does it have instances?"""
    if isinstance(content, dict):
        return any(key in content for key in ("instance_info", "instances", "predictions"))
    return isinstance(content, list) and any(
        _is_one(entry) or (isinstance(entry, list) and any(map(_is_person, entry)))
        for entry in content
    )


def _is_person(entry: Any) -> bool:
    """MMPose 0.x has x, y and score in `keypoints`."""
    return isinstance(entry, dict) and isinstance(entry.get("keypoints"), list)


def _is_one(entry: Any) -> bool:
    """A frame, or a person."""
    if not isinstance(entry, dict) or "image_id" in entry:
        return False
    return "instances" in entry or ("keypoints" in entry and "keypoint_scores" in entry)


def read(content: Any) -> Content:
    """The people; raises `InputError` if the file as a whole is not what was expected."""
    names = None
    entries = content
    if isinstance(content, dict):
        names = _names(content.get("meta_info"))
        entries = content.get("instance_info", content.get("predictions", [content]))
    if not isinstance(entries, list):
        raise InputError(f"'instance_info' is {kind(entries)}, expected a list")
    # The inferencer's own result: a list of people for each image.
    if any(isinstance(entry, list) for entry in entries):
        entries = [{"instances": entry} for entry in entries]
    if len(entries) == 1 and isinstance(entries[0], dict) and "frame_id" not in entries[0]:
        entries = entries[0].get("instances", entries)
    if not isinstance(entries, list):
        raise InputError(f"'instances' is {kind(entries)}, expected a list")
    found = Collector()
    if any(isinstance(entry, dict) and "instances" in entry for entry in entries):
        for number, entry in enumerate(entries):
            place = f"instance_info[{number}]"
            people = entry.get("instances") if isinstance(entry, dict) else None
            if not isinstance(people, list):
                found.passed_over.append(f"{place} is no frame: expected 'instances'{has(entry)}")
                continue
            stated = whole(entry.get("frame_id"))
            frame = number if stated is None else stated
            index = found.frame(number, Frame(f"{frame:06d}", None, frame))
            for person, instance in enumerate(people):
                _person(found, f"{place}.instances[{person}]", index, instance)
    else:
        index = found.frame(0, Frame())
        for person, instance in enumerate(entries):
            _person(found, f"[{person}]", index, instance)
    return Content(
        "MMPose",
        found.frames,
        found.people,
        found.passed_over,
        "no instance: nobody was detected",
        names=names,
    )


def _person(found: Collector, place: str, frame: int, instance: Any) -> None:
    if not isinstance(instance, dict) or "keypoints" not in instance:
        found.passed_over.append(f"{place}.keypoints is missing{has(instance)}")
        return
    try:
        values = instance["keypoints"]
        # Some versions write [[[x, y], ...]], one person within a list.
        while isinstance(values, list) and len(values) == 1 and _deep(values[0]):
            values = values[0]
        points = rows(values, f"{place}.keypoints")
        scores = instance.get("keypoint_scores")
        if scores is not None:
            if isinstance(scores, list) and len(scores) == 1 and isinstance(scores[0], list):
                scores = scores[0]
            if not isinstance(scores, list) or len(scores) != len(points):
                raise ItemError(
                    f"{place}.keypoint_scores is {kind(scores)}, expected one for each of "
                    f"{len(points)} keypoints"
                )
            given = numbers(scores, f"{place}.keypoint_scores")
            if _are_depths(points, given):
                raise ItemError(f"{place}.keypoints are [[x, y, z], ...], expected [[x, y], ...]")
            points = with_confidence(points[:, :2], given)
    except ItemError as error:
        found.passed_over.append(str(error))
        return
    found.person(f"{place}.keypoints", frame, np.asarray(points), instance.get("track_id"))


def _are_depths(points: np.ndarray, scores: np.ndarray) -> bool:
    """Do keypoints [K, 3] have a third number beside their scores [K] that is none again?"""
    third = points[:, 2]
    there = np.isfinite(third) & np.isfinite(scores)
    return not (np.isin(third[there], (0, 1, 2)).all() or np.allclose(third[there], scores[there]))


def _deep(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], list)


def _names(meta: Any) -> tuple[str, ...] | None:
    if not isinstance(meta, Mapping):
        return None
    table = meta.get("keypoint_id2name")
    if isinstance(table, dict):
        table = [table.get(str(number)) for number in range(len(table))]
    if isinstance(table, list) and table and all(isinstance(name, str) for name in table):
        return tuple(table)
    return None
