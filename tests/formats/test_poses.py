"""Files of poses, in every form that they come in."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ief_jax.formats import poses
from ief_jax.io.files import InputError

NUMBERS = np.random.default_rng(0).normal(size=(4, 156)).astype(np.float32)
SMPL = NUMBERS[:, :72]
MATRICES = Rotation.from_rotvec(SMPL.reshape(-1, 3)).as_matrix().reshape(4, 24, 3, 3)


def write(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, allow_pickle=True, **arrays)
    return path


def test_smplh_poses_are_cut_to_the_body(tmp_path: Path) -> None:
    found = poses.read(write(tmp_path / "a.npz", poses=NUMBERS, betas=np.arange(16.0)))
    np.testing.assert_array_equal(found.poses.reshape(4, 72)[:, :66], NUMBERS[:, :66])
    assert not found.poses[:, 22:].any()
    np.testing.assert_array_equal(found.betas, np.tile(np.arange(16.0), (4, 1)))
    assert found.subject is None


def test_files_are_joined(tmp_path: Path) -> None:
    first = write(tmp_path / "a.npz", poses=NUMBERS, betas=np.ones(16))
    second = write(tmp_path / "b.npz", poses=NUMBERS[:2, :66], betas=np.ones((2, 10)))
    both = poses.read_all([first, second])
    assert both.poses.shape == (6, 24, 3) and both.betas is not None
    assert both.betas.shape == (6, 10)
    without = write(tmp_path / "c.npz", poses=NUMBERS)
    assert poses.read_all([first, without]).betas is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"joints": NUMBERS}, "no array 'poses'"),
        ({"poses": NUMBERS[:, :60]}, "'poses' is float32.*expected floats"),
        ({"poses": NUMBERS.astype(str)}, "'poses' is <U"),
        ({"poses": NUMBERS[:0]}, "'poses' is empty"),
        ({"poses": NUMBERS * np.nan}, "'poses' has values that are not finite"),
        ({"poses": NUMBERS, "betas": np.ones((3, 10))}, "'betas' is"),
        ({"poses": NUMBERS, "subject": np.array(["a"])}, "'subject' is"),
        ({"poses": np.array([{}], object)}, "not an npz of plain arrays"),
    ],
)
def test_bad_files(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=f"bad.npz: .*{message}"):
        poses.read(write(tmp_path / "bad.npz", **arrays))


def test_missing_and_not_npz(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read .*none.npz: No such file"):
        poses.read(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match="text.npz: .* expected an npz, npy or pickle"):
        poses.read(tmp_path / "text.npz")


def test_what_are_no_radians_is_refused(tmp_path: Path) -> None:
    two_columns = MATRICES[..., :2]
    for array, message in (
        (np.degrees(SMPL), "angles of up to .*expected radians"),
        (two_columns.reshape(4, -1), "two columns of rotation matrices"),
        (two_columns.swapaxes(2, 3).reshape(4, -1), "two columns of rotation matrices"),
        (2 * MATRICES, "matrices that are no rotations"),
        (Rotation.from_matrix(MATRICES.reshape(-1, 3, 3)).as_quat().reshape(4, 24, 4), "expected"),
    ):
        with pytest.raises(InputError, match=f"a.npz: 'poses' .*{message}"):
            poses.read(write(tmp_path / "a.npz", poses=array))


def pickled(path: Path, content: object) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def romp(tmp_path: Path, content: object) -> Path:
    return write(tmp_path / "romp.npz", results=np.array(content, dtype=object))


@pytest.mark.parametrize("form", ["joints", "smplx", "amass smplx", "aist", "romp", "romp frames"])
def test_other_forms_of_the_same_poses(tmp_path: Path, form: str) -> None:
    root, body = SMPL[:, :3], SMPL[:, 3:]
    frames = {f"{i}.jpg": [{"pose": SMPL[i], "betas": np.ones(10, np.float32)}] for i in range(4)}
    path = {
        "joints": lambda: write(tmp_path / "a.npz", poses=NUMBERS.reshape(4, 52, 3)),
        "smplx": lambda: write(tmp_path / "a.npz", global_orient=root, body_pose=body),
        "amass smplx": lambda: write(tmp_path / "a.npz", root_orient=root, pose_body=body[:, :63]),
        "aist": lambda: pickled(tmp_path / "a.pkl", {"smpl_poses": SMPL, "smpl_scaling": [1.0]}),
        "romp": lambda: romp(tmp_path, {"smpl_thetas": SMPL, "smpl_betas": np.ones((4, 10))}),
        "romp frames": lambda: romp(tmp_path, frames),
    }[form]()
    found = poses.read(path)
    np.testing.assert_array_equal(found.poses.reshape(4, 72)[:, :66], SMPL[:, :66])
    if form.startswith("romp"):
        assert found.betas is not None and found.betas.shape == (4, 10)


@pytest.mark.parametrize("form", ["npy", "whole", "flat", "parts", "people"])
def test_arrays_and_rotation_matrices(tmp_path: Path, form: str) -> None:
    """4D-Humans has matrices, of each frame's people."""
    path = tmp_path / "a.npz"
    root, body = MATRICES[:, :1], MATRICES[:, 1:]
    humans = [
        {"smpl": [{"global_orient": r, "body_pose": b}]} for r, b in zip(root, body, strict=True)
    ]
    np.save(tmp_path / "a.npy", NUMBERS)
    path = {
        "npy": lambda: tmp_path / "a.npy",
        "whole": lambda: write(path, poses=MATRICES),
        "flat": lambda: write(path, poses=MATRICES.reshape(4, -1)),
        "parts": lambda: write(path, global_orient=root, body_pose=body),
        "people": lambda: pickled(path, dict(enumerate(humans))),
    }[form]()
    found = poses.read(path)
    turns = Rotation.from_rotvec(found.poses[:, :22].reshape(-1, 3)).as_matrix()
    np.testing.assert_allclose(turns.reshape(4, 22, 3, 3), MATRICES[:, :22], atol=1e-5)


