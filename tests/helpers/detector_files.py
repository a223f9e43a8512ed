"""Files as detectors write them, made of one person whose keypoints are known by name."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ief_jax.geometry import skeletons

# A person who kicks a ball, seen from the front and a little from the side: x right, y down, px.
KICKING = {
    "nose": (312.0, 121.0),
    "left_eye": (317.0, 113.0),
    "right_eye": (306.0, 114.0),
    "left_ear": (325.0, 117.0),
    "right_ear": (297.0, 118.0),
    "head_top": (309.0, 88.0),
    "upper_neck": (309.0, 137.0),
    "neck": (308.0, 157.0),
    "thorax": (308.0, 157.0),
    "left_shoulder": (342.0, 156.0),
    "right_shoulder": (274.0, 158.0),
    "left_elbow": (371.0, 196.0),
    "right_elbow": (240.0, 190.0),
    "left_wrist": (398.0, 236.0),
    "right_wrist": (214.0, 216.0),
    "pelvis": (306.5, 264.0),
    "mid_hip": (306.5, 264.0),
    "left_hip": (326.0, 264.0),
    "right_hip": (287.0, 264.0),
    "left_knee": (333.0, 346.0),
    "right_knee": (262.0, 334.0),
    "left_ankle": (331.0, 428.0),
    "right_ankle": (231.0, 404.0),
    "left_heel": (333.0, 440.0),
    "right_heel": (228.0, 417.0),
    "left_big_toe": (339.0, 452.0),
    "right_big_toe": (214.0, 428.0),
    "left_small_toe": (348.0, 448.0),
    "right_small_toe": (206.0, 422.0),
    "h36m_spine": (308.0, 205.0),
    "h36m_neck": (308.0, 150.0),
    "h36m_jaw": (310.0, 126.0),
    "crowdpose_neck": (308.0, 148.0),
    "smpl_neck": (309.0, 144.0),
    "smpl_head": (309.0, 130.0),
}
SIZE = (640, 480)


def array(
    names: Sequence[str], confidence: float = 0.9, shift: float = 0.0, visible: bool = True
) -> np.ndarray:
    """[K, 3] x, y, confidence; what the person has no keypoint for lies about the middle."""
    rows = [(*KICKING.get(name, (300.0, 250.0)), confidence) for name in names]
    return np.array(rows) + [shift, 0, 0]


def flat(names: Sequence[str], **options: Any) -> list[float]:
    """[x, y, confidence, ...] as JSON has it."""
    return [float(value) for value in array(names, **options).reshape(-1)]


def layout(name: str, **options: Any) -> list[float]:
    """`flat` of a layout of this project."""
    return flat(skeletons.LAYOUTS[name], **options)


def openpose(*people: Any, **fields: Any) -> dict[str, Any]:
    """An OpenPose frame."""
    entries = [p if isinstance(p, dict) else {"pose_keypoints_2d": p} for p in people]
    return {"version": 1.3, "people": entries, **fields}


def annotations(
    keypoints: Any, names: Sequence[str] | None = skeletons.COCO_17, **fields: Any
) -> dict[str, Any]:
    """COCO annotations of one person in one image."""
    category: dict[str, Any] = {"id": 1, "name": "person"}
    if names is not None:
        category["keypoints"] = list(names)
    return {
        "images": [{"id": 1, "file_name": "1.jpg", "width": SIZE[0], "height": SIZE[1]}],
        "categories": [category],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": keypoints}],
        **fields,
    }


def results(keypoints: Any, image: Any = "1.jpg", **fields: Any) -> dict[str, Any]:
    """One of COCO's results."""
    return {"image_id": image, "category_id": 1, "keypoints": keypoints, "score": 2.5, **fields}


def write(path: Path, content: Any) -> Path:
    """Text as it is, everything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
