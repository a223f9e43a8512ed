"""3DPW: fabricated files in the layout of the release, read back against a projection."""

import os
import pickle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.threedpw import reader
from ief_jax.body import joints
from ief_jax.geometry import rotations
from ief_jax.io.files import InputError

FRAMES = 6
POSITIONS = jax.jit(jax.vmap(joints.positions, (None, 0, 0)))
INTRINSICS = np.array([[1961.85, 0, 540.0], [0, 1969.23, 960.0], [0, 0, 1]])


def python_2(content: dict[str, Any]) -> bytes:
    """A pickle as Python 2 and NumPy 1 wrote it: text as bytes, NumPy's old module names."""
    data = pickle.dumps(content, protocol=2).replace(b"numpy._core", b"numpy.core")
    for text in (b"downtown_walk_00", b"m", b"f", b"sequence"):
        new = b"X" + len(text).to_bytes(4, "little") + text
        data = data.replace(new, b"U" + bytes([len(text)]) + text)
    return data


def fields(model: joints.JointModel, people: int = 2, seed: int = 0) -> dict[str, Any]:
    """A sequence of people before a moving camera; its world has any axes, as 3DPW's."""
    rng = np.random.default_rng(seed)
    turn = Rotation.random(FRAMES, random_state=seed).as_matrix()
    cameras = np.tile(np.eye(4), (FRAMES, 1, 1))
    cameras[:, :3, :3] = turn
    cameras[:, :3, 3] = rng.normal(0, 1, (FRAMES, 3))
    content: dict[str, Any] = {
        "sequence": "downtown_walk_00",
        "cam_poses": cameras,
        "cam_intrinsics": INTRINSICS,
        "img_frame_ids": np.arange(FRAMES),
        "genders": ["m", "f"][:people],
        "texture_maps": [],
    }
    names = ("poses", "betas", "trans", "jointPositions", "poses2d", "campose_valid")
    content |= {name: [] for name in names}
    for _ in range(people):
        poses = rng.normal(0, 0.4, (FRAMES, 72))
        betas = rng.normal(0, 1, 300)
        local = rotations.axis_angle_to_matrix(jnp.asarray(poses, jnp.float32).reshape(-1, 24, 3))
        shapes = jnp.tile(jnp.asarray(betas[:10], jnp.float32), (FRAMES, 1))
        posed = POSITIONS(model, local, shapes)[:, :24]
        # In front of the camera: E^T (X_c - e) with the pelvis at X_c.
        before = np.array([0.3, -0.2, 5.0]) + rng.normal(0, 0.3, (FRAMES, 3))
        pelvis = np.einsum("nji,nj->ni", turn, before - cameras[:, :3, 3])
        trans = pelvis - np.asarray(posed[:, 0])
        world = np.asarray(posed, np.float64) + trans[:, None]
        seen = np.einsum("nij,nkj->nki", turn, world) + cameras[:, None, :3, 3]
        image = seen @ INTRINSICS.T
        pixels = (image[..., :2] / image[..., 2:]).transpose(0, 2, 1)[:, :, :18]
        content["poses"].append(poses)
        content["betas"].append(betas)
        content["trans"].append(trans)
        content["jointPositions"].append(world.reshape(FRAMES, 72))
        content["poses2d"].append(np.concatenate([pixels, np.full((FRAMES, 1, 18), 0.7)], 1))
        content["campose_valid"].append(np.ones(FRAMES, np.int64))
    return content


def write(folder: Path, content: dict[str, Any], name: str = "downtown_walk_00.pkl") -> Path:
    """A release with one sequence in its test split; gives the file."""
    split = folder / "sequenceFiles" / "test"
    split.mkdir(parents=True, exist_ok=True)
    (split / name).write_bytes(python_2(content))
    return split / name


