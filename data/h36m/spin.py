"""SPIN's file of Human3.6M's Protocol 2: joints, no keypoints.

`h36m_valid_protocol2.npz` has `imgname` [N] and `S` [N, 24, 4] metres, root-relative, with a 1 for
those that are known; the layout is that of its datasets/preprocess/h36m.py.
"""

import re
from pathlib import Path

import numpy as np

from data.h36m.sequences import CAMERAS, EVERY, FRONTAL, SUBJECTS, Joints, SequenceName
from ief_jax.io import npz
from ief_jax.io.files import InputError

FILE = "h36m_valid_protocol2.npz"
OF_24 = (14, 2, 1, 0, 3, 4, 5, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6)
"""The 17 joints among the 24 of `S`."""


def joints(path: Path) -> dict[SequenceName, Joints]:
    """The joints of the frontal camera's frames.

    Raises:
      InputError: the file cannot be read or is not what was expected.
    """
    names, positions = _arrays(path)
    if positions.shape != (len(names), 24, 4) or positions.dtype.kind != "f":
        raise InputError(
            f"{path}: 'S' is {positions.dtype} {positions.shape}, expected floats "
            f"({len(names)}, 24, 4)"
        )
    rows: dict[SequenceName, list[tuple[int, int]]] = {}
    for row, name in enumerate(names):
        subject, action, camera, frame = _image(path, str(name))
        if subject in SUBJECTS and camera == CAMERAS[FRONTAL] and frame % EVERY == 0:
            rows.setdefault((subject, action), []).append((frame, row))
    if not rows:
        raise InputError(f"{path}: 'imgname' has no image of {' or '.join(SUBJECTS)}")
    found = {}
    for key, pairs in rows.items():
        frames, chosen = np.array(sorted(pairs)).T
        bodies = positions[chosen][:, OF_24]
        if not np.isfinite(bodies).all() or not (bodies[..., 3] > 0).all():
            raise InputError(f"{path}: 'S' of {key[0]}, {key[1]} lacks some of the 17 joints")
        found[key] = Joints(frames, bodies[..., :3])
    return found


_IMAGE = re.compile(r"(S\d+)_(.+)\.(\d{8})_(\d{6})\.\w+")
_CANONICAL = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}


def _image(path: Path, name: str) -> tuple[str, str, str, int]:
    """Subject, action, camera and frame (from 0) of `S9_Directions_1.60457274_000001.jpg`."""
    match = _IMAGE.fullmatch(Path(name).name)
    if not match:
        raise InputError(
            f"{path}: 'imgname' has '{name}', expected S9_Directions_1.60457274_000001.jpg or so"
        )
    subject, action, camera, number = match.groups()
    for long, short in _CANONICAL.items():
        action = action.replace(long, short)
    return subject, action.replace("_", " "), camera, int(number) - 1


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    found = npz.read(path, ("imgname", "S"))
    for name in ("imgname", "S"):
        if name not in found:
            raise InputError(f"{path}: has no field '{name}'; it has {', '.join(npz.names(path))}")
    return found["imgname"], found["S"]
