"""Sequences made up in the layout of AMASS's two releases."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np


def smplh(
    path: Path,
    poses: np.ndarray,
    rate: float = 120.0,
    changes: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """A file of the SMPL+H release, with other fields as told: `poses` [N, 66] begin its own."""
    count = len(poses)
    fields = {
        "trans": np.zeros((count, 3)),
        "gender": np.array("female"),
        "mocap_framerate": np.array(rate),
        "betas": np.linspace(-1, 1, 16),
        "dmpls": np.zeros((count, 8)),
        "poses": np.hstack([poses, np.full((count, 90), 0.5)]),
    }
    return _write(path, fields | dict(changes or {}))


def smplx(path: Path, poses: np.ndarray, rate: float = 120.0) -> Path:
    """A file of the SMPL-X release, with its pickled field."""
    count = len(poses)
    rest = np.full((count, 99), 0.5)
    fields = {
        "gender": np.array("neutral"),
        "surface_model_type": np.array("smplx"),
        "mocap_frame_rate": np.array(rate),
        "mocap_time_length": np.array(count / rate),
        "markers_latent": np.zeros((53, 3)),
        "latent_labels": np.array(["C7", "CLAV"]),
        "markers_latent_vids": np.array({"C7": 3832}, object),
        "trans": np.zeros((count, 3)),
        "poses": np.hstack([poses, rest]),
        "betas": np.linspace(-1, 1, 16),
        "num_betas": np.array(16),
        "root_orient": poses[:, :3],
        "pose_body": poses[:, 3:],
        "pose_hand": rest[:, :90],
        "pose_jaw": rest[:, :3],
        "pose_eye": rest[:, :6],
    }
    return _write(path, fields)


def _write(path: Path, fields: dict[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, allow_pickle=True, **fields)
    return path
