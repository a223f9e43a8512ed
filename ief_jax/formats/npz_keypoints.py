"""Keypoints in npz files: `keypoints` [N, K, 3], or `points` [N, K, 2] and `confidence` [N, K]."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ief_jax.formats.assembling import assemble
from ief_jax.formats.detections import Detections
from ief_jax.formats.messages import known
from ief_jax.geometry import skeletons
from ief_jax.io import npz
from ief_jax.io.files import InputError

MOST_FRAMES = 10_000_000
"""Frame numbers beyond this are taken for a broken file."""

_KEYS = (
    *("keypoints", "points", "confidence", "skeleton"),
    *("frame", "person", "frame_names", "images"),
)


def read(path: Path, skeleton: str | None) -> Detections:
    """The people of an npz; `skeleton`, `frame`, `person`, `frame_names`, `images` may be in it.

    Args:
      path: of the file.
      skeleton: a key of `skeletons.LAYOUTS`, or None for what the file itself says.

    Raises:
      InputError: nobody is there, or something is not what was expected; names file and field.
    """
    arrays = npz.read(path, _KEYS)
    if "points" in arrays and "confidence" in arrays:
        points, confidence = arrays["points"], arrays["confidence"]
        if points.ndim != 3 or points.shape[2] != 2 or confidence.shape != points.shape[:2]:
            raise InputError(
                f"{path}: 'points' {points.shape} and 'confidence' {confidence.shape}, expected "
                "[N, K, 2] and [N, K]"
            )
        key = "points"
    elif "keypoints" in arrays:
        stacked, key = arrays["keypoints"], "keypoints"
        if stacked.ndim != 3 or stacked.shape[2] != 3:
            raise InputError(
                f"{path}: 'keypoints' has shape {stacked.shape}, expected [N, K, 3] of x, y, "
                "confidence"
            )
        points, confidence = stacked[..., :2], stacked[..., 2]
    else:
        raise InputError(
            f"{path}: expected 'keypoints' [N, K, 3], or 'points' [N, K, 2] and 'confidence' "
            f"[N, K]; has {', '.join(npz.names(path)) or 'nothing'}"
        )
    if points.dtype.kind not in "iuf" or confidence.dtype.kind not in "biuf":
        raise InputError(f"{path}: '{key}' is of type {points.dtype}, expected numbers")
    if not len(points):
        raise InputError(f"{path}: '{key}' is empty: nobody was detected")
    count = len(points)
    frame = _index(path, arrays, "frame", count, np.arange(count))
    person = _index(path, arrays, "person", count, _places_within(frame))
    frames = int(frame.max()) + 1
    digits = len(str(frames - 1))
    frame_names = _names(path, arrays, "frame_names", frames)
    images = _names(path, arrays, "images", frames)
    if "skeleton" in arrays and skeleton is None:
        skeleton = str(arrays["skeleton"])
        if skeleton not in skeletons.LAYOUTS:
            raise InputError(f"{path}: 'skeleton' is '{skeleton}', expected {known()}")
    return assemble(
        path,
        [f"{path}: {key}[{row}]" for row in range(count)],
        list(np.concatenate([points, confidence[..., None]], -1, dtype=np.float64)),
        skeleton,
        None,
        frame,
        person,
        frame_names or tuple(f"{i:0{digits}d}" for i in range(frames)),
        tuple(name or None for name in images) if images else (None,) * frames,
    )


def _index(
    path: Path, arrays: Mapping[str, np.ndarray], key: str, count: int, default: np.ndarray
) -> np.ndarray:
    value = arrays.get(key, default)
    whole = value.shape == (count,) and value.dtype.kind in "iu"
    if not whole or value.min() < 0 or value.max() >= MOST_FRAMES:
        raise InputError(
            f"{path}: '{key}' is not [{count}] whole numbers from 0 to {MOST_FRAMES}, one a person"
        )
    return value.astype(np.int64)


def _names(path: Path, arrays: Mapping[str, np.ndarray], key: str, frames: int) -> tuple[str, ...]:
    value = arrays.get(key)
    if value is None:
        return ()
    if value.ndim != 1 or len(value) < frames or value.dtype.kind != "U":
        raise InputError(f"{path}: '{key}' is not a list of {frames} names, one a frame")
    return tuple(str(name) for name in value)


def _places_within(frame: np.ndarray) -> np.ndarray:
    """0, 1, ... for the people of each frame, in file order."""
    order = np.argsort(frame, kind="stable")
    _, first, count = np.unique(frame[order], return_index=True, return_counts=True)
    place = np.empty(len(frame), np.int64)
    place[order] = np.arange(len(frame)) - np.repeat(first, count)
    return place
