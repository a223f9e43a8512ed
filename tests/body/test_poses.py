"""AMASS-style pose files."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from ief_jax.body import poses as body_poses
from ief_jax.formats import poses as formats_poses
from ief_jax.io.files import InputError

NUMBERS = np.random.default_rng(0).normal(size=(4, 156)).astype(np.float32)


def write(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, allow_pickle=True, **arrays)
    return path


def test_smplh_poses_are_cut_to_the_body(tmp_path: Path) -> None:
    found = formats_poses.read(write(tmp_path / "a.npz", poses=NUMBERS, betas=np.arange(16.0)))
    np.testing.assert_array_equal(found.poses.reshape(4, 72)[:, :66], NUMBERS[:, :66])
    assert not found.poses[:, 22:].any()
    np.testing.assert_array_equal(found.betas, np.tile(np.arange(16.0), (4, 1)))
    assert found.subject is None


def test_files_are_joined(tmp_path: Path) -> None:
    first = write(tmp_path / "a.npz", poses=NUMBERS, betas=np.ones(16))
    second = write(tmp_path / "b.npz", poses=NUMBERS[:2, :66], betas=np.ones((2, 10)))
    both = formats_poses.read_all([first, second])
    assert both.poses.shape == (6, 24, 3) and both.betas is not None
    assert both.betas.shape == (6, 10)
    without = write(tmp_path / "c.npz", poses=NUMBERS)
    assert formats_poses.read_all([first, without]).betas is None


def test_no_subject_outweighs_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_poses, "LARGEST_SUBJECT", 2)
    subject = np.array(["a"] * 8 + ["b"] * 2)
    found = body_poses.Poses(np.zeros((10, 24, 3), np.float32), None, subject)
    share = body_poses.sampling_weights(found)
    assert share.sum() == pytest.approx(1) and share[:8].sum() == pytest.approx(0.5)


def test_betas_are_cut_or_filled() -> None:
    betas = np.ones((2, 4), np.float32)
    assert body_poses.fit_betas(betas, 3).shape == (2, 3)
    np.testing.assert_array_equal(body_poses.fit_betas(betas, 6)[:, 4:], np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"joints": NUMBERS}, "no array 'poses'"),
        ({"poses": NUMBERS[:, :60]}, "'poses' is float32.*expected floats"),
        ({"poses": NUMBERS.astype(int)}, "'poses' is int"),
        ({"poses": NUMBERS[:0]}, "'poses' is empty"),
        ({"poses": NUMBERS * np.nan}, "'poses' has values that are not finite"),
        ({"poses": NUMBERS, "betas": np.ones((3, 10))}, "'betas' is"),
        ({"poses": NUMBERS, "subject": np.array(["a"])}, "'subject' is"),
        ({"poses": np.array([{}], object)}, "not an npz of plain arrays"),
    ],
)
def test_bad_files(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=f"bad.npz: .*{message}"):
        formats_poses.read(write(tmp_path / "bad.npz", **arrays))


def test_missing_and_not_npz(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read .*none.npz: No such file"):
        formats_poses.read(tmp_path / "none.npz")
    np.save(tmp_path / "array.npy", NUMBERS)
    with pytest.raises(InputError, match="array.npy: not an npz"):
        formats_poses.read(tmp_path / "array.npy")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match="text.npz: not an npz"):
        formats_poses.read(tmp_path / "text.npz")


SMPL = NUMBERS[:, :72]


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
    found = formats_poses.read(path)
    np.testing.assert_array_equal(found.poses.reshape(4, 72)[:, :66], SMPL[:, :66])
    if form.startswith("romp"):
        assert found.betas is not None and found.betas.shape == (4, 10)


def test_shapes_beside_motions_are_passed_over(tmp_path: Path) -> None:
    motion = write(tmp_path / "a.npz", poses=NUMBERS)
    shapes = [write(tmp_path / n, betas=np.ones(10)) for n in ("shape.npz", "neutral_stagei.npz")]
    assert len(formats_poses.read_all([motion, *shapes]).poses) == 4
    with pytest.raises(InputError, match="shape.npz: a subject's shape, not a motion"):
        formats_poses.read_all(shapes)


def test_bad_pickles_of_poses(tmp_path: Path) -> None:
    for content, message in (
        ([1], "holds no named arrays"),
        ({"joints": SMPL}, "no array 'poses'.*it has joints"),
        ({"smpl_poses": "text"}, "'smpl_poses'"),
        ({"poses": Path("a")}, "asks for 'pathlib"),
        ({"global_orient": SMPL[:2, :3], "body_pose": SMPL[:, 3:]}, "different lengths"),
    ):
        with pytest.raises(InputError, match=f"a.pkl: .*{message}"):
            formats_poses.read(pickled(tmp_path / "a.pkl", content))
    with pytest.raises(InputError, match="romp.npz: 'results'"):
        formats_poses.read(romp(tmp_path, [1, 2]))
