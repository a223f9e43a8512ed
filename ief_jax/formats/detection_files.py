"""Reads detections from OpenPose JSON, COCO keypoint JSON and npz files.

Nothing is dropped here but annotations that are not of people; `detections.usable` says who can be
fitted.
"""

import json
import os
from pathlib import Path
from typing import Any

from ief_jax.formats import coco_keypoints, npz_keypoints, openpose
from ief_jax.formats.detections import Detections
from ief_jax.formats.messages import has, known
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError, read_bytes


def read(path: str | os.PathLike[str], skeleton: str | None = None) -> Detections:
    """Reads detections; the format is told from the content.

    Args:
      path: an OpenPose JSON file (`people`), a folder of them (one a frame, in the order of the
        numbers in their names), a COCO JSON file (`annotations`, or a list of results) or an npz
        with `keypoints` [N, K, 3] or `points` [N, K, 2] and `confidence` [N, K], and optionally
        `skeleton`, `frame` and `person`.
      skeleton: a key of `skeletons.LAYOUTS`. Without it the file's own names count, then the
        number of keypoints, and between BODY_25 and BODY_25B (both have 25) the layout in which
        the limbs are short.

    Raises:
      InputError: anything that keeps the file from being used, with its name and the field.
    """
    path = Path(path)
    if skeleton is not None and skeleton not in skeletons.LAYOUTS:
        raise InputError(f"unknown skeleton '{skeleton}': expected {known()}")
    if path.is_dir():
        paths = openpose.frames(path)
        return openpose.read(paths, [_parse(frame) for frame in paths], skeleton)
    if path.suffix.lower() == ".npz":
        return npz_keypoints.read(path, skeleton)
    content = _parse(path)
    if isinstance(content, dict) and "people" in content:
        return openpose.read([path], [content], skeleton)
    if isinstance(content, dict) and "annotations" in content:
        return coco_keypoints.read(path, content["annotations"], content, skeleton)
    if isinstance(content, list):
        return coco_keypoints.read(path, content, {}, skeleton)
    raise InputError(
        f"{path}: JSON, but not of keypoints: expected 'people' (OpenPose), 'annotations' (COCO) "
        f"or a list of COCO results{has(content)}"
    )


def _parse(path: Path) -> Any:
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not JSON ({error})") from error
