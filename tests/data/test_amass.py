"""AMASS: both releases, upright, thinned, the splits by data set, incomplete folders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.amass import reader
from ief_jax.io.files import InputError
from tests.helpers import amass_files

RNG = np.random.default_rng(0)
POSES = RNG.normal(0, 0.4, (10, 66))


@pytest.mark.parametrize("write", [amass_files.smplh, amass_files.smplx])
def test_both_releases_hold_the_same(
    tmp_path: Path, write: Callable[[Path, np.ndarray], Path]
) -> None:
    found = reader.read(write(tmp_path / "a_poses.npz", POSES), 120)
    assert found.poses.shape == (10, 24, 3)
    np.testing.assert_allclose(found.poses[:, 1:22].reshape(10, 63), POSES[:, 3:], atol=1e-6)
    assert not found.poses[:, 22:].any()  # fingers, jaw and eyes are no joints of SMPL's
    assert found.betas is not None
    np.testing.assert_allclose(found.betas, np.linspace(-1, 1, 16), atol=1e-6)


def test_z_up_becomes_y_up(tmp_path: Path) -> None:
    """Whatever a body's root does to a point, it does in the turned world: (x, z, -y)."""
    found = reader.read(amass_files.smplh(tmp_path / "a_poses.npz", POSES), 120)
    point = np.array([0.3, 1.2, -0.4])
    before = Rotation.from_rotvec(POSES[:, :3]).apply(point)
    after = Rotation.from_rotvec(found.poses[:, 0]).apply(point)
    np.testing.assert_allclose(after, before[:, [0, 2, 1]] * [1, 1, -1], atol=1e-6)


def test_who_stands_in_amass_stands_at_rest(tmp_path: Path) -> None:
    standing = np.zeros((1, 66))
    standing[0, 0] = np.pi / 2  # z up: the body's y is turned to z
    found = reader.read(amass_files.smplh(tmp_path / "a_poses.npz", standing), 120)
    np.testing.assert_allclose(found.poses, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("recorded", "wanted", "every"), [(120, 30, 4), (100, 30, 3), (59.94, 30, 1), (25, 30, 1)]
)
def test_frame_rates_are_thinned(
    tmp_path: Path, recorded: float, wanted: float, every: int
) -> None:
    path = amass_files.smplh(tmp_path / "a_poses.npz", POSES, recorded)
    found = reader.read(path, wanted).poses
    np.testing.assert_allclose(found[:, 1], POSES[::every, 3:6], atol=1e-6)


def test_sequences_of_a_folder(tmp_path: Path) -> None:
    wanted = {
        "CMU/01/01_01_poses.npz": "CMU",
        "BioMotionLab_NTroje/rub001/0000_treadmill_poses.npz": "BioMotionLab_NTroje",
        "HDM05/bk/HDM_bk_01_stageii.npz": "MPI_HDM05",
        "deeper/KIT/3/912/walk_poses.npz": "KIT",
        "New Lab/s1/jump_poses.npz": "New_Lab",
    }
    for name in (*wanted, "CMU/01/shape.npz", "HDM05/bk/neutral_stagei.npz", "LICENSE.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = reader.find(tmp_path)
    assert {str(clip.path.relative_to(tmp_path)): clip.split for clip in found} == wanted
    # The folder of one data set does as well.
    assert [clip.split for clip in reader.find(tmp_path / "CMU")] == ["CMU"]


def test_splits_by_data_set() -> None:
    present = ["CMU", "HumanEva", "KIT", "MPI_HDM05", "MPI_Limits", "MPI_mosh", "SFU"]
    assert reader.chosen("train", present) == ["CMU", "KIT", "MPI_Limits"]
    assert reader.chosen("paper", present) == ["CMU", "MPI_Limits"]
    assert set(reader.chosen("validation", present)) == {"HumanEva", "MPI_HDM05", "MPI_mosh", "SFU"}
    assert reader.chosen("KIT+PosePrior", present) == ["KIT", "MPI_Limits"]
    with pytest.raises(InputError, match="amass, test: .* without Transitions_mocap, SSM_synced;"):
        reader.chosen("test", present)
    with pytest.raises(InputError, match="amass, tset: prepared without tset; there is CMU, Hum"):
        reader.chosen("tset", present)
    with pytest.raises(InputError, match="amass, train: .*there is SFU"):
        reader.chosen("train", ["SFU"])


def test_incomplete_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder; make it and download"):
        reader.find(tmp_path / "none")
    with pytest.raises(InputError, match="no sequences .* it has no files; download"):
        reader.find(tmp_path)
    (tmp_path / "CMU.tar.bz2.part").touch()
    with pytest.raises(InputError, match="it has CMU.tar.bz2.part; download"):
        reader.find(tmp_path)
    (tmp_path / "CMU.tar.bz2").touch()
    with pytest.raises(InputError, match=r"archives \(CMU.tar.bz2\): unpack"):
        reader.find(tmp_path)
    (tmp_path / "shape.npz").touch()
    with pytest.raises(InputError, match=r"only shapes \(shape.npz\), no sequences"):
        reader.find(tmp_path)
    for name in ("HDM05/a/a_stageii.npz", "MPI_HDM05/a/a_poses.npz"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="MPI_HDM05 in both releases .*keep one"):
        reader.find(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mocap_framerate": np.array("fast")}, "has no frame rate"),
        ({"mocap_framerate": np.array(0.0)}, "has no frame rate"),
        ({"poses": POSES[:, :60]}, "'poses' is"),
        ({"poses": np.full((3, 156), np.nan)}, "'poses' has values that are not finite"),
        ({"betas": np.zeros((4, 16))}, "'betas' is"),
    ],
)
def test_broken_files(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    path = amass_files.smplh(tmp_path / "bad_poses.npz", POSES, changes=changes)
    with pytest.raises(InputError, match=f"bad_poses.npz: .*{message}"):
        reader.read(path, 30)


def test_files_that_are_cut_off_or_damaged(tmp_path: Path) -> None:
    path = amass_files.smplh(tmp_path / "bad_poses.npz", POSES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="bad_poses.npz: not an npz"):
        reader.read(path, 30)
    np.savez_compressed(path, poses=RNG.normal(size=(100, 156)), mocap_framerate=120.0)
    damaged = bytearray(path.read_bytes())
    damaged[500:600] = bytes(100)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="bad_poses.npz: not an npz"):
        reader.read(path, 30)
    np.savez(path, poses=POSES, mocap_framerate=120.0)
    with pytest.raises(InputError, match="bad_poses.npz: has no array 'betas'"):
        reader.read(path, 30)
