"""Poses of SMPL from files of motion: AMASS, AIST++, ROMP, 4D-Humans, smplx's own parameters.

A file is an npz, an npy or a pickle of arrays; nothing in it is run. Poses are axis-angle, the root
first: `poses` [N, >= 66] or [N, >= 22, 3] under any of `NAMES`, or `global_orient` and `body_pose`;
or rotation matrices [N, >= 22, 3, 3].
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ief_jax.body import smpl
from ief_jax.body.poses import BODY, Poses
from ief_jax.io import npz, safe_pickle
from ief_jax.io.files import InputError, opened, read_bytes

NAMES = ("poses", "smpl_poses", "smpl_thetas", "pose", "thetas", "fullpose")
"""AMASS and others, AIST++, ROMP, SPIN and others, WHAM, SMPL-X."""
PARTS = (("global_orient", "body_pose"), ("root_orient", "pose_body"))
BETAS = ("betas", "smpl_betas", "shape")
MOST_RADIANS = 20.0
"""A rotation vector that is longer is not in radians."""
NOT_ROTATION = 0.02
"""R R^T of a rotation matrix may be off the identity by less."""
EXPECTED = (
    "expected an npz, npy or pickle of arrays; what joblib.dump or torch.save wrote, and motion in "
    "other forms, can be brought as numpy.savez(FILE, poses=..., betas=...)"
)
_PICKLED = "results"  # what ROMP calls its npz's one array
_ZIP, _NPY = b"PK", b"\x93N"
_DEEPEST = 3
"""Of dictionaries and lists about people's parameters: frames, people, their bodies."""


def read(path: str | os.PathLike[str]) -> Poses:
    """Reads one file.

    Numbers behind the first 66 (hands, face) are not SMPL's and are left out.

    Raises:
      InputError: the file is missing, is no npz, npy or pickle of arrays, has no poses or ones of a
        wrong shape, or numbers that are not finite or not radians; the message names file and
        field.
    """
    path = Path(path)
    found = [_poses(path, fields) for fields in _people(path, _content(path))]
    return found[0] if len(found) == 1 else _joined(found)


def read_all(paths: Sequence[str | os.PathLike[str]]) -> Poses:
    """Reads several files into one; betas and subjects stay only where every file has them.

    Files of a subject's shape (`shape.npz`, `neutral_stagei.npz`), as AMASS has them beside the
    motions, are passed over.

    Raises:
      InputError: as `read`; or all of the files are of shapes.
    """
    motions = [path for path in paths if not _is_shape(Path(path))]
    if not motions:
        raise InputError(f"{paths[0]}: a subject's shape, not a motion: it has no array 'poses'")
    return _joined([read(path) for path in motions])


def _is_shape(path: Path) -> bool:
    shapes = path.name == "shape.npz" or path.name.endswith("_stagei.npz")
    return shapes and not {*npz.names(path)} & {*NAMES}


def _content(path: Path) -> Mapping[Any, Any]:
    """The fields of a file, by name: arrays, or what `safe_pickle` makes of them."""
    with opened(path) as file:
        start = file.read(2)
    if start == _NPY:
        return {NAMES[0]: npz.read_npy(path)}
    if start != _ZIP:
        try:
            content = safe_pickle.load(read_bytes(path))
        except safe_pickle.SafePickleError as error:
            raise InputError(f"{path}: {error}; {EXPECTED}") from error
        if not isinstance(content, Mapping):
            raise InputError(f"{path}: has no array 'poses': it holds no named arrays")
        return content
    names = npz.names(path)
    if names == [_PICKLED]:
        return _pickled(path)
    wanted = {*NAMES, *BETAS, "subject", *(name for pair in PARTS for name in pair)}
    if not wanted & {*names}:
        raise _without_poses(path, names)
    return npz.read(path, wanted)


def _pickled(path: Path) -> Mapping[Any, Any]:
    try:
        with opened(path) as file:
            content = safe_pickle.item(safe_pickle.load(npz.pickled(file, _PICKLED)))
    except (npz.NpzError, safe_pickle.SafePickleError) as error:
        raise InputError(f"{path}: '{_PICKLED}': {error}") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: '{_PICKLED}' holds no named arrays")
    return content


