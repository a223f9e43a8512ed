"""SMPL-format body models: the embedded one, and those in files."""

import os
from collections.abc import Mapping
from importlib import resources

import jax.numpy as jnp
import numpy as np

from ief_jax.smpl import BodyModel


def embedded() -> BodyModel:
    """The body model that comes with the package: 6890 vertices, 10 betas, CC0."""
    with (resources.files("ief_jax") / "assets" / "body.npz").open("rb") as file:
        return _compact(np.load(file, allow_pickle=False))


def load(path: str | os.PathLike[str]) -> BodyModel:
    """Reads an SMPL-format body model."""
    raise NotImplementedError


def load_or_embedded(path: str | os.PathLike[str] | None) -> BodyModel:
    """The body model in the file `path`, or the embedded one for None."""
    return embedded() if path is None else load(path)


def _compact(stored: Mapping[str, np.ndarray]) -> BodyModel:
    template = stored["v_template"]
    vertices = len(template)
    pose = np.zeros((vertices * 3, 207), np.float32)
    pose[np.repeat(np.arange(vertices * 3), stored["pd_rows"]), stored["pd_cols"]] = stored[
        "pd_vals"
    ]
    weights = np.zeros((vertices, 24), np.float32)
    np.put_along_axis(weights, stored["w_idx"].astype(int), stored["w_val"] / np.float32(65535), 1)
    regressor = np.zeros((24, vertices), np.float32)
    regressor[stored["J_row"], stored["J_col"]] = stored["J_val"]
    return BodyModel(
        template=jnp.asarray(template),
        shape_directions=jnp.asarray(stored["shapedirs"].astype(np.float32)),
        pose_directions=jnp.asarray(pose.reshape(vertices, 3, 207)),
        joint_regressor=jnp.asarray(regressor),
        weights=jnp.asarray(weights / weights.sum(1, keepdims=True)),
        faces=jnp.asarray(stored["f"].astype(np.int32)),
        landmarks=jnp.asarray(stored["landmarks"].astype(np.int32)),
        parents=tuple(int(p) for p in stored["kintree"][0].astype(np.int32)),
        landmark_names=tuple(str(name) for name in stored["landmark_names"]),
    )
