"""Draws a sheet of renders of a body file, to be looked at after every change of the builder.

    python -m data.assets.body.look ief_jax/assets/body.npz sheet.png

Red marks the inside of the surface. Needs matplotlib for writing the picture, nothing else does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from data.assets.body.arrays import FloatArray
from data.assets.body.compact import BodyModel, load_compact
from data.assets.body.pose_blend_shapes import pose_features
from data.assets.body.render import render
from data.assets.body.rotations import from_axis_angle, linear_blend
from data.assets.body.skeleton import forward_kinematics, joint, rest_rotations

Pose = dict[str, tuple[float, float, float]]  # joint: axis-angle in degrees

ARMS_DOWN: Pose = {"left_shoulder": (0, 0, -72), "right_shoulder": (0, 0, 72)}
POSES: dict[str, Pose] = {
    "T-pose": {},
    "walking": {
        "left_shoulder": (0, 0, -72), "right_shoulder": (0, 0, 72),
        "left_elbow": (0, -25, 0), "right_elbow": (0, 40, 0),
        "left_hip": (-28, 0, 0), "right_hip": (22, 0, 0),
        "left_knee": (12, 0, 0), "right_knee": (38, 0, 0),
        "spine2": (4, 6, 0),
    },
    "sitting": {
        "left_shoulder": (0, -25, -62), "right_shoulder": (0, 25, 62),
        "left_elbow": (0, -65, 0), "right_elbow": (0, 65, 0),
        "left_hip": (-88, 0, 6), "right_hip": (-88, 0, -6),
        "left_knee": (88, 0, 0), "right_knee": (88, 0, 0),
    },
    "crossed arms": {
        "left_collar": (0, -12, 0), "right_collar": (0, 12, 0),
        "left_shoulder": (0, -48, -58), "right_shoulder": (0, 48, 58),
        "left_elbow": (0, -105, 35), "right_elbow": (0, 108, -30),
    },
    "deep squat": {
        "left_shoulder": (0, -80, 0), "right_shoulder": (0, 80, 0),
        "left_hip": (-112, 25, 18), "right_hip": (-112, -25, -18),
        "left_knee": (128, 0, 0), "right_knee": (128, 0, 0),
        "left_ankle": (-28, 0, 0), "right_ankle": (-28, 0, 0),
        "spine1": (22, 0, 0), "spine2": (14, 0, 0), "neck": (-18, 0, 0),
    },
    "overhead reach": {
        "left_collar": (0, 0, 22), "right_collar": (0, 0, -22),
        "left_shoulder": (0, 0, 58), "right_shoulder": (0, 0, -58),
        "spine3": (-8, 0, 0), "head": (-15, 0, 0),
    },
    "bend": {
        **ARMS_DOWN,
        "spine1": (32, 0, 0), "spine2": (22, 0, 0), "spine3": (18, 0, 0),
        "left_hip": (-45, 0, 0), "right_hip": (-45, 0, 0), "neck": (20, 0, 0),
    },
    "twist": {
        **ARMS_DOWN, "spine1": (0, 18, 8), "spine2": (0, 16, 6), "spine3": (0, 16, 6),
        "neck": (0, 35, 0), "head": (0, 25, 0),
    },
}  # fmt: skip
HAND_POSES: dict[str, Pose] = {
    "hand": {},
    "hand half closed": {"left_hand": (0, 0, -35)},
    "hand closed": {"left_hand": (0, 0, -60)},
    "wrist bent": {"left_wrist": (0, 0, -60), "left_hand": (0, 0, -20)},
    "forearm turned": {"left_wrist": (70, 0, 0)},
}


def rotations_of(pose: Pose) -> FloatArray:
    """Relative rotations [24, 3, 3] of a pose."""
    rotations = rest_rotations()
    for name, degrees in pose.items():
        rotations[joint(name)] = from_axis_angle(np.radians(np.array(degrees, dtype=float)))
    return rotations


def posed(model: BodyModel, rotations: FloatArray, betas: FloatArray | None = None) -> FloatArray:
    """Vertices [V, 3] of the model, evaluated as SMPL does."""
    betas = np.zeros(model.shapedirs.shape[2]) if betas is None else betas
    shaped = model.v_template + model.shapedirs @ betas
    joints = model.j_regressor @ shaped
    corrected = shaped + model.posedirs @ pose_features(rotations)
    return linear_blend(corrected, model.weights, *forward_kinematics(rotations, joints))


def extreme_shapes(model: BodyModel) -> dict[str, FloatArray]:
    """Betas [10] of the tallest, shortest, heaviest and thinnest of 2000 random bodies."""
    betas = np.random.default_rng(0).normal(size=(2000, model.shapedirs.shape[2]))
    shapes = model.v_template + np.einsum("vck,nk->nvc", model.shapedirs, betas, optimize=True)
    heights = np.ptp(shapes[:, :, 1], axis=1)
    a, b, c = (shapes[:, model.faces[:, i]] for i in range(3))
    girths = np.einsum("nfi,nfi->n", a, np.cross(b, c)) / heights**3
    return {
        "tall": betas[heights.argmax()],
        "short": betas[heights.argmin()],
        "heavy": betas[girths.argmax()],
        "thin": betas[girths.argmin()],
    }


def draw_sheet(model: BodyModel) -> list[list[tuple[str, FloatArray]]]:
    """Rows of titled pictures."""
    faces = model.faces

    def body(vertices: FloatArray, azimuth: float) -> FloatArray:
        centre = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
        return render(vertices, faces, centre, 2.15, azimuth, 8, (430, 360))

    def close(vertices: FloatArray, centre: FloatArray, extent: float, azimuth: float,
              elevation: float = 0.0) -> FloatArray:  # fmt: skip
        return render(vertices, faces, centre, extent, azimuth, elevation, (430, 360))

    rows = []
    for names in (list(POSES)[:4], list(POSES)[4:]):
        row = []
        for name in names:
            vertices = posed(model, rotations_of(POSES[name]))
            row += [(name, body(vertices, 15)), ("", body(vertices, 100))]
        rows.append(row)
    row = []
    for name, betas in extreme_shapes(model).items():
        vertices = posed(model, rotations_of(ARMS_DOWN), betas)
        height = f"{name}, {np.ptp(vertices[:, 1]):.2f} m"
        row += [(height, body(vertices, 15)), ("", body(vertices, 100))]
    rows.append(row)

    rest = posed(model, rest_rotations())
    nose = rest[model.landmarks["nose"]] + np.array([0, 0.02, -0.05])
    foot = rest[model.landmarks["left_big_toe"]] + np.array([0, 0.04, -0.1])
    row = [(f"face {a}", close(rest, nose, 0.3, a)) for a in (0, 40, 90, 180)]
    row += [(f"foot {a}", close(rest, foot, 0.35, a, e)) for a, e in ((20, 30), (90, 0))]
    heavy = posed(model, rest_rotations(), extreme_shapes(model)["heavy"])
    row.append(("heavy face", close(heavy, heavy[model.landmarks["nose"]], 0.32, 25)))
    thin = posed(model, rest_rotations(), extreme_shapes(model)["thin"])
    row.append(("thin face", close(thin, thin[model.landmarks["nose"]], 0.32, 25)))
    rows.append(row)

    row = []
    for name, pose in HAND_POSES.items():
        vertices = posed(model, rotations_of(pose))
        middle = 0.5 * (
            vertices[model.landmarks["left_middle"]] + model.j_regressor[20] @ rest
        )  # fmt: skip
        row.append((name, close(vertices, middle, 0.26, 20, 25)))
        if len(row) < 6:
            row.append((name, close(vertices, middle, 0.26, 0, 80)))
    rows.append(row[:8])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("body", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = draw_sheet(load_compact(arguments.body))
    columns = max(len(row) for row in rows)
    figure, axes = plt.subplots(len(rows), columns, figsize=(2.4 * columns, 3 * len(rows)))
    for row, row_axes in zip(rows, axes, strict=True):
        for axis in row_axes:
            axis.axis("off")
        for (title, picture), axis in zip(row, row_axes, strict=False):
            axis.imshow(np.clip(picture, 0, 1))
            axis.set_title(title, fontsize=8)
    figure.tight_layout(pad=0.2)
    figure.savefig(arguments.picture, dpi=100)


if __name__ == "__main__":
    main()
