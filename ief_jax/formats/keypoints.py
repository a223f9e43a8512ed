"""Keypoints of the people in a photograph as OpenPose writes them."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ief_jax.geometry import skeletons
from ief_jax.io.files import replacing

SKELETON = "BODY_25"
LEAST = 1e-3
"""Confidence of a keypoint that was estimated, at least: 0 would say that it was not found."""


def write(
    path: str | os.PathLike[str],
    points: np.ndarray,
    confidence: np.ndarray | None,
    names: Sequence[str],
    marked: np.ndarray,
    image: str,
    identity: Sequence[int] | None = None,
) -> None:
    """Writes the people of one photograph, so that OpenPose's readers read them.

    The JSON object holds, beside OpenPose's own fields:
      skeleton: the layout of `pose_keypoints_2d`.
      image: as given.
      keypoint_names: as given.
      confidence_estimated: false where no confidence was given; all are 1 then.
      people[i].keypoints_2d: x, y, confidence of each of `keypoint_names`, those too that
        BODY_25 has not. `detection_files` reads these.
      people[i].marked_point: x, y.

    A keypoint of BODY_25 that is not among `names` is the mean of those that OpenPose defines it
    by (neck, mid-hip), or else 0, 0 with confidence 0.

    Args:
      path: ends in .json; OpenPose's end in `_keypoints.json`.
      points: [N, K, 2] pixels, x right, y down.
      confidence: [N, K] in [0, 1]; None where it was not estimated.
      names: the K keypoints'.
      marked: [N, 2] pixels, the point that told each person from the others.
      image: the photograph's file name.
      identity: the N people's numbers over frames, where they are known.

    Raises:
      OutputError: the file cannot be written.
    """
    estimated = confidence is not None
    confidence = np.ones(points.shape[:-1]) if confidence is None else confidence
    confidence = np.clip(confidence, LEAST, 1)
    body = _triples(*skeletons.convert(points, confidence, names, skeletons.LAYOUTS[SKELETON]))
    own = _triples(points, confidence)
    numbers = [-1] * len(points) if identity is None else identity
    content = {
        "version": 1.3,
        "skeleton": SKELETON,
        "image": image,
        "keypoint_names": list(names),
        "confidence_estimated": estimated,
        "people": [_person(*fields) for fields in zip(body, own, marked, numbers, strict=True)],
    }
    with replacing(path) as file:
        file.write((json.dumps(content) + "\n").encode())


def _person(body: np.ndarray, own: np.ndarray, marked: np.ndarray, number: int) -> dict[str, Any]:
    return {
        "person_id": [int(number)],
        "pose_keypoints_2d": body.reshape(-1).tolist(),
        "face_keypoints_2d": [],
        "hand_left_keypoints_2d": [],
        "hand_right_keypoints_2d": [],
        "pose_keypoints_3d": [],
        "face_keypoints_3d": [],
        "hand_left_keypoints_3d": [],
        "hand_right_keypoints_3d": [],
        "keypoints_2d": own.reshape(-1).tolist(),
        "marked_point": np.asarray(marked, np.float64).round(3).tolist(),
    }


def _triples(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    return np.concatenate([points, confidence[..., None]], -1).astype(np.float64).round(3)
