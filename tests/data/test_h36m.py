"""Human3.6M: fabricated files in each form, which must give the same people."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from data.h36m import reader, sequences
from ief_jax.body import regressors
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError

FRAMES = 12
ACTIONS = ("Directions 1", "WalkDog 1")

# Human3.6M's 32 joints by name (3d-pose-baseline's H36M_NAMES), the ones that are evaluated.
NAMES_32 = {
    0: "h36m_pelvis",
    1: "h36m_right_hip",
    2: "h36m_right_knee",
    3: "h36m_right_ankle",
    6: "h36m_left_hip",
    7: "h36m_left_knee",
    8: "h36m_left_ankle",
    12: "h36m_spine",
    13: "h36m_neck",
    14: "h36m_jaw",
    15: "h36m_head",
    17: "h36m_left_shoulder",
    18: "h36m_left_elbow",
    19: "h36m_left_wrist",
    25: "h36m_right_shoulder",
    26: "h36m_right_elbow",
    27: "h36m_right_wrist",
}


def poses() -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        subject: {a: rng.normal(0, 1, (FRAMES, 32, 3)).astype(np.float32) for a in ACTIONS}
        for subject in ("S1", "S9", "S11")
    }


def keypoints(count: int = 17, frames: int = FRAMES + 2) -> dict[str, dict[str, list[np.ndarray]]]:
    """Pixels that say where they belong: x = 1000 camera + frame, y = keypoint + 0.5."""

    def camera(number: int) -> np.ndarray:
        frame, keypoint = np.meshgrid(np.arange(frames), np.arange(count), indexing="ij")
        return np.stack([1000 * number + frame, keypoint + 0.5], -1).astype(np.float32)

    return {s: {a: [camera(n) for n in range(4)] for a in ACTIONS} for s in ("S1", "S9", "S11")}


def write(folder: Path, **changed: Any) -> None:
    """VideoPose3D's two files; NumPy pickles the mappings."""
    np.savez_compressed(
        folder / "data_3d_h36m.npz", **{"positions_3d": changed.get("positions_3d", poses())}
    )
    np.savez_compressed(
        folder / "data_2d_h36m_gt.npz",
        positions_2d=np.array(changed.get("positions_2d", keypoints())),
        metadata=np.array({"num_joints": 17, "keypoints_symmetry": [[4], [1]]}),
    )


def test_protocol_2_of_videopose3d(tmp_path: Path) -> None:
    write(tmp_path)
    people = reader.read(tmp_path)
    frames = [0, 5, 10]
    assert people.name == [
        f"{subject}/{action}/60457274/{frame:05d}"
        for subject in ("S9", "S11")
        for action in ACTIONS
        for frame in frames
    ]
    truth = poses()
    for index, name in NAMES_32.items():
        column = regressors.H36M_17.index(name)
        expected = truth["S9"]["Directions 1"][frames, index]
        np.testing.assert_array_equal(people.joints[:3, column], expected, err_msg=name)
    # The fourth camera's keypoints, in COCO's order: those that Human3.6M has no name for unseen.
    np.testing.assert_array_equal(people.points[:3, 4, 0], [3000, 3005, 3010])
    by_name = dict(zip(skeletons.COCO_18, people.points[0, :, 1], strict=True))
    assert by_name["right_ankle"] == 3.5 and by_name["left_wrist"] == 13.5
    assert by_name["neck"] == (11.5 + 14.5) / 2
    unseen = [n for n, c in zip(skeletons.COCO_18, people.confidence[0], strict=True) if c == 0]
    assert unseen == ["nose", "right_eye", "left_eye", "right_ear", "left_ear"]


def test_keypoints_of_a_stacked_hourglass_are_mpiis(tmp_path: Path) -> None:
    write(tmp_path)
    np.savez(tmp_path / "data_2d_h36m_sh_ft_h36m.npz", positions_2d=np.array(keypoints(16)))
    assert reader.detectors(tmp_path) == ["sh_ft_h36m", "gt"]
    people = reader.read(tmp_path)  # the paper's own kind comes first
    by_name = dict(zip(skeletons.COCO_18, people.points[0, :, 1], strict=True))
    # MPII: 0 right ankle .. 5 left ankle, 10 right wrist .. 15 left wrist
    assert (by_name["right_ankle"], by_name["left_ankle"]) == (0.5, 5.5)
    assert (by_name["right_wrist"], by_name["left_wrist"]) == (10.5, 15.5)


