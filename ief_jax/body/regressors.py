"""Joints of other data sets as weighted sums of SMPL's vertices: files that users bring.

`J_regressor_h36m.npy` [17, V] gives Human3.6M's joints, `J_regressor_extra.npy` [9, V] those of
LSP, MPII and Human3.6M that SMPL has not; both come with SPIN and many others (Kolotouros et al.
2019). Their rows have no names in the file: the orders here are those of SPIN's `constants.py`.
`joints.fold` takes the rows into the joints-only path, where no vertex is computed.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ief_jax.body import smpl
from ief_jax.io import npz
from ief_jax.io.files import InputError

H36M_FILE = "J_regressor_h36m.npy"
EXTRA_FILE = "J_regressor_extra.npy"

_LEFT_LEG = ("h36m_left_hip", "h36m_left_knee", "h36m_left_ankle")
_RIGHT_LEG = ("h36m_right_hip", "h36m_right_knee", "h36m_right_ankle")
_UPPER = (
    "h36m_spine",
    "h36m_neck",
    "h36m_jaw",
    "h36m_head",
    "h36m_left_shoulder",
    "h36m_left_elbow",
    "h36m_left_wrist",
    "h36m_right_shoulder",
    "h36m_right_elbow",
    "h36m_right_wrist",
)
H36M_17 = ("h36m_pelvis", *_RIGHT_LEG, *_LEFT_LEG, *_UPPER)
"""Human3.6M's joints in the data set's own order: right leg first."""
H36M_SPIN = ("h36m_pelvis", *_LEFT_LEG, *_RIGHT_LEG, *_UPPER)
"""The rows of SPIN's file: left leg first. (Pose2Mesh's `..._correct.npy` has them as H36M_17.)"""
EXTRA_9 = (
    "extra_right_hip",
    "extra_left_hip",
    "extra_neck",
    "extra_head_top",
    "extra_pelvis",
    "extra_thorax",
    "extra_spine",
    "extra_jaw",
    "extra_head",
)
H36M_14 = (
    "h36m_right_ankle",
    "h36m_right_knee",
    "h36m_right_hip",
    *_LEFT_LEG,
    "h36m_right_wrist",
    "h36m_right_elbow",
    "h36m_right_shoulder",
    "h36m_left_shoulder",
    "h36m_left_elbow",
    "h36m_left_wrist",
    "h36m_neck",
    "h36m_head",
)
"""The 14 joints, LSP's, over which errors on Human3.6M and 3DPW are customarily taken."""

FARTHEST = 0.2
"""Metres from the body's own joint of the same name within which a regressed joint must lie."""
_COMPARED = tuple(name for name in smpl.JOINT_NAMES if name not in ("neck", "head"))
"""Joints that are about the same in all data sets; SMPL's head, for one, is its lower end."""


def load(folder: str | os.PathLike[str], body: smpl.BodyModel) -> dict[str, np.ndarray]:
    """Reads the regressors in a folder: rows [V] by name, for `joints.fold`.

    `J_regressor_h36m.npy` must be there, `J_regressor_extra.npy` may be. Which leg comes first in
    the former is told by trying: regressors and body belong together if the regressed joints lie
    where the body's own of the same name are.

    Raises:
      InputError: a file is missing, is not an array of the expected shape, or belongs to another
        mesh than the body's.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected {H36M_FILE} in it")
    found = _fitting(folder / H36M_FILE, body, (H36M_SPIN, H36M_17))
    if (folder / EXTRA_FILE).exists():
        found |= _fitting(folder / EXTRA_FILE, body, (EXTRA_9,))
    return found


def _fitting(
    path: Path, body: smpl.BodyModel, orders: Sequence[tuple[str, ...]]
) -> dict[str, np.ndarray]:
    """A file's rows by name, in the order of names that suits the body best."""
    rows = _read(path, (len(orders[0]), len(body.template)))
    candidates = [dict(zip(names, rows, strict=True)) for names in orders]
    distances = [_distances(candidate, body) for candidate in candidates]
    best = int(np.argmin([sum(each.values()) for each in distances]))
    name, farthest = max(distances[best].items(), key=lambda pair: pair[1])
    if farthest > FARTHEST:
        raise InputError(
            f"{path}: puts '{name}' {farthest:.2f} m from the body's own, expected at most "
            f"{FARTHEST} m: the regressor is for another mesh than this body's (the usual files "
            "are for SMPL's; give its file as the body)"
        )
    return candidates[best]


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray:
    if not path.exists():
        raise InputError(f"{path}: no such file; expected an array of shape {shape}")
    rows = npz.read_npy(path)
    if rows.shape != shape or rows.dtype.kind != "f":
        raise InputError(
            f"{path}: is {rows.dtype} {rows.shape}, expected floats {shape}: one row a joint, one "
            "weight a vertex of the body"
        )
    if not np.isfinite(rows).all():
        raise InputError(f"{path}: has weights that are not finite")
    return rows.astype(np.float64)


def _distances(rows: Mapping[str, np.ndarray], body: smpl.BodyModel) -> dict[str, float]:
    """How far regressed joints are from the body's own of the same name, at rest, metres."""
    template = np.asarray(body.template, np.float64)
    own = np.asarray(body.joint_regressor, np.float64) @ template
    return {
        name: float(np.linalg.norm(row @ template - own[smpl.JOINT_NAMES.index(joint)]))
        for name, row in rows.items()
        if (joint := name.partition("_")[2]) in _COMPARED
    }
