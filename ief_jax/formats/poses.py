"""Poses of SMPL from files of motion: AMASS, AIST++, ROMP, smplx's own parameters.

A file is an npz or a pickle of arrays; nothing in it is run. Poses are axis-angle, the root first:
`poses` [N, >= 66] or [N, >= 22, 3] under any of `NAMES`, or `global_orient` and `body_pose`.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ief_jax.body import smpl
from ief_jax.body.poses import BODY, Poses
from ief_jax.io import npz, safe_pickle
from ief_jax.io.files import InputError, read_bytes

NAMES = ("poses", "smpl_poses", "smpl_thetas", "pose", "thetas", "fullpose")
"""AMASS and others, AIST++, ROMP, SPIN and others, WHAM, SMPL-X."""
PARTS = (("global_orient", "body_pose"), ("root_orient", "pose_body"))
BETAS = ("betas", "smpl_betas", "shape")
_PICKLED = "results"  # what ROMP calls its npz's one array
_ZIP = b"PK"


def read(path: str | os.PathLike[str]) -> Poses:
    """Reads one file.

    Numbers behind the first 66 (hands, face) are not SMPL's and are left out.

    Raises:
      InputError: the file is missing, is no npz or pickle of arrays, has no poses or ones of a
        wrong shape, or numbers that are not finite; the message names file and field.
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
    with _open(path) as file:
        zipped = file.read(2) == _ZIP
    if not zipped and path.suffix.lower() not in (".pkl", ".pickle", ".p"):
        return npz.read(path)  # says what is wrong
    if not zipped:
        try:
            content = safe_pickle.load(read_bytes(path))
        except safe_pickle.SafePickleError as error:
            raise InputError(f"{path}: {error}") from error
        if not isinstance(content, Mapping):
            raise InputError(f"{path}: has no array 'poses': it holds no named arrays")
        return content
    if npz.names(path) == [_PICKLED]:
        return _pickled(path)
    wanted = {*NAMES, *BETAS, "subject", *(name for pair in PARTS for name in pair)}
    return npz.read(path, wanted)


def _open(path: Path) -> Any:
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _pickled(path: Path) -> Mapping[Any, Any]:
    try:
        with _open(path) as file:
            content = safe_pickle.item(safe_pickle.load(npz.pickled(file, _PICKLED)))
    except (npz.NpzError, safe_pickle.SafePickleError) as error:
        raise InputError(f"{path}: '{_PICKLED}': {error}") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: '{_PICKLED}' holds no named arrays")
    return content


def _people(path: Path, content: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    """The parts of a file that have poses: the whole, or ROMP's people of each frame."""
    if _pose_names(content):
        return [content]
    found: list[Mapping[Any, Any]] = []
    for value in content.values():
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, Mapping) and _pose_names(entry):
                found.append(entry)
    if not found:
        there = ", ".join(str(name)[:40] for name in list(content)[:8]) or "nothing"
        raise InputError(
            f"{path}: has no array 'poses' [N, >= {BODY}] (nor {', '.join(NAMES[1:])}, nor "
            f"global_orient and body_pose); it has {there}"
        )
    return found


def _pose_names(fields: Mapping[Any, Any]) -> tuple[str, ...]:
    """The fields that make up the poses, if they are there."""
    for name in NAMES:
        if name in fields:
            return (name,)
    return next((pair for pair in PARTS if all(name in fields for name in pair)), ())


def _poses(path: Path, fields: Mapping[Any, Any]) -> Poses:
    names = _pose_names(fields)
    parts = [_flat(path, name, _array(path, name, fields[name])) for name in names]
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
    return Poses(
        poses.reshape(count, smpl.JOINTS, 3),
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
    """[N, D] of [N, J, 3], [N, D] or one pose [D]."""
    if numbers.ndim == 1:
        numbers = numbers[None]
    if numbers.ndim == 3 and numbers.shape[2] == 3:
        numbers = numbers.reshape(len(numbers), numbers.shape[1] * 3)
    if numbers.ndim != 2 or numbers.dtype.kind != "f":
        raise InputError(
            f"{path}: '{name}' is {numbers.dtype} {numbers.shape}, expected floats [N, >= {BODY}]"
        )
    return numbers


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
