"""Keypoint data sets made up for the tests, in the layouts that they are published in."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

LSP, LSPET = 2000, 10000


def jpeg(width: int = 40, height: int = 30, seed: int = 0) -> bytes:
    """A smooth random photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(
        file, "JPEG", quality=95
    )
    return file.getvalue()


def lsp(folder: Path) -> np.ndarray:
    """`folder`/lsp; returns x, y and "occluded" of 2000 people [2000, 14, 3]."""
    joints = _joints(LSP)
    _images(folder / "lsp" / "images", [f"im{n + 1:04d}.jpg" for n in range(LSP)])
    scipy.io.savemat(folder / "lsp" / "joints.mat", {"joints": joints.transpose(2, 1, 0)})
    return joints


def lspet(folder: Path) -> np.ndarray:
    """`folder`/lspet; returns x, y and "annotated" of 10000 people [10000, 14, 3]."""
    joints = _joints(LSPET)
    joints[:, :2, 2] = 1
    joints[joints[..., 2] == 0, :2] *= -1  # as junk as in the release
    _images(folder / "lspet" / "images", [f"im{n + 1:05d}.jpg" for n in range(LSPET)])
    scipy.io.savemat(folder / "lspet" / "joints.mat", {"joints": joints.transpose(1, 2, 0)})
    return joints


def mpii_person(seed: int, **changes: Any) -> dict[str, Any]:
    """The fields of a person of the release's `annorect`, in MATLAB's counting from 1."""
    rng = np.random.default_rng(seed)
    points = [
        struct(x=float(x), y=float(y), id=joint, is_visible=joint % 2)
        for joint, (x, y) in enumerate(rng.uniform(1, 40, (16, 2)))
    ]
    return {
        "x1": 5,
        "y1": 6,
        "x2": 8,
        "y2": 10,
        "annopoints": struct(point=structs(points)),
        "scale": 1.5,
        "objpos": struct(x=20 + seed, y=15),
        **changes,
    }


def mpii_mat(folder: Path, images: list[tuple[str, int, list[dict[str, Any]]]]) -> Path:
    """`folder`/mpii with the release's `.mat` file.

    Args:
      folder: that is to hold `mpii/`.
      images: (name, number of the video, people); the last one is of the test set.
    """
    annolist = structs(
        struct(
            image=struct(name=name),
            annorect=structs(struct(**person) for person in people) if people else EMPTY,
            vididx=video,
        )
        for name, video, people in images
    )
    release = struct(
        annolist=annolist,
        img_train=np.array([1] * (len(images) - 1) + [0]),
        single_person=EMPTY,
    )
    path = folder / "mpii" / "mpii_human_pose_v1_u12_2" / "mpii_human_pose_v1_u12_1.mat"
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"RELEASE": release})
    _images(folder / "mpii" / "images", [name for name, _, _ in images])
    return path


def mpii_json(folder: Path, split: str, people: list[dict[str, Any]]) -> Path:
    """`folder`/mpii/annot/`split`.json and the images of its people."""
    path = folder / "mpii" / "annot" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(people))
    _images(folder / "mpii" / "images", [person["image"] for person in people])
    return path


def mpii_json_person(image: str, seed: int) -> dict[str, Any]:
    """A person of the JSON form whose last two joints are not annotated."""
    joints = np.random.default_rng(seed).uniform(1, 40, (16, 2))
    joints[14:] = -1
    return {
        "image": image,
        "joints": joints.tolist(),
        "joints_vis": [1] * 14 + [0, 0],
        "center": [20.0 + seed, 15.0],
        "scale": 1.5,
    }


def coco(folder: Path, part: str = "train2017") -> dict[str, Any]:
    """`folder`/coco with three people, a crowd and a face; returns the annotation."""
    rng = np.random.default_rng(0)
    people = []
    for number, annotated in enumerate([17, 12, 6, 17, 5]):
        keypoints = np.zeros((17, 3), int)
        keypoints[:annotated] = np.column_stack(
            [rng.integers(0, 40, (annotated, 2)), 1 + np.arange(annotated) % 2]
        )
        people.append(
            {
                "id": 100 + number,
                "image_id": 7 + number % 2,
                "category_id": 1,
                "iscrowd": int(number == 3),
                "bbox": [0.0, 0.0, 10.0, 90.0],
                "num_keypoints": annotated,
                "keypoints": keypoints.ravel().tolist(),
            }
        )
    files = {7: "000000000007.jpg", 8: "000000000008.jpg"}
    content = {
        "images": [{"id": number, "file_name": name} for number, name in files.items()],
        "annotations": people,
    }
    path = folder / "coco" / "annotations" / f"person_keypoints_{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    _images(folder / "coco" / part, list(files.values()))
    return content


EMPTY = np.zeros((0, 0))
"""MATLAB's [], which stands where a struct has nothing in a field."""


def struct(**fields: Any) -> np.ndarray:
    """A MATLAB struct."""
    result = np.empty((1, 1), [(name, object) for name in fields])
    result[0, 0] = tuple(fields.values())
    return result


def structs(parts: Any) -> np.ndarray:
    """A MATLAB array of structs; a field that one of them lacks is empty there."""
    parts = list(parts)
    names = list(dict.fromkeys(name for part in parts for name in part.dtype.names))
    result = np.empty((1, len(parts)), [(name, object) for name in names])
    for i, part in enumerate(parts):
        values = (part[0, 0][n] if n in part.dtype.names else EMPTY for n in names)
        result[0, i] = tuple(values)
    return result


def _joints(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    flags = rng.integers(0, 2, (count, 14, 1))
    return np.concatenate([rng.uniform(0, 30, (count, 14, 2)), flags], -1)


def _images(folder: Path, names: list[str]) -> None:
    """The same small photograph under all these names."""
    folder.mkdir(parents=True, exist_ok=True)
    one = folder.parent / "photograph.jpg"
    one.write_bytes(jpeg())
    for name in dict.fromkeys(names):
        if not (folder / name).exists():
            os.link(one, folder / name)