def _people(path: Path, content: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    """The parts of a file that have poses: the whole, or people of each frame."""
    found = list(_with_poses(content, _DEEPEST))
    if not found:
        raise _without_poses(path, content)
    return found


def _without_poses(path: Path, names: Iterable[Any]) -> InputError:
    there = ", ".join(str(name)[:40] for name in list(names)[:8]) or "nothing"
    return InputError(
        f"{path}: has no array 'poses' [N, >= {BODY}] (nor {', '.join(NAMES[1:])}, nor "
        f"global_orient and body_pose); it has {there}; {EXPECTED}"
    )


def _with_poses(content: Mapping[Any, Any], deepest: int) -> Iterator[Mapping[Any, Any]]:
    if _pose_names(content):
        yield content
    elif deepest:
        for value in content.values():
            for entry in value if isinstance(value, list) else [value]:
                if isinstance(entry, Mapping):
                    yield from _with_poses(entry, deepest - 1)


def _pose_names(fields: Mapping[Any, Any]) -> tuple[str, ...]:
    """The fields that make up the poses, if they are there."""
    for name in NAMES:
        if name in fields:
            return (name,)
    return next((pair for pair in PARTS if all(name in fields for name in pair)), ())


def _poses(path: Path, fields: Mapping[Any, Any]) -> Poses:
    names = _pose_names(fields)
    given = [_array(path, name, fields[name]) for name in names]
    *root, body = given
    vectors = body.ndim == 2 and body.shape[1] == 3 and all(part.size == 3 for part in root)
    if vectors or body.shape[1:] == (3, 3):  # of one pose, [J, 3] or [J, 3, 3]
        given = [*(part.reshape(1, -1) for part in root), body[None]]
    parts = [_flat(path, name, part) for name, part in zip(names, given, strict=True)]
    if len({len(part) for part in parts}) > 1:
        raise InputError(f"{path}: {' and '.join(names)} are of different lengths")
    numbers = np.concatenate(parts, -1)
    if numbers.shape[1] < BODY:
        shown = " and ".join(f"'{name}'" for name in names)
        raise InputError(
            f"{path}: {shown} is {numbers.dtype} {numbers.shape}, expected floats [N, >= {BODY}]"
        )
    count = len(numbers)
    if count == 0:
        raise InputError(f"{path}: '{names[0]}' is empty")
    poses = np.zeros((count, smpl.JOINTS * 3), np.float32)
    with np.errstate(over="ignore"):
        poses[:, :BODY] = numbers[:, :BODY]
    npz.require_finite(path, names[0], poses)
    turns = poses.reshape(count, smpl.JOINTS, 3)
    longest = np.abs(turns).max()
    if longest > MOST_RADIANS:
        raise InputError(
            f"{path}: '{names[0]}' has angles of up to {longest:.4g}, expected radians (degrees?)"
        )
    return Poses(
        turns,
        _betas(path, fields, count),
        _subject(path, fields, count),
    )


def _array(path: Path, name: str, value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    try:
        return safe_pickle.array(value)
    except safe_pickle.SafePickleError as error:
        raise InputError(f"{path}: '{name}': {error}") from error


def _flat(path: Path, name: str, numbers: np.ndarray) -> np.ndarray:
    """[N, D] of [N, J, 3], [N, J, 3, 3], [N, D] or of one pose [D]."""
    given = numbers
    if numbers.dtype.kind in "iu":
        numbers = numbers.astype(np.float32)
    matrices = numbers.ndim == 4 and numbers.shape[2:] == (3, 3)
    if numbers.ndim == 3 and numbers.shape[1:] == (3, 3):
        numbers, matrices = numbers[:, None], True
    if numbers.ndim == 1:
        numbers = numbers[None]
    if numbers.ndim == 3 and numbers.shape[2] == 3 or matrices:
        numbers = numbers.reshape(len(numbers), -1)
    if numbers.ndim != 2 or numbers.dtype.kind != "f":
        raise InputError(
            f"{path}: '{name}' is {given.dtype} {given.shape}, expected floats [N, >= {BODY}], "
            "axis-angle, or rotation matrices [N, J, 3, 3]"
        )
    if numbers.size and numbers.shape[1] % 9 == 0:
        turns = numbers.reshape(-1, 3, 3)
        if _are_orthonormal(turns):
            return Rotation.from_matrix(turns).as_rotvec().reshape(len(numbers), -1)
    if matrices:
        raise InputError(f"{path}: '{name}' has matrices that are no rotations")
    if numbers.size and numbers.shape[1] % 6 == 0:
        halves = numbers.reshape(-1, 2, 3), numbers.reshape(-1, 3, 2).swapaxes(1, 2)
        if any(map(_are_orthonormal, halves)):
            raise InputError(
                f"{path}: '{name}' has two columns of rotation matrices (6D), expected axis-angle"
            )
    return numbers


def _are_orthonormal(rows: np.ndarray) -> bool:
    """Whether the rows of each of [M, R, 3] are."""
    with np.errstate(all="ignore"):
        gram = rows @ rows.swapaxes(1, 2)
        return bool((np.abs(gram - np.eye(rows.shape[1])) < NOT_ROTATION).all())


def _betas(path: Path, fields: Mapping[Any, Any], count: int) -> np.ndarray | None:
    name = next((name for name in BETAS if name in fields), None)
    if name is None:
        return None
    betas = _array(path, name, fields[name])
    if betas.ndim == 2 and len(betas) == 1:
        betas = betas[0]
    if betas.ndim == 1:
        betas = np.broadcast_to(betas, (count, len(betas)))
    if betas.ndim != 2 or len(betas) != count or betas.dtype.kind != "f":
        raise InputError(
            f"{path}: '{name}' is {betas.dtype} {betas.shape}, expected floats [B] or [{count}, B]"
        )
    with np.errstate(over="ignore"):
        narrow = betas.astype(np.float32)
    npz.require_finite(path, name, narrow)
    return narrow


def _subject(path: Path, fields: Mapping[Any, Any], count: int) -> np.ndarray | None:
    if "subject" not in fields:
        return None
    subject = _array(path, "subject", fields["subject"])
    if subject.shape != (count,):
        raise InputError(f"{path}: 'subject' is {subject.shape}, expected ({count},)")
    return subject


def _joined(parts: Sequence[Poses]) -> Poses:
    betas = [part.betas for part in parts if part.betas is not None]
    subjects = [part.subject for part in parts if part.subject is not None]
    common = min((b.shape[1] for b in betas), default=0)
    return Poses(
        np.concatenate([part.poses for part in parts]),
        np.concatenate([b[:, :common] for b in betas]) if len(betas) == len(parts) else None,
        np.concatenate(subjects) if len(subjects) == len(parts) else None,
    )
