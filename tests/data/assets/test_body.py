"""The shipped body model has the properties it is said to have."""

from pathlib import Path

import numpy as np
import pytest

from data.assets.body import look
from data.assets.body.compact import BodyModel, load_compact
from data.assets.body.landmarks import SLOTS
from data.assets.body.mesh import topology, volume
from data.assets.body.pose_blend_shapes import mirror_blend_shapes, pose_features
from data.assets.body.poses import random_pose
from data.assets.body.rotations import MIRROR_FACTORS, about_axis, linear_blend, mirrored
from data.assets.body.skeleton import (
    JOINT_NAMES,
    MIRRORED_JOINTS,
    PARENTS,
    forward_kinematics,
    joint,
    rest_rotations,
)

ASSET = Path(__file__).parents[3] / "ief_jax" / "assets" / "body.npz"
LEFT_LANDMARKS = [name for name in SLOTS if name.startswith("left_")]


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(ASSET, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return load_compact(ASSET)


@pytest.fixture(scope="module")
def rest_joints(model: BodyModel) -> np.ndarray:
    return model.j_regressor @ model.v_template


def test_asset_is_small_and_names_its_licence(arrays: dict[str, np.ndarray]) -> None:
    assert ASSET.stat().st_size < 1.5e6
    assert "CC0 1.0" in str(arrays["licence"])
    assert "MakeHuman" in str(arrays["provenance"])
    assert "CC0" in ASSET.with_name("body.LICENSE.md").read_text()


def test_asset_has_smpls_sizes_and_tree(arrays: dict[str, np.ndarray], model: BodyModel) -> None:
    assert model.v_template.shape == (6890, 3)
    assert model.shapedirs.shape == (6890, 3, 10)
    assert model.faces.shape == (13776, 3)
    assert model.posedirs.shape == (6890, 3, 207)
    parents, children = arrays["kintree"].astype(np.int64)
    assert parents[0] == 4294967295
    assert (parents[1:] == PARENTS[1:]).all()
    assert (children == np.arange(24)).all()


def test_asset_is_one_closed_surface_facing_outwards(model: BodyModel) -> None:
    counts = topology(model.faces, len(model.v_template))
    assert (counts.boundary_edges, counts.crowded_edges, counts.euler) == (0, 0, 2)
    assert 0.04 < volume(model.v_template, model.faces) < 0.12  # cubic metres


def test_asset_is_mirror_symmetric(model: BodyModel) -> None:
    mirror = model.mirror
    assert (mirror[mirror] == np.arange(len(mirror))).all()
    np.testing.assert_allclose(
        model.v_template[mirror] * MIRROR_FACTORS, model.v_template, atol=1e-7
    )
    np.testing.assert_allclose(
        model.shapedirs[mirror] * MIRROR_FACTORS[:, None], model.shapedirs, atol=1e-7
    )
    np.testing.assert_allclose(
        model.weights[mirror][:, MIRRORED_JOINTS], model.weights, atol=4 / 65535
    )
    np.testing.assert_allclose(
        model.j_regressor[MIRRORED_JOINTS][:, mirror], model.j_regressor, atol=1e-6
    )
    np.testing.assert_allclose(
        mirror_blend_shapes(model.posedirs, mirror), model.posedirs, atol=1e-6
    )
    faces = {tuple(np.sort(face)) for face in model.faces}
    assert {tuple(np.sort(mirror[face])) for face in model.faces} == faces


def test_asset_mirrors_poses(model: BodyModel) -> None:
    rotations = random_pose(np.random.default_rng(1))
    other_side = mirrored(rotations[MIRRORED_JOINTS])
    expected = look.posed(model, rotations)[model.mirror] * MIRROR_FACTORS
    np.testing.assert_allclose(look.posed(model, other_side), expected, atol=1e-4)


def test_asset_weights_are_a_partition_of_unity(arrays: dict[str, np.ndarray]) -> None:
    assert arrays["w_idx"].shape == arrays["w_val"].shape == (6890, 4)
    assert (arrays["w_val"].astype(np.int64).sum(axis=1) == 65535).all()


def test_asset_regressor_rows_are_convex_combinations(model: BodyModel) -> None:
    assert (model.j_regressor >= 0).all()
    np.testing.assert_allclose(model.j_regressor.sum(axis=1), 1, atol=1e-5)


def test_asset_heights_are_those_of_adults(model: BodyModel) -> None:
    betas = np.random.default_rng(0).normal(size=(500, 10))
    shaped = model.v_template[:, 1] + np.einsum("vk,nk->nv", model.shapedirs[:, 1], betas)
    heights = np.ptp(shaped, axis=1)
    assert 1.64 < heights.mean() < 1.74
    assert 0.06 < heights.std() < 0.11
    assert 1.30 < heights.min() < heights.max() < 2.10


def test_asset_has_the_proportions_of_adults(model: BodyModel, rest_joints: np.ndarray) -> None:
    # de Leva (1996), table 4, joint centres, mean of both sexes, shares of the height. The table's
    # arms hang: shoulders go down with the collars, here by 17 degrees.
    at = dict(zip(JOINT_NAMES, rest_joints, strict=True))
    height = np.ptp(model.v_template[:, 1])
    lowered = about_axis(2, -np.radians(17)) @ (at["left_shoulder"] - at["left_collar"])
    shoulder = at["left_collar"] + lowered
    shares = {
        "trunk": (shoulder - at["left_hip"])[1] / height,
        "upper arm": np.linalg.norm(at["left_elbow"] - at["left_shoulder"]) / height,
        "forearm": np.linalg.norm(at["left_wrist"] - at["left_elbow"]) / height,
        "thigh": np.linalg.norm(at["left_knee"] - at["left_hip"]) / height,
        "shank": np.linalg.norm(at["left_ankle"] - at["left_knee"]) / height,
    }
    expected = {"trunk": 0.292, "upper arm": 0.160, "forearm": 0.153, "thigh": 0.2275}
    assert shares == pytest.approx({**expected, "shank": 0.249}, rel=0.03)


def test_asset_is_at_zero_where_captured_people_are(rest_joints: np.ndarray) -> None:
    """The trunk leans back from the hips, by what people who stand upright turn it forward; arms
    and head are level. (`tests/data/test_calibration.py` compares it with a capture.)"""
    at = dict(zip(JOINT_NAMES, rest_joints, strict=True))
    trunk = at["left_shoulder"] - at["left_hip"]
    assert np.degrees(np.arctan2(trunk[2], trunk[1])) == pytest.approx(-4.5, abs=1)
    np.testing.assert_allclose(at["left_wrist"][1:], at["left_shoulder"][1:], atol=0.003)


def test_asset_first_beta_is_tallness(model: BodyModel) -> None:
    heights = [np.ptp((model.v_template + s * model.shapedirs[..., 0])[:, 1]) for s in (-2, 0, 2)]
    assert heights[0] + 0.1 < heights[1] < heights[2] - 0.1


def test_asset_stands_in_the_t_pose(rest_joints: np.ndarray) -> None:
    at = dict(zip(JOINT_NAMES, rest_joints, strict=True))
    np.testing.assert_allclose(at["pelvis"], 0, atol=2e-3)
    arm = np.stack([at[f"left_{name}"] for name in ("shoulder", "elbow", "wrist")])
    assert (np.diff(arm[:, 0]) > 0.2).all()  # left is at +x
    np.testing.assert_allclose(arm[:, 1:], arm[[0, 0, 0], 1:], atol=3e-3)  # level and straight
    up = [at[name][1] for name in ("left_ankle", "left_knee", "left_hip", "pelvis", "spine1",
                                   "spine2", "spine3", "neck", "head")]  # fmt: skip
    assert (np.diff(up) > 0.03).all()
    assert at["left_foot"][2] > at["left_ankle"][2] + 0.08  # facing +z
    np.testing.assert_allclose(
        rest_joints[MIRRORED_JOINTS] * MIRROR_FACTORS, rest_joints, atol=1e-6
    )


def test_asset_joints_lie_inside_the_skin(model: BodyModel, rest_joints: np.ndarray) -> None:
    # The solid angle of a closed surface is 4 pi seen from inside and 0 from outside.
    def winding(point: np.ndarray) -> float:
        a, b, c = np.moveaxis(model.v_template[model.faces] - point, 1, 0)
        la, lb, lc = (np.linalg.norm(corner, axis=1) for corner in (a, b, c))
        volume6 = (a * np.cross(b, c)).sum(axis=1)
        rest = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        return float(2 * np.arctan2(volume6, rest).sum() / (4 * np.pi))

    for name, position in zip(JOINT_NAMES, rest_joints, strict=True):
        assert winding(position) == pytest.approx(1, abs=1e-6), name
    assert winding(np.array([0.0, 0.0, 1.0])) == pytest.approx(0, abs=1e-6)


def test_asset_landmarks_are_where_smpls_are(arrays: dict[str, np.ndarray]) -> None:
    names = [str(name) for name in arrays["landmark_names"]]
    assert dict(zip(names, arrays["landmarks"].tolist(), strict=True)) == SLOTS


def test_asset_landmarks_are_on_the_right_parts(model: BodyModel, rest_joints: np.ndarray) -> None:
    at = {name: model.v_template[vertex] for name, vertex in model.landmarks.items()}
    skin = model.v_template
    for name in LEFT_LANDMARKS:
        right = at["right_" + name.removeprefix("left_")]
        assert at[name][0] > 0.02, name
        np.testing.assert_allclose(right * MIRROR_FACTORS, at[name], atol=1e-7)
    head, ankle, wrist = (rest_joints[joint(n)] for n in ("head", "left_ankle", "left_wrist"))
    assert at["head_top"][1] == pytest.approx(skin[:, 1].max(), abs=2e-3)
    np.testing.assert_allclose([at["nose"][0], at["head_top"][0]], 0, atol=1e-7)
    assert at["nose"][2] > head[2] + 0.08
    assert at["nose"][2] > at["left_eye"][2] > at["left_ear"][2]
    assert at["nose"][1] < at["left_eye"][1] < at["head_top"][1]
    assert 0.025 < at["left_eye"][0] < 0.04 < 0.06 < at["left_ear"][0] < 0.1
    assert at["left_big_toe"][2] > ankle[2] + 0.13
    assert at["left_heel"][2] < ankle[2] - 0.02
    assert at["left_big_toe"][0] < at["left_small_toe"][0]
    for toe in ("big_toe", "small_toe", "heel"):
        assert at[f"left_{toe}"][1] < skin[:, 1].min() + 0.05
    fingers = [at[f"left_{name}"] for name in ("thumb", "index", "middle", "ring", "pinky")]
    assert (np.diff([finger[2] for finger in fingers]) < 0).all()  # palm down, thumb in front
    assert all(finger[0] > wrist[0] + 0.05 for finger in fingers)
    assert fingers[2][0] == pytest.approx(skin[:, 0].max(), abs=5e-3)


def test_asset_eyes_are_closed_balls(model: BodyModel) -> None:
    # No vertex near the eye's front lies deep behind it, as those of an open socket would.
    for side in ("left", "right"):
        front = model.v_template[model.landmarks[f"{side}_eye"]]
        around = np.linalg.norm(model.v_template[:, :2] - front[:2], axis=1) < 0.008
        near = around & (model.v_template[:, 2] > front[2] - 0.05)
        assert near.sum() >= 5
        depths = front[2] - model.v_template[near, 2]
        assert -0.005 < depths.min() < depths.max() < 0.008


@pytest.mark.parametrize("closing", [20.0, 40.0, 60.0])
def test_asset_thumb_follows_the_hand_about_half_way(model: BodyModel, closing: float) -> None:
    rotations = rest_rotations()
    rotations[joint("left_hand")] = about_axis(2, -np.radians(closing))
    moved = look.posed(model, rotations) - look.posed(model, rest_rotations())
    thumb = moved[model.landmarks["left_thumb"]]
    index = moved[model.landmarks["left_index"]]
    wrist_fixed = model.weights[:, joint("left_elbow")] > 0.9
    assert 0.1 < np.linalg.norm(thumb) / np.linalg.norm(index) < 0.7
    assert thumb[0] < -0.005 and index[0] < -0.005  # both towards the palm
    assert np.abs(moved[wrist_fixed]).max() < 1e-3


def test_asset_blend_shapes_vanish_at_rest_and_stay_small(model: BodyModel) -> None:
    rng = np.random.default_rng(5)
    assert not (model.posedirs @ pose_features(rest_rotations())).any()
    sizes = [np.abs(model.posedirs @ pose_features(random_pose(rng))).max() for _ in range(10)]
    assert 0.01 < max(sizes) < 0.15


def test_asset_twisted_shoulder_keeps_its_volume(model: BodyModel) -> None:
    # Plain linear blending wrings the upper arm like a towel; the blend shapes undo half of it.
    rotations = rest_rotations()
    rotations[joint("left_shoulder")] = about_axis(0, np.radians(80))
    joints = model.j_regressor @ model.v_template
    moves = forward_kinematics(rotations, joints)
    plain = linear_blend(model.v_template, model.weights, *moves)
    corrected = look.posed(model, rotations)
    rest = volume(model.v_template, model.faces)
    lost_plain = rest - volume(plain, model.faces)
    lost = rest - volume(corrected, model.faces)
    assert lost_plain > 0.5e-3  # cubic metres
    assert abs(lost) < 0.5 * lost_plain