def test_spins_file_gives_the_same_joints(tmp_path: Path) -> None:
    write(tmp_path)
    direct = reader.read(tmp_path)
    (tmp_path / "data_3d_h36m.npz").unlink()
    # As SPIN's datasets/preprocess/h36m.py: raw joints, left leg first, into LSP's order.
    h36m_idx = [11, 6, 7, 8, 1, 2, 3, 12, 24, 14, 15, 17, 18, 19, 25, 26, 27]
    global_idx = [14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6]
    names, bodies = [], []
    for subject, actions in poses().items():
        for action, positions in actions.items():
            for frame in range(0, FRAMES, 5):
                raw = positions[frame].copy()
                raw[11], raw[24] = raw[0], raw[13]  # the release has them twice
                chosen = raw[h36m_idx] - raw[0]
                row = np.zeros((24, 4))
                row[global_idx, :3], row[global_idx, 3] = chosen, 1
                action_file = action.replace("WalkDog", "WalkingDog").replace(" ", "_")
                names.append(f"images/{subject}_{action_file}.60457274_{frame + 1:06d}.jpg")
                bodies.append(row)
    np.savez(tmp_path / "h36m_valid_protocol2.npz", imgname=names, S=bodies, center=0, scale=0)
    people = reader.read(tmp_path)
    assert people.name == direct.name
    relative = direct.joints - direct.joints[:, :1]
    np.testing.assert_allclose(people.joints, relative, atol=1e-6)
    np.testing.assert_array_equal(people.points, direct.points)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"positions_3d": {"S1": {}}}, "'positions_3d' has nothing of S9; it has S1"),
        (
            {"positions_3d": {s: {"A": np.zeros((9, 17, 3))} for s in ("S9", "S11")}},
            r"'positions_3d' of S9, A is float64 \(9, 17, 3\), expected floats \(any, 32, 3\)",
        ),
        ({"positions_2d": keypoints(frames=8)}, "has 8 frames, expected 11 or more"),
        ({"positions_2d": keypoints(count=15)}, r"has 15 keypoints, expected \[16, 17\]"),
        (
            {"positions_2d": {s: {a: [] for a in ACTIONS} for s in ("S9", "S11")}},
            "is not a list of 4 cameras",
        ),
        ({"positions_2d": np.zeros(3)}, "data_2d_h36m_gt.npz: 'positions_2d' cannot be read"),
    ],
)
def test_deviations_are_named(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path, **changed)
    with pytest.raises(InputError, match=message):
        reader.read(tmp_path)


# The fifteen actions, twice.
SEQUENCES = [
    f"{action}{suffix}"
    for action in [
        "Directions",
        "Discussion",
        "Eating",
        "Greeting",
        "Phoning",
        "Photo",
        "Posing",
        "Purchases",
        "Sitting",
        "SittingDown",
        "Smoking",
        "Waiting",
        "WalkDog",
        "Walking",
        "WalkTogether",
    ]
    for suffix in ("", " 1")
]
HOURGLASS = "StackedHourglassFineTuned240"


def write_h5(folder: Path) -> None:
    """As in 3d-pose-baseline's h36m.zip, of the same numbers as the other forms."""
    truth, seen = poses()["S9"]["Directions 1"], keypoints(16)["S9"]["Directions 1"]
    for subject in ("S9", "S11"):
        for kind in ("MyPoses/3D_positions", "MyPoses/2D_positions", HOURGLASS):
            (folder / subject / kind).mkdir(parents=True)
        for name in SEQUENCES:
            # Each coordinate of each joint is a row, over the frames.
            with h5py.File(folder / subject / f"MyPoses/3D_positions/{name}.h5", "w") as file:
                file["3D_positions"] = 1000 * truth.reshape(FRAMES, 96).T
            for number, camera in enumerate(sequences.CAMERAS):
                place = folder / subject / HOURGLASS / f"{name.replace(' ', '_')}.{camera}.h5"
                with h5py.File(place, "w") as file:
                    file["poses"] = seen[number]
                joints = keypoints(32)["S9"]["Directions 1"][number]
                place = folder / subject / f"MyPoses/2D_positions/{name}.{camera}.h5"
                with h5py.File(place, "w") as file:
                    file["2D_positions"] = joints.reshape(len(joints), 64).T


