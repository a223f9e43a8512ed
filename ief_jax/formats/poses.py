"""Poses from AMASS-style npz files: `poses` [N, >= 66] axis-angle, optional `betas`, `subject`."""

import os
from collections.abc import Sequence

import numpy as np

from ief_jax.body import smpl
from ief_jax.body.poses import BODY, Poses
from ief_jax.io import npz
from ief_jax.io.files import InputError


def read(path: str | os.PathLike[str]) -> Poses:
    """Reads one file.

    Numbers behind the first 66 (hands, face) are not SMPL's and are left out.

    Raises:
      InputError: the file is missing, is no npz, holds pickled objects, has no `poses` or ones of
        a wrong shape, or numbers that are not finite; the message names file and field.
    """
    found = npz.read(path, ("poses", "betas", "subject"))
    if "poses" not in found:
        raise InputError(f"{path}: has no array 'poses' [N, >= {BODY}]")
    numbers = found["poses"]
    if numbers.ndim != 2 or numbers.shape[1] < BODY or numbers.dtype.kind != "f":
        raise InputError(
            f"{path}: 'poses' is {numbers.dtype} {numbers.shape}, expected floats [N, >= {BODY}]"
        )
    count = len(numbers)
    if count == 0:
        raise InputError(f"{path}: 'poses' is empty")
    poses = np.zeros((count, smpl.JOINTS * 3), np.float32)
    poses[:, :BODY] = numbers[:, :BODY]
    betas = found.get("betas")
    if betas is not None:
        if betas.ndim == 1:
            betas = np.broadcast_to(betas, (count, len(betas)))
        if betas.ndim != 2 or len(betas) != count or betas.dtype.kind != "f":
            raise InputError(
                f"{path}: 'betas' is {betas.dtype} {betas.shape}, "
                f"expected floats [B] or [{count}, B]"
            )
        betas = betas.astype(np.float32)
    npz.require_finite(path, "poses", poses)
    if betas is not None:
        npz.require_finite(path, "betas", betas)
    subject = found.get("subject")
    if subject is not None and subject.shape != (count,):
        raise InputError(f"{path}: 'subject' is {subject.shape}, expected ({count},)")
    return Poses(poses.reshape(count, smpl.JOINTS, 3), betas, subject)


def read_all(paths: Sequence[str | os.PathLike[str]]) -> Poses:
    """Reads several files into one; betas and subjects stay only where every file has them."""
    parts = [read(path) for path in paths]
    betas = [part.betas for part in parts if part.betas is not None]
    subjects = [part.subject for part in parts if part.subject is not None]
    common = min((b.shape[1] for b in betas), default=0)
    return Poses(
        np.concatenate([part.poses for part in parts]),
        np.concatenate([b[:, :common] for b in betas]) if len(betas) == len(parts) else None,
        np.concatenate(subjects) if len(subjects) == len(parts) else None,
    )