def test_one_pose(tmp_path: Path) -> None:
    pose = SMPL[0].reshape(24, 3)
    for arrays in (
        {"pose": pose},
        {"pose": pose.reshape(-1)},
        {"global_orient": pose[0], "body_pose": pose[1:]},
        {"global_orient": pose[:1], "body_pose": pose[1:]},
        {"global_orient": pose[0], "body_pose": pose[1:].reshape(-1)},
    ):
        found = poses.read(write(tmp_path / "a.npz", **arrays)).poses
        np.testing.assert_array_equal(found[:, :22], pose[None, :22])


def test_shapes_beside_motions_are_passed_over(tmp_path: Path) -> None:
    motion = write(tmp_path / "a.npz", poses=NUMBERS)
    shapes = [write(tmp_path / n, betas=np.ones(10)) for n in ("shape.npz", "neutral_stagei.npz")]
    assert len(poses.read_all([motion, *shapes]).poses) == 4
    with pytest.raises(InputError, match="shape.npz: a subject's shape, not a motion"):
        poses.read_all(shapes)


def test_bad_pickles_of_poses(tmp_path: Path) -> None:
    for content, message in (
        ([1], "holds no named arrays"),
        ({"joints": SMPL}, "no array 'poses'.*it has joints"),
        ({"smpl_poses": "text"}, "'smpl_poses'"),
        ({"poses": Path("a")}, "asks for 'pathlib"),
        ({"global_orient": SMPL[:2, :3], "body_pose": SMPL[:, 3:]}, "different lengths"),
    ):
        with pytest.raises(InputError, match=f"a.pkl: .*{message}"):
            poses.read(pickled(tmp_path / "a.pkl", content))
    with pytest.raises(InputError, match="romp.npz: 'results'"):
        poses.read(romp(tmp_path, [1, 2]))