@pytest.mark.parametrize("folder", [".", "h36m"])
def test_h5_files_give_the_same_people(folder: str, tmp_path: Path) -> None:
    write_h5(tmp_path / folder)
    assert reader.detectors(tmp_path) == ["sh_ft_h36m", "gt"]
    people = reader.read(tmp_path)
    # S11's first sequence has a damaged video.
    assert len(people.name) == (30 + 29) * 3
    assert not any(name.startswith("S11/Directions/") for name in people.name)
    one = {
        form: {"S9": {"Directions 1": value}, "S11": {"Directions 1": value}}
        for form, value in (
            ("positions_3d", poses()["S9"]["Directions 1"]),
            ("positions_2d", keypoints(16)["S9"]["Directions 1"]),
        )
    }
    other = tmp_path / "videopose"
    other.mkdir()
    write(other, **one)
    expected = reader.read(other)
    rows = [people.name.index(name) for name in expected.name]
    np.testing.assert_allclose(people.joints[rows], expected.joints, atol=1e-6)
    np.testing.assert_array_equal(people.points[rows], expected.points)
    np.testing.assert_array_equal(people.confidence[rows], expected.confidence)


def test_true_keypoints_of_h5_files(tmp_path: Path) -> None:
    write_h5(tmp_path)
    people = reader.read(tmp_path, "gt")
    by_name = dict(zip(skeletons.COCO_18, people.points[0, :, 1], strict=True))
    # Of the 32: 3 right ankle, 19 left wrist; frame 0 of the fourth camera
    assert (by_name["right_ankle"], by_name["left_wrist"]) == (3.5, 19.5)
    assert people.points[0, 10, 0] == 3000


def test_deviations_of_h5_files_are_named(tmp_path: Path) -> None:
    write_h5(tmp_path)
    place = tmp_path / "S11/MyPoses/3D_positions/Waiting.h5"

    def message(expected: str) -> None:
        with pytest.raises(InputError, match=expected):
            reader.read(tmp_path)

    with h5py.File(place, "w") as file:
        file["3D_positions"] = np.zeros((FRAMES, 96))
    message(r"Waiting.h5: '3D_positions' is float64 \(12, 96\), expected floats \(96, any\)")
    with h5py.File(place, "w") as file:
        file["poses"] = np.zeros(3)
    message(r"Waiting.h5: has no array '3D_positions'; it has poses")
    place.write_bytes(b"not HDF5")
    message(r"Waiting.h5: cannot be read as HDF5")
    place.unlink()
    message(r"S11/MyPoses/3D_positions: has 29 h5 files, expected 30: ")
    with h5py.File(place, "w") as file:
        file["3D_positions"] = np.zeros((96, FRAMES))
    (tmp_path / f"S11/{HOURGLASS}/Waiting_1.60457274.h5").unlink()
    message(r"joints, but no keypoints \(sh_ft_h36m\), of S11 Waiting 1$")
    for path in (tmp_path / "S11" / HOURGLASS).glob("*.60457274.h5"):
        path.unlink()
    message(rf"S11/{HOURGLASS}: has no <action>.60457274.h5")


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        reader.read(tmp_path / "nowhere")
    (tmp_path / "h36m.zip").write_bytes(b"")
    with pytest.raises(InputError, match="has no data_2d_h36m_<detector>.npz .* it has h36m.zip"):
        reader.read(tmp_path)
    write(tmp_path)
    (tmp_path / "data_3d_h36m.npz").unlink()
    with pytest.raises(InputError, match="neither data_3d_h36m.npz, nor S9/MyPoses/3D_positions"):
        reader.read(tmp_path)
    (tmp_path / "data_3d_h36m.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="data_3d_h36m.npz: not a complete .npz archive"):
        reader.read(tmp_path)
    with pytest.raises(InputError, match="data_2d_h36m_detectron_ft_h36m.npz: No such file"):
        reader.read(tmp_path, "detectron_ft_h36m")


def test_the_damaged_sequence_alone_is_nobody(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "data_3d_h36m.npz").unlink()
    body = np.ones((1, 24, 4))
    np.savez(
        tmp_path / "h36m_valid_protocol2.npz",
        imgname=["images/S11_Directions.60457274_000001.jpg"],
        S=body,
    )
    with pytest.raises(InputError, match="joints of S11 Directions alone, whose video is damaged"):
        reader.read(tmp_path)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "run"),)

    write(tmp_path, positions_3d=Hostile())
    with pytest.raises(InputError, match="nothing of it was run"):
        reader.read(tmp_path)
    assert not (tmp_path / "run").exists()
