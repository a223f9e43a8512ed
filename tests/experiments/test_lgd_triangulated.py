"""`eval.py lgd-triangulated`."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eval as script
from experiments.lgd import evaluate_triangulated
from experiments.lgd.evaluate_triangulated import LIMBS, PLACES, Truth
from ief_jax.body import joints, smpl
from ief_jax.geometry import camera, rotations, skeletons
from ief_jax.lgd.fitting import Bodies

FRAMES, DISTANCE, FOCAL, CENTRE = 8, 4.0, 1200.0, np.array([640.0, 360.0])
NAMES = tuple(name for name in skeletons.COCO_17)


@pytest.fixture(scope="module")
def moving(joint_model: joints.JointModel) -> dict[str, Any]:
    """Somebody who swings the arms before a camera: what the file of several cameras holds."""
    pose = np.zeros((FRAMES, smpl.JOINTS, 3), np.float32)
    swing = np.linspace(-0.4, 0.4, FRAMES)
    for side, sign in (("left", -1), ("right", 1)):
        pose[:, smpl.JOINT_NAMES.index(f"{side}_shoulder"), 2] = 1.1 * sign + 0.2 * swing
        pose[:, smpl.JOINT_NAMES.index(f"{side}_elbow"), 1] = 0.5 * sign * (1 + swing)
    selection = skeletons.selection(NAMES, joint_model.names)
    points = np.array(
        [
            selection
            @ joints.positions(
                joint_model, rotations.axis_angle_to_matrix(jnp.asarray(each)), jnp.zeros(10)
            )
            for each in pose
        ]
    )
    # The camera's x right, y down, z ahead.
    seen = points * np.array([1.0, -1.0, -1.0]) + np.array([0.1, 0.2, DISTANCE])
    pixels = FOCAL * seen[..., :2] / seen[..., 2:] + CENTRE
    matrix = np.array([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
    keypoints = np.concatenate([pixels, np.ones((*pixels.shape[:2], 1))], -1)
    names = np.array([_openpose(name) for name in NAMES])
    return {"names": names, "keypoints": keypoints, "joints": seen, "K": matrix}


def _openpose(name: str) -> str:
    side, _, part = name.partition("_")
    return f"{side[0].upper()}{part.capitalize()}" if part else name.capitalize()


@pytest.fixture
def file(moving: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "truth.npz"
    joints_known = moving["joints"].copy()
    joints_known[-1, NAMES.index("left_knee")] = np.nan
    np.savez(path, **{**moving, "joints": joints_known})
    return path


def test_exact_keypoints_give_small_errors_and_the_file(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file.with_suffix(".json")
    assert script.main(["lgd-triangulated", "--truth", str(file), "--json", str(path)]) == 0
    assert f"{FRAMES - 1} frames" in capsys.readouterr().out
    written = json.loads(path.read_text())
    assert written["count"] == FRAMES - 1
    for fitted in (written["frames"], written["motion"]):
        assert 0 < fitted["pa_mpjpe"] < fitted["mpjpe"] < 60
        assert fitted["jumps"] == 0
    assert written["motion"]["acceleration"] < written["frames"]["acceleration"]


def test_errors_are_those_of_a_limb_that_was_moved() -> None:
    """A wrist is 240 mm off in one of four frames; all are elsewhere, which does not count."""
    right = np.random.default_rng(0).normal(0, 0.3, (1, 12, 3)).repeat(4, 0)
    found = np.full((4, smpl.JOINTS, 3), np.nan)
    found[:, PLACES] = right + 5.0
    found[1, smpl.JOINT_NAMES.index("left_wrist"), 0] += 0.24
    lens = camera.Intrinsics(jnp.zeros(()), jnp.zeros(2))
    truth = Truth(np.zeros((4, 27, 2)), np.zeros((4, 27)), lens, right)
    empty = {name: jnp.zeros(4) for name in Bodies._fields if name not in ("joints", "deviation")}
    errors = evaluate_triangulated.errors(Bodies(joints=jnp.asarray(found), **empty), truth)
    assert errors.mpjpe == pytest.approx(240 / (4 * 12), rel=1e-4)
    # second differences of one joint of twelve: -480 about frame 1, 240 about frame 2
    assert errors.acceleration == pytest.approx((480 + 240) / (2 * 12), rel=1e-4)
    assert errors.jumps == pytest.approx(100 * 2 / (3 * 12), rel=1e-4)
    # Procrustes analysis shares the one error out among the joints.
    assert 0 < errors.pa_mpjpe < 240 / 12


def test_joints_are_turned_to_the_bodys_axes(file: Path, moving: dict[str, Any]) -> None:
    truth = evaluate_triangulated.read(file)
    place = NAMES.index("left_shoulder")
    expected = moving["joints"][:, place] * np.array([1, -1, -1])
    np.testing.assert_allclose(truth.joints[:, LIMBS.index("left_shoulder")], expected, rtol=1e-6)
    assert float(truth.intrinsics.inverse_focal) == pytest.approx(1 / FOCAL)
    np.testing.assert_allclose(jax.device_get(truth.intrinsics.centre), CENTRE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"K": None}, "no array 'K'"),
        ({"K": np.eye(4)}, "K is (4, 4), expected [3, 3]"),
        ({"names": np.array(["a"] * 17)}, "names has no left_hip"),
        ({"joints": np.full((FRAMES, 17, 3), np.nan)}, "no three frames running"),
        ({"joints": np.zeros((2, 17, 3))}, "joints is (2, 17, 3), expected [F, J, 3]"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    change: dict[str, Any],
    message: str,
    moving: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "truth.npz"
    arrays = {name: array for name, array in {**moving, **change}.items() if array is not None}
    np.savez(path, **arrays)
    assert script.main(["lgd-triangulated", "--truth", str(path)]) == 2
    said = capsys.readouterr().err
    assert "truth.npz" in said and message in said