def test_people_as_the_camera_sees_them(joint_model: joints.JointModel, tmp_path: Path) -> None:
    content = fields(joint_model)
    write(tmp_path, content)
    people = reader.read(tmp_path)
    assert len(people.name) == 2 * FRAMES
    assert people.name[FRAMES + 2] == "downtown_walk_00/1/00002"
    assert people.gender.tolist() == ["m"] * FRAMES + ["f"] * FRAMES
    np.testing.assert_allclose(people.confidence, 0.7, rtol=1e-6)
    np.testing.assert_allclose(people.betas[-1], content["betas"][1][:10], rtol=1e-6)
    # Poses, betas and trans give the joints again: in our axes, where the camera looks along -z.
    local = rotations.axis_angle_to_matrix(jnp.asarray(people.poses))
    posed = np.concatenate(
        [
            POSITIONS(joint_model, local[rows], jnp.asarray(people.betas[rows]))[:, :24]
            for rows in (slice(FRAMES), slice(FRAMES, None))
        ]
    )
    np.testing.assert_allclose(posed + people.trans[:, None], people.joints, atol=2e-5)
    x, y, z = np.moveaxis(people.joints[:, :18].astype(np.float64), -1, 0)
    assert (z < -3).all()
    pixels = np.stack(
        [
            INTRINSICS[0, 0] * x / -z + INTRINSICS[0, 2],
            INTRINSICS[1, 1] * -y / -z + INTRINSICS[1, 2],
        ],
        -1,
    )
    np.testing.assert_allclose(people.points, pixels, atol=0.01)


def test_frames_that_do_not_count(joint_model: joints.JointModel, tmp_path: Path) -> None:
    content = fields(joint_model, people=1)
    content["campose_valid"][0][1] = 0
    content["poses2d"][0][2] = 0  # nobody found
    content["poses2d"][0][3, 2, 5:] = 0  # 5 keypoints
    content["poses2d"][0][4, 2, 6:] = 0  # 6 keypoints
    write(tmp_path, content)
    people = reader.read(tmp_path)
    assert [int(name[-5:]) for name in people.name] == [0, 4, 5]
    assert (people.confidence[1] > 0).sum() == 6
    assert (people.points[1, 6:] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("cam_poses"), "has no field 'cam_poses'; it has"),
        (lambda c: c.update(poses2d=c["poses2d"][:1]), "'poses2d' of person 1 is missing"),
        (
            lambda c: c["poses2d"].__setitem__(0, np.zeros((FRAMES, 3, 25))),
            r"'poses2d' of person 0 is float64 \(6, 3, 25\), expected numbers \(6, 3, 18\)",
        ),
        (lambda c: c["betas"].__setitem__(1, np.zeros(9)), "'betas' of person 1 has 9 numbers"),
        (lambda c: c["trans"][0].__setitem__((2, 1), np.nan), "'trans' of person 0 has values"),
        (lambda c: c.update(genders=["x", "f"]), "'genders' of person 0 is 'x', expected m or f"),
        (lambda c: c.update(poses=3), "'poses' is not a list"),
        (lambda c: c.update(poses=["a", "b"]), "'poses' of person 0"),
    ],
)
def test_deviations_are_named(
    change: Any, message: str, joint_model: joints.JointModel, tmp_path: Path
) -> None:
    content = fields(joint_model)
    change(content)
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as error:
        reader.read(tmp_path)
    assert str(path) in str(error.value)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "run"),)

    write(tmp_path, {"sequence": Hostile()})
    with pytest.raises(InputError, match="nothing of it was run"):
        reader.read(tmp_path)
    assert not (tmp_path / "run").exists()


def test_folders_that_are_not_the_release(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; make it and download sequenceFiles.zip"):
        reader.read(tmp_path)
    split = tmp_path / "sequenceFiles" / "test"
    split.mkdir(parents=True)
    (split / "sequenceFiles.zip").write_bytes(b"")
    with pytest.raises(InputError, match="unpack them"):
        reader.read(tmp_path)
    (split / "a.pkl").write_bytes(b"\x80\x02}q\x00(")
    with pytest.raises(InputError, match="a.pkl: not a complete pickle"):
        reader.read(tmp_path)
    (split / "a.pkl").write_bytes(pickle.dumps([1], protocol=2))
    with pytest.raises(InputError, match="a.pkl: holds list"):
        reader.read(tmp_path)
