"""Reads 3DPW: `sequenceFiles/{train,validation,test}/*.pkl`.

A file is a sequence, a pickle of Python 2 whose fields are those of the release's readme.txt: for
each of its one or two people `poses` [F, 72], `betas` [>= 10], `trans` [F, 3], `jointPositions`
[F, 72], `poses2d` [F, 3, 18], `campose_valid` [F] and `genders`; for all of them `cam_poses`
[F, 4, 4], `cam_intrinsics` [3, 3] and `sequence`. We have no file of 3DPW ourselves: types and
shapes are as its public readers take them (SPIN's `datasets/preprocess/pw3d.py` and the authors'
own `scripts/preprocess_3DPW.py`). Nothing in a file is run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from data.releases import files_below, nothing_found
from ief_jax.body import smpl
from ief_jax.formats.detections import MINIMUM_SEEN
from ief_jax.geometry.skeletons import COCO_18
from ief_jax.io import safe_pickle
from ief_jax.io.files import InputError, read_bytes

SPLITS = ("train", "validation", "test")
LARGEST = 1e8
"""Numbers from here on are taken for a broken file."""
BETAS = 10
HOW = (
    "download sequenceFiles.zip from https://virtualhumans.mpi-inf.mpg.de/3DPW and unpack it there"
)
TO_OURS = np.diag([1.0, -1.0, -1.0])
"""Its cameras' axes (x right, y down, z ahead) to ours (x right, y up, z towards the camera)."""


class People(NamedTuple):
    """N people, each in one frame, as the frame's camera sees them: metres, radians, our axes.

    Attributes:
      name: "sequence/person/frame" of each.
      points: [N, 18, 2] OpenPose's keypoints in `skeletons.COCO_18`'s order, pixels.
      confidence: [N, 18] theirs; 0 where there is none.
      poses: [N, 24, 3] axis-angle, the root's as seen by the camera.
      betas: [N, 10].
      trans: [N, 3] of the SMPL body.
      joints: [N, 24, 3] SMPL's joints.
      gender: [N] "m" or "f": whose SMPL the betas are for.
    """

    name: list[str]
    points: np.ndarray
    confidence: np.ndarray
    poses: np.ndarray
    betas: np.ndarray
    trans: np.ndarray
    joints: np.ndarray
    gender: np.ndarray


def read(data_dir: Path, split: str = "test") -> People:
    """The people of a split, in the frames that count.

    Those are the frames where the camera is aligned to the image (`campose_valid`) and, as in the
    paper, at least 6 keypoints were found.

    Args:
      data_dir: the folder that holds `sequenceFiles/`.
      split: train, validation or test.

    Raises:
      InputError: something is missing or is not what the release holds; names file and field.
    """
    where = data_dir / "sequenceFiles" / split
    files = files_below(where, HOW)
    paths = [path for path in files if path.suffix == ".pkl"]
    if not paths:
        raise nothing_found(where, files, "sequences (*.pkl)", HOW)
    parts = [part for path in paths for part in sequence(path)]
    if not sum(len(part.name) for part in parts):
        raise InputError(f"{where}: nobody has {MINIMUM_SEEN} keypoints in an aligned frame")
    return People(
        [name for part in parts for name in part.name],
        *(np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]),
    )


def sequence(path: Path) -> list[People]:
    """The people of one file, as in `read`.

    Raises:
      InputError: the file cannot be read, or is not what the release holds.
    """
    fields = _Fields(path)
    name = fields.text("sequence")
    count = fields.people()
    cameras = fields.array("cam_poses", (None, 4, 4))
    genders = [fields.text("genders", person) for person in range(count)]
    found = []
    for person in range(count):
        frames = len(cameras)
        keypoints = fields.array("poses2d", (frames, 3, len(COCO_18)), person).transpose(0, 2, 1)
        valid = fields.array("campose_valid", (frames,), person).astype(bool)
        seen = keypoints[..., 2] > 0
        kept = np.flatnonzero(valid & (seen.sum(1) >= MINIMUM_SEEN))
        poses = fields.array("poses", (frames, 72), person)[kept].reshape(-1, smpl.JOINTS, 3)
        joints = fields.array("jointPositions", (frames, 72), person)[kept]
        trans = fields.array("trans", (frames, 3), person)[kept]
        betas = fields.betas(person)
        if genders[person] not in ("m", "f"):
            raise InputError(
                f"{path}: 'genders' of person {person} is '{genders[person]}', expected m or f"
            )
        # OpenPose's confidences can be a little more than one.
        confidence = np.where(seen, np.clip(keypoints[..., 2], 0, 1), 0.0)[kept]
        try:
            poses, trans, joints = _as_seen(
                cameras[kept], poses, trans, joints.reshape(-1, smpl.JOINTS, 3)
            )
        except ValueError as error:  # of a rotation that is none
            raise InputError(f"{path}: 'cam_poses' are no cameras: {error}") from error
        found.append(
            People(
                [f"{name}/{person}/{frame:05d}" for frame in kept],
                np.where(confidence[..., None] > 0, keypoints[kept, :, :2], 0).astype(np.float32),
                confidence.astype(np.float32),
                poses.astype(np.float32),
                np.repeat(betas[None], len(kept), 0).astype(np.float32),
                trans.astype(np.float32),
                joints.astype(np.float32),
                np.repeat(genders[person], len(kept)),
            )
        )
    return found


