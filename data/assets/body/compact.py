"""The compact file: SMPL's arrays, sparse and in half precision, without pickles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.assets.body.arrays import FloatArray, IntArray
from data.assets.body.landmarks import SLOTS, order_for_slots
from data.assets.body.skeleton import PARENTS, ROOT_PARENT_IN_FILE
from data.assets.body.skinning import MAX_JOINTS_PER_VERTEX
from ief_jax.io import npz
from ief_jax.io.files import replacing

SMALLEST_CORRECTION = 2e-4  # metres: smaller entries of the pose blend shapes are dropped
WEIGHT_STEPS = 65535
LICENCE = "CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/"
PROVENANCE = (
    "Built by data/body/build.py of ief_jax from MakeHuman's CC0 assets (base mesh hm08, adult "
    "macro and measure targets, default rig and weights; explicitly released as CC0 in September "
    "2020 by Data Collection AB, Joel Palmius and Jonas Hauquier). No part of SMPL was used; "
    "only its joint names, tree and file format are followed."
)


@dataclass(frozen=True)
class BodyModel:
    """The dense model: V vertices, 24 joints, K shapes, 207 pose features; lengths in metres.

    v_template [V, 3], shapedirs [V, 3, K], posedirs [V, 3, 207], j_regressor [24, V],
    weights [V, 24], faces [F, 3], mirror [V], landmarks: name -> vertex.
    """

    v_template: FloatArray
    shapedirs: FloatArray
    posedirs: FloatArray
    j_regressor: FloatArray
    weights: FloatArray
    faces: IntArray
    mirror: IntArray
    landmarks: dict[str, int]


def with_landmarks_in_slots(model: BodyModel) -> BodyModel:
    """The same model with vertices renumbered such that landmarks are in `SLOTS`."""
    order = order_for_slots(len(model.v_template), model.landmarks)
    position = np.argsort(order)
    return BodyModel(
        v_template=model.v_template[order],
        shapedirs=model.shapedirs[order],
        posedirs=model.posedirs[order],
        j_regressor=model.j_regressor[:, order],
        weights=model.weights[order],
        faces=position[model.faces],
        mirror=position[model.mirror[order]],
        landmarks={name: int(position[model.landmarks[name]]) for name in SLOTS},
    )


def quantise_weights(weights: FloatArray) -> tuple[np.ndarray, np.ndarray]:
    """Joints [V, 4] uint8 and weights [V, 4] uint16 in steps of 1/65535 that sum to 65535."""
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :MAX_JOINTS_PER_VERTEX]
    values = np.take_along_axis(weights, joints, axis=1)
    values = values / values.sum(axis=1, keepdims=True)
    steps = np.round(values * WEIGHT_STEPS).astype(np.int64)
    steps[:, 0] += WEIGHT_STEPS - steps.sum(axis=1)
    return joints.astype(np.uint8), steps.astype(np.uint16)


def compact_arrays(model: BodyModel) -> dict[str, Any]:
    """The file's arrays.

    pd_rows [3 V] counts the entries in each row of posedirs [3 V, 207], pd_cols and pd_vals hold
    their columns and values; w_idx and w_val as in `quantise_weights`; J_row, J_col and J_val
    are the non-zero entries of the joint regressor.
    """
    corrections = model.posedirs.reshape(-1, model.posedirs.shape[2])
    corrections = np.where(np.abs(corrections) > SMALLEST_CORRECTION, corrections, 0)
    rows, columns = np.nonzero(corrections)
    weight_joints, weight_steps = quantise_weights(model.weights)
    regressor_rows, regressor_columns = np.nonzero(model.j_regressor)
    parents = np.where(PARENTS < 0, ROOT_PARENT_IN_FILE, PARENTS)
    return {
        "v_template": model.v_template.astype(np.float32),
        "shapedirs": model.shapedirs.astype(np.float16),
        "pd_rows": np.bincount(rows, minlength=len(corrections)).astype(np.uint8),
        "pd_cols": columns.astype(np.uint8),
        "pd_vals": corrections[rows, columns].astype(np.float16),
        "w_idx": weight_joints,
        "w_val": weight_steps,
        "J_row": regressor_rows.astype(np.uint8),
        "J_col": regressor_columns.astype(np.uint16),
        "J_val": model.j_regressor[regressor_rows, regressor_columns].astype(np.float32),
        "kintree": np.stack([parents, np.arange(len(parents))]).astype(np.uint32),
        "f": model.faces.astype(np.uint16),
        "landmarks": np.array(list(model.landmarks.values()), dtype=np.uint16),
        "landmark_names": np.array(list(model.landmarks)),
        "mirror": model.mirror.astype(np.uint16),
        "licence": np.array(LICENCE),
        "provenance": np.array(PROVENANCE),
    }


def save_compact(path: Path, model: BodyModel) -> None:
    """Writes the compact file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez_compressed(file, **compact_arrays(model))


def load_compact(path: Path) -> BodyModel:
    """Reads a compact file back to the dense model."""
    arrays = npz.read(path)
    template = arrays["v_template"].astype(float)
    count = len(template)
    posedirs = np.zeros((3 * count, 207))
    posedirs[np.repeat(np.arange(3 * count), arrays["pd_rows"]), arrays["pd_cols"]] = arrays[
        "pd_vals"
    ]
    weights = np.zeros((count, 24))
    values = arrays["w_val"] / WEIGHT_STEPS
    np.add.at(weights, (np.arange(count)[:, None], arrays["w_idx"]), values)
    regressor = np.zeros((24, count))
    regressor[arrays["J_row"], arrays["J_col"]] = arrays["J_val"]
    names = [str(name) for name in arrays["landmark_names"]]
    return BodyModel(
        v_template=template,
        shapedirs=arrays["shapedirs"].astype(float),
        posedirs=posedirs.reshape(count, 3, 207),
        j_regressor=regressor,
        weights=weights,
        faces=arrays["f"].astype(np.int64),
        mirror=arrays["mirror"].astype(np.int64),
        landmarks={n: int(v) for n, v in zip(names, arrays["landmarks"], strict=True)},
    )
