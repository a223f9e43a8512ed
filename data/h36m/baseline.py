"""Human3.6M's h5 files, as prepared for 3d-pose-baseline (Martinez et al. 2017): `h36m.zip`.

Below each subject's folder, every file with one array:

    S9/MyPoses/3D_positions/Walking 1.h5                          3D_positions [96, F], millimetres
    S9/StackedHourglass/Walking_1.60457274.h5                     poses [F, 16, 2], pixels
    S9/StackedHourglassFineTuned240/Walking_1.60457274.h5         the same
    S9/MyPoses/2D_positions/Walking 1.60457274.h5                 2D_positions [64, F], pixels

where the rows of the first go through joint 0's x, y, z, then joint 1's, and those of the last
likewise. The layout is that which 3d-pose-baseline's src/data_utils.py and VideoPose3D's
data/prepare_data_h36m.py and data/prepare_data_2d_h36m_sh.py read.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.h36m.sequences import (
    CAMERAS,
    FRONTAL,
    OF_32,
    SUBJECTS,
    Joints,
    Keypoints,
    SequenceName,
    array,
    every_fifth,
)
from data.releases import some
from ief_jax.io.files import InputError

POSES_FOLDER = "MyPoses/3D_positions"
ACTIONS = 30
"""Sequences of each subject: fifteen actions, twice."""


class Kind(NamedTuple):
    """Of keypoints.

    Attributes:
      folder: below a subject's.
      field: the name of the array in each file.
    """

    folder: str
    field: str


KINDS = {
    "sh_ft_h36m": Kind("StackedHourglassFineTuned240", "poses"),
    "sh_pt_mpii": Kind("StackedHourglass", "poses"),
    "gt": Kind("MyPoses/2D_positions", "2D_positions"),
}
"""By VideoPose3D's name of the detector."""


def root(data_dir: Path, folder: str) -> Path | None:
    """Where the subjects' folders are that have this one in them: `data_dir`, or its `h36m`."""
    places = (data_dir / "h36m", data_dir)
    return next((p for p in places if any((p / s / folder).is_dir() for s in SUBJECTS)), None)


def joints(where: Path) -> dict[SequenceName, Joints]:
    """The joints of the subjects in this folder.

    Raises:
      InputError: files are missing, cannot be read or are not what was expected.
    """
    found = {}
    for subject in SUBJECTS:
        paths = _files(where / subject / POSES_FOLDER)
        if len(paths) != ACTIONS:
            raise InputError(
                f"{where / subject / POSES_FOLDER}: has {len(paths)} h5 files, expected {ACTIONS}: "
                f"{some(path.name for path in paths)}"
            )
        for path in paths:
            rows = array(f"{path}: '3D_positions'", _read(path, "3D_positions"), (96, None))
            positions = rows.reshape(32, 3, -1).transpose(2, 0, 1) / 1000
            found[subject, _action(path.stem)] = every_fifth(positions)
    return found


def keypoints(where: Path, kind: Kind) -> dict[SequenceName, Keypoints]:
    """The frontal camera's keypoints, K = 16 for a stacked hourglass's and 17 for the true ones.

    Raises:
      InputError: files are missing, cannot be read or are not what was expected.
    """
    found = {}
    for subject in SUBJECTS:
        folder = where / subject / kind.folder
        paths = [path for path in _files(folder) if path.stem.endswith("." + CAMERAS[FRONTAL])]
        if not paths:
            raise InputError(f"{folder}: has no <action>.{CAMERAS[FRONTAL]}.h5")
        for path in paths:
            place = f"{path}: '{kind.field}'"
            value = _read(path, kind.field)
            if kind.field == "2D_positions":
                rows = array(place, value, (64, None))
                points = rows.reshape(32, 2, -1).transpose(2, 0, 1)[:, OF_32]
            else:
                points = array(place, value, (None, 16, 2))
            action = _action(path.stem.removesuffix("." + CAMERAS[FRONTAL]))
            found[subject, action] = Keypoints(place, points)
    return found


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; unpack the whole of h36m.zip")
    return sorted(path for path in folder.glob("*.h5") if not path.name.startswith("."))


def _action(name: str) -> str:
    return name.replace("_", " ")


def _read(path: Path, field: str) -> np.ndarray:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path}: reading h5 files needs the package 'h5py': pip install -e '.[data]'"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(field), h5py.Dataset):
                raise InputError(
                    f"{path}: has no array '{field}'; it has {some(file) or 'nothing'}"
                )
            return file[field][()]
    except OSError as error:
        raise InputError(f"{path}: cannot be read as HDF5: {error}") from error