def _as_seen(
    cameras: np.ndarray, poses: np.ndarray, trans: np.ndarray, joints: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses, translations and joints of the world to those of the frame's camera, in our axes."""
    # X -> F (E X + e)
    turn = TO_OURS @ cameras[:, :3, :3]
    shift = cameras[:, :3, 3] @ TO_OURS
    poses = poses.copy()
    poses[:, 0] = (Rotation.from_matrix(turn) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    seen = np.einsum("nij,nkj->nki", turn, joints) + shift[:, None]
    # SMPL turns the body about its pelvis J at rest: the pelvis is seen at J + trans.
    rest = joints[:, 0] - trans
    return poses, seen[:, 0] - rest, seen


class _Fields:
    """The fields of a sequence's file, each checked when it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = safe_pickle.load(read_bytes(path))
        except safe_pickle.SafePickleError as error:
            raise InputError(f"{path}: {error}") from error
        if not isinstance(content, Mapping):
            raise InputError(f"{path}: holds {type(content).__name__}, expected named fields")
        self.content = content

    def people(self) -> int:
        """How many people the sequence has."""
        poses = self._value("poses")
        if not isinstance(poses, Sequence) or not poses:
            raise InputError(f"{self.path}: 'poses' is not a list with an entry for each person")
        return len(poses)

    def text(self, name: str, person: int | None = None) -> str:
        """A field that is a word."""
        value = self._value(name, person)
        if not isinstance(value, str):
            raise InputError(f"{self._place(name, person)} is not text")
        return value

    def array(
        self, name: str, shape: tuple[int | None, ...], person: int | None = None
    ) -> np.ndarray:
        """A field of finite numbers of a shape; None fits any length."""
        try:
            array = safe_pickle.array(self._value(name, person))
        except safe_pickle.SafePickleError as error:
            raise InputError(f"{self._place(name, person)}: {error}") from error
        fits = array.ndim == len(shape) and all(
            want in (None, got) for want, got in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in "biuf":
            expected = str(shape).replace("None", "any")
            raise InputError(
                f"{self._place(name, person)} is {array.dtype} {array.shape}, expected numbers "
                f"{expected}"
            )
        if array.dtype.kind != "b" and not (np.abs(array) < LARGEST).all():
            raise InputError(
                f"{self._place(name, person)} has values that are not finite, or too large"
            )
        return array.astype(np.float64)

    def betas(self, person: int) -> np.ndarray:
        """The first 10 shape coefficients; files have 10 or 300."""
        found = self.array("betas", (None,), person)
        if len(found) < BETAS:
            raise InputError(
                f"{self._place('betas', person)} has {len(found)} numbers, expected {BETAS} or more"
            )
        return found[:BETAS]

    def _value(self, name: str, person: int | None = None) -> Any:
        if name not in self.content:
            there = ", ".join(sorted(map(str, self.content)))
            raise InputError(f"{self.path}: has no field '{name}'; it has {there}")
        value = self.content[name]
        if person is None:
            return value
        try:
            return value[person]
        except (TypeError, IndexError, KeyError) as error:
            raise InputError(f"{self._place(name, person)} is missing") from error

    def _place(self, name: str, person: int | None) -> str:
        return f"{self.path}: '{name}'" + ("" if person is None else f" of person {person}")
