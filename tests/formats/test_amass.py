"""Motions as AMASS has them: what the numbers mean, and that readers of AMASS read them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ief_jax.body import smpl
from ief_jax.formats import amass, poses
from tests.helpers import motions


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, body: smpl.BodyModel) -> Path:
    path = tmp_path_factory.mktemp("amass") / "person.npz"
    further = {"frame": np.arange(5, 25)}
    amass.write(path, body, motions.moving(2, 20), 25, further=further)
    return path


def test_the_body_stands_upright_along_z(path: Path, body: smpl.BodyModel) -> None:
    motion = motions.moving(2, 20)
    expected = motions.joints(body, motion)
    with np.load(path, allow_pickle=False) as file:
        assert file["poses"].shape == (20, 156)
        again = motion._replace(poses=file["poses"][:, :72].reshape(20, 24, 3), trans=file["trans"])
        assert not file["poses"][:, 66:].any()
    found = motions.joints(body, again)
    x, y, z = np.moveaxis(expected, -1, 0)
    # The last two joints are the hands, which AMASS has not.
    np.testing.assert_allclose(found[:, :22], np.stack([x, -z, y], -1)[:, :22], atol=1e-5)


def test_the_keys_of_amass(path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        assert file["betas"].shape == (10,)
        assert file["gender"] == "neutral"
        assert file["mocap_frame_rate"] == file["mocap_framerate"] == 25
        assert file["frame"].tolist() == list(range(5, 25))
        np.testing.assert_allclose(file["times"], np.arange(20) / 25)


def test_our_reader_of_amass(path: Path) -> None:
    motion = motions.moving(2, 20)
    read = poses.read(path)
    np.testing.assert_allclose(read.poses[:, 1:22], motion.poses[:, 1:22], atol=1e-6)
    turned = Rotation.from_rotvec(read.poses[:, 0]) * Rotation.from_rotvec(motion.poses[:, 0]).inv()
    np.testing.assert_allclose(turned.as_rotvec(), np.tile([np.pi / 2, 0, 0], (20, 1)), atol=1e-5)
    assert read.betas is not None and read.betas.shape == (20, 10)


def test_keys_are_not_taken_twice(tmp_path: Path, body: smpl.BodyModel) -> None:
    with pytest.raises(ValueError, match="further: expected other keys than trans"):
        amass.write(
            tmp_path / "a.npz", body, motions.moving(0, 2), 25, further={"trans": np.zeros(3)}
        )
