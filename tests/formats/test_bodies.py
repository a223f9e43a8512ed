"""The npz of fitted bodies: what its arrays mean, and that it can be read as detections again."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import smpl
from ief_jax.formats import bodies, detection_files, detections
from ief_jax.geometry import camera, rotations, skeletons
from ief_jax.lgd import fitting


@pytest.fixture(scope="module")
def people() -> detections.Detections:
    """Two people of the frames 1 and 3."""
    rng = np.random.default_rng(0)
    return detections.Detections(
        points=rng.uniform(0, 300, (2, 27, 2)).astype(np.float32),
        confidence=rng.uniform(0.1, 1, (2, 27)).astype(np.float32),
        names=skeletons.UNION_27,
        skeleton="BODY_25",
        evidence="",
        frame=np.array([1, 3]),
        person=np.array([2, 0]),
        frame_names=("a", "b", "c", "d"),
        images=(None, "b.jpg", None, "d.jpg"),
        numbers=(0, 5, 10, 15),
        identity=np.array([4, -1]),
        fps=25.0,
        passed_over=("x.json: not JSON",),
    )


@pytest.fixture(scope="module")
def fitted(body: smpl.BodyModel) -> fitting.Bodies:
    rng = np.random.default_rng(1)
    poses = jnp.asarray(rng.normal(0, 0.4, (2, 72)), jnp.float32)
    betas = jnp.asarray(rng.normal(size=(2, 10)), jnp.float32)

    def joints(pose: jax.Array, beta: jax.Array) -> jax.Array:
        local = rotations.axis_angle_to_matrix(pose.reshape(24, 3))
        return smpl.pose(smpl.shape(body, beta).joints, local, body.parents).joints

    return fitting.Bodies(
        poses=poses,
        betas=betas,
        scale=jnp.array([120.0, 80.0]),
        translation=jnp.array([[400.0, 300.0], [20.0, 700.0]]),
        inverse_focal=jnp.array([1e-3, 2e-3]),
        principal=jnp.array([[320.0, 240.0], [30.0, 40.0]]),
        joints=jax.vmap(joints)(poses, betas),
        keypoints=jnp.asarray(rng.uniform(0, 300, (2, 27, 2)), jnp.float32),
        error=jnp.array([3.0, 4.0]),
    )


@pytest.fixture
def stored(
    tmp_path: Path, fitted: fitting.Bodies, people: detections.Detections
) -> dict[str, np.ndarray]:
    skipped = [detections.Skipped(0, 1, "too few")]
    bodies.write(tmp_path / "bodies.npz", fitted, people, skipped)
    with np.load(tmp_path / "bodies.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def test_amass_keys(stored: dict[str, np.ndarray], fitted: fitting.Bodies) -> None:
    np.testing.assert_array_equal(stored["poses"], fitted.poses)
    np.testing.assert_array_equal(stored["betas"], fitted.betas)
    assert stored["trans"].shape == (2, 3)
    assert stored["gender"] == "neutral"


def test_trans_and_scale_are_the_camera(
    stored: dict[str, np.ndarray], fitted: fitting.Bodies
) -> None:
    # As the docstring has it, against the camera that the fit came with.
    placed = np.asarray(fitted.joints) + stored["trans"][:, None]
    seen = stored["scale"][:, None, None] * placed[..., :2] * [1, -1]
    assert np.isnan(stored["focal"]).all() and np.isnan(stored["principal"]).all()
    for person in range(2):
        view = camera.WeakPerspective(fitted.scale[person], fitted.translation[person])
        expected = camera.project_weak(view, fitted.joints[person])
        np.testing.assert_allclose(seen[person], expected, atol=1e-3)


def test_a_known_lens_places_people_before_the_camera(
    tmp_path: Path, fitted: fitting.Bodies, people: detections.Detections
) -> None:
    bodies.write(tmp_path / "bodies.npz", fitted, people, lens_known=True)
    with np.load(tmp_path / "bodies.npz", allow_pickle=False) as file:
        placed = np.asarray(fitted.joints) + file["trans"][:, None]
        plane = placed[..., :2] * [1, -1] / -placed[..., 2:]
        seen = file["principal"][:, None] + file["focal"][:, None, None] * plane
    for person in range(2):
        view = camera.WeakPerspective(fitted.scale[person], fitted.translation[person])
        lens = camera.Intrinsics(fitted.inverse_focal[person], fitted.principal[person])
        expected = camera.project(view, fitted.joints[person], lens)
        np.testing.assert_allclose(seen[person], expected, rtol=1e-4, atol=1e-2)


def test_who_is_who(stored: dict[str, np.ndarray], fitted: fitting.Bodies) -> None:
    assert stored["frame"].tolist() == [5, 15], "their numbers"
    assert stored["person"].tolist() == [2, 0]
    assert stored["frame_names"].tolist() == ["a", "b", "c", "d"]
    assert stored["images"].tolist() == ["", "b.jpg", "", "d.jpg"]
    assert stored["skipped_frame"].tolist() == [0]
    assert stored["skipped_person"].tolist() == [1]
    assert stored["skipped_reason"].tolist() == ["too few"]
    assert stored["joint_names"].tolist() == list(smpl.JOINT_NAMES)
    np.testing.assert_array_equal(stored["joints"], fitted.joints)
    np.testing.assert_array_equal(stored["reprojected"], fitted.keypoints)
    np.testing.assert_array_equal(stored["reprojection_error"], fitted.error)


def test_nobody_skipped(
    tmp_path: Path, fitted: fitting.Bodies, people: detections.Detections
) -> None:
    bodies.write(tmp_path / "bodies.npz", fitted, people)
    with np.load(tmp_path / "bodies.npz", allow_pickle=False) as file:
        assert file["skipped_reason"].shape == file["skipped_frame"].shape == (0,)


def test_the_file_can_be_read_as_detections(
    tmp_path: Path, stored: dict[str, np.ndarray], people: detections.Detections
) -> None:
    del stored
    again = detection_files.read(tmp_path / "bodies.npz")
    assert again.names == skeletons.UNION_27
    np.testing.assert_array_equal(again.points, people.points)
    np.testing.assert_array_equal(again.confidence, people.confidence)
    np.testing.assert_array_equal(again.frame, people.frame)
    np.testing.assert_array_equal(again.person, people.person)
    assert again.frame_names == people.frame_names
    assert again.images == people.images
