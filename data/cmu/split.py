"""Training, validation and test subjects of CMU motion capture (mocap.cs.cmu.edu).

`python -m data.prepare cmu-split` splits a file of poses by them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ief_jax.formats import poses as formats_poses
from ief_jax.io.files import InputError, output_folder, replacing

SPLITS = ("train", "validation", "test")
TEST = ("06", "08", "13", "16", "exp:soccer", "exp:jumping")
VALIDATION = ("07", "12", "39")


def split_of(subject: str) -> str:
    """The part that a subject belongs to: "train", "validation" or "test"."""
    if subject in TEST:
        return "test"
    return "validation" if subject in VALIDATION else "train"


def split(poses: np.ndarray, subject: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The (poses, subject) of each part, by its name."""
    part = np.array([split_of(name) for name in subject])
    return {name: (poses[part == name], subject[part == name]) for name in SPLITS}


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Poses [N, 24, 3] and their subjects [N] of an npz file.

    Args:
      path: of `poses` [N, >= 66] (SMPL axis-angle, root first, y up) and `subject` [N] (strings).

    Raises:
      InputError: it cannot be read, or has no subjects.
    """
    found = formats_poses.read(path)
    if found.subject is None:
        raise InputError(f"{path}: has no array 'subject' [N]")
    return found.poses, found.subject


def write(poses: np.ndarray, subject: np.ndarray, folder: Path) -> Iterator[tuple[Path, int, int]]:
    """Writes train.npz, validation.npz and test.npz, AMASS-style; no subject is in two of them.

    Args:
      poses: [N, 24, 3], written as [n, 72] float32.
      subject: [N] whose each is.
      folder: made if missing.

    Yields:
      Each file, its poses and its subjects.

    Raises:
      OutputError: a file cannot be written.
    """
    output_folder(folder)
    flat = poses.reshape(len(poses), -1).astype(np.float32)
    for name, (part, of) in split(flat, subject).items():
        path = folder / f"{name}.npz"
        with replacing(path) as file:
            np.savez_compressed(file, poses=part, subject=of)
        yield path, len(part), len(np.unique(of))
