"""The pose prior: sampling and densities against scipy, its symmetry, its files, its builder."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.spatial.transform import Rotation
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from data.assets.pose_prior import build
from ief_jax.body import joints, pose_prior
from ief_jax.geometry import rotations
from ief_jax.io.files import InputError

SIZE = pose_prior.BODY + pose_prior.TILT


def fields(components: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """The arrays of a small made-up prior."""
    rng = np.random.default_rng(seed)

    def factors(count: int, size: int) -> np.ndarray:
        rows, columns = np.tril_indices(size)
        packed = rng.normal(0, 0.02, (count, len(rows)))
        packed[:, rows == columns] = rng.uniform(0.1, 0.3, (count, size))
        return packed.astype(np.float32)

    return {
        "weights": rng.dirichlet(np.ones(components)).astype(np.float32),
        "means": rng.normal(0, 0.5, (components, SIZE)).astype(np.float32),
        "cholesky": factors(components, SIZE),
        "mean": rng.normal(0, 0.1, pose_prior.BODY).astype(np.float32),
        "mean_cholesky": factors(1, pose_prior.BODY)[0],
    }


def written(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, allow_pickle=True, **arrays)
    return path


@jax.jit
def posed(model: joints.JointModel, poses: jax.Array) -> jax.Array:
    """The points [N, P, 3] of the mean body in poses [N, 24, 3]."""
    local = rotations.axis_angle_to_matrix(poses)
    return jax.vmap(lambda x: joints.positions(model, x, jnp.zeros(model.betas)))(local)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pose_prior.PosePrior:
    return pose_prior.load(written(tmp_path_factory.mktemp("prior") / "p.npz", fields()))


@pytest.fixture(scope="module")
def embedded() -> pose_prior.PosePrior:
    return pose_prior.embedded()


def covariances(prior: pose_prior.PosePrior) -> np.ndarray:
    factor = np.asarray(prior.cholesky, np.float64)
    return factor @ factor.swapaxes(1, 2)


def values(poses: jax.Array) -> np.ndarray:
    """[N, 24, 3] samples back to the 65 numbers."""
    flat = np.asarray(poses, np.float64).reshape(len(poses), 72)
    return np.concatenate([flat[:, 3:66], flat[:, [0, 2]]], 1)


def test_samples_have_the_mixtures_moments(small: pose_prior.PosePrior) -> None:
    keys = jax.random.split(jax.random.key(0), 20000)
    drawn = values(jax.jit(jax.vmap(lambda key: pose_prior.sample(small, key)))(keys))
    weights, means = np.exp(small.log_weights), np.asarray(small.means, np.float64)
    mean = weights @ means
    centred = means - mean
    covariance = np.einsum("c,cij->ij", weights, covariances(small))
    covariance += np.einsum("c,ci,cj->ij", weights, centred, centred)
    deviation = np.sqrt(np.diag(covariance))
    assert np.abs((drawn.mean(0) - mean) / deviation).max() < 5 / np.sqrt(len(drawn))
    difference = (np.cov(drawn.T) - covariance) / np.outer(deviation, deviation)
    assert np.abs(difference).max() < 8 / np.sqrt(len(drawn))


def test_samples_have_no_yaw_and_straight_hands(embedded: pose_prior.PosePrior) -> None:
    pose = pose_prior.sample(embedded, jax.random.key(3))
    assert pose.shape == (24, 3)
    assert pose[0, 1] == 0
    assert not np.any(pose[22:])


def test_log_density_is_scipys(embedded: pose_prior.PosePrior) -> None:
    body = pose_prior.BODY
    keys = jax.random.split(jax.random.key(1), 4)
    drawn = values(jax.vmap(lambda key: pose_prior.sample(embedded, key))(keys))[:, :body]
    means, spread = np.asarray(embedded.means, np.float64), covariances(embedded)
    for pose in drawn:
        parts = [
            multivariate_normal(mean[:body], covariance[:body, :body]).logpdf(pose)
            for mean, covariance in zip(means, spread, strict=True)
        ]
        densities = np.array(parts) + np.asarray(embedded.log_weights, np.float64)
        pose = jnp.asarray(pose, jnp.float32)
        np.testing.assert_allclose(
            pose_prior.log_density(embedded, pose), logsumexp(densities), rtol=1e-3, atol=0.05
        )
        np.testing.assert_allclose(
            pose_prior.largest_component(embedded, pose), densities.max(), rtol=1e-3, atol=0.05
        )


def test_the_largest_components_derivative_is_that_of_the_maximum(
    embedded: pose_prior.PosePrior,
) -> None:
    pose = pose_prior.sample(embedded, jax.random.key(5)).reshape(-1)[3:66]
    whole = jax.grad(lambda x: pose_prior.component_log_densities(embedded, x).max())(pose)
    cheap = jax.grad(lambda x: pose_prior.largest_component(embedded, x))(pose)
    np.testing.assert_allclose(cheap, whole, rtol=1e-3, atol=1e-2)


def test_gaussian_energy_is_scipys_mahalanobis(small: pose_prior.PosePrior) -> None:
    rows, columns = np.tril_indices(pose_prior.BODY)
    factor = np.zeros((pose_prior.BODY, pose_prior.BODY))
    factor[rows, columns] = fields()["mean_cholesky"]
    pose = np.random.default_rng(1).normal(0, 0.3, pose_prior.BODY)
    distance = mahalanobis(pose, fields()["mean"], np.linalg.inv(factor @ factor.T))
    found = pose_prior.gaussian_energy(small, jnp.asarray(pose))
    np.testing.assert_allclose(found, distance**2 / 2, rtol=1e-4)


def test_embedded_prior_is_nearly_mirror_symmetric(embedded: pose_prior.PosePrior) -> None:
    keys = jax.random.split(jax.random.key(2), 500)
    drawn = values(jax.vmap(lambda key: pose_prior.sample(embedded, key))(keys))
    mirrored = build.mirror(drawn)
    density = jax.jit(jax.vmap(lambda x: pose_prior.log_density(embedded, x)))
    there, back = (density(jnp.asarray(x[:, : pose_prior.BODY])) for x in (drawn, mirrored))
    # In nats; the densities themselves spread over more than ten.
    assert abs(float(jnp.median(there - back))) < 8
    spread = drawn.std(0)
    assert np.abs((drawn.mean(0) - mirrored.mean(0)) / spread).max() < 0.35


def test_embedded_samples_stand_upright_with_feet_below(
    embedded: pose_prior.PosePrior, joint_model: joints.JointModel
) -> None:
    keys = jax.random.split(jax.random.key(4), 300)
    poses = jax.vmap(lambda key: pose_prior.sample(embedded, key))(keys)
    at = posed(joint_model, poses)
    height = np.asarray(at[:, joint_model.names.index("head"), 1])
    feet = np.asarray(at[:, joint_model.names.index("left_ankle"), 1])
    assert np.mean(height > feet) > 0.95


@pytest.mark.parametrize("name", ["weights", "means", "cholesky", "mean", "mean_cholesky"])
def test_a_missing_array_is_named(tmp_path: Path, name: str) -> None:
    arrays = fields()
    del arrays[name]
    with pytest.raises(InputError, match=f"p.npz.*'{name}'"):
        pose_prior.load(written(tmp_path / "p.npz", arrays))


@pytest.mark.parametrize("name", ["weights", "means", "cholesky", "mean", "mean_cholesky"])
def test_a_wrong_shape_is_named(tmp_path: Path, name: str) -> None:
    arrays = fields()
    arrays[name] = arrays[name][..., None]
    with pytest.raises(InputError, match=r"p.npz.*shape"):
        pose_prior.load(written(tmp_path / "p.npz", arrays))


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        pose_prior.load(tmp_path / "nowhere.npz")
    (tmp_path / "text.npz").write_text("not an npz")
    with pytest.raises(InputError, match=r"text.npz.*not a pose prior"):
        pose_prior.load(tmp_path / "text.npz")
    whole = written(tmp_path / "whole.npz", fields()).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut.npz.*not a pose prior"):
        pose_prior.load(tmp_path / "cut.npz")
    pickled = fields() | {"mean": np.array([{}], dtype=object)}
    with pytest.raises(InputError, match=r"objects.npz"):
        pose_prior.load(written(tmp_path / "objects.npz", pickled))
    infinite = fields()
    infinite["means"][0, 0] = np.inf
    with pytest.raises(InputError, match=r"'means'.*finite"):
        pose_prior.load(written(tmp_path / "infinite.npz", infinite))
    flat = fields()
    flat["cholesky"][1, 0] = 0
    with pytest.raises(InputError, match="positive"):
        pose_prior.load(written(tmp_path / "flat.npz", flat))


# The builder


def made_up_poses(count: int = 40, seed: int = 0) -> np.ndarray:
    poses = np.random.default_rng(seed).normal(0, 0.4, (count, 24, 3))
    poses[:, 22:] = 0
    return poses


def test_mirrored_features_mirror_the_body(joint_model: joints.JointModel) -> None:
    poses = made_up_poses(3)
    poses[:, 0, 1] = 0
    features = build.features(poses)
    at = {}
    for name, numbers in (("there", features), ("back", build.mirror(features))):
        local = np.zeros((3, 24, 3))
        local[:, 1:22] = numbers[:, :63].reshape(-1, 21, 3)
        local[:, 0, [0, 2]] = numbers[:, 63:]
        at[name] = np.asarray(posed(joint_model, jnp.asarray(local)))
    other = [
        joint_model.names.index(
            name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        )
        for name in joint_model.names
    ]
    np.testing.assert_allclose(at["back"], at["there"][:, other] * [-1, 1, 1], atol=5e-3)


def test_tilt_is_the_root_without_its_yaw() -> None:
    roots = Rotation.random(50, random_state=0)
    x, z = build.tilt(roots.as_rotvec()).T
    swing = Rotation.from_rotvec(np.stack([x, np.zeros_like(x), z], -1))
    yaw = (roots * swing.inv()).as_rotvec()
    np.testing.assert_allclose(yaw[:, [0, 2]], 0, atol=1e-9)
    np.testing.assert_allclose(build.tilt(np.zeros((1, 3))), 0)


def test_continuous_changes_the_vector_and_not_the_rotation() -> None:
    poses = np.tile([0.0, 0.0, 3.0], (9, 24, 1))
    poses[8] = [0.0, 0.0, 3.0 - 2 * np.pi]
    poses[7, :, 2] = 0.1
    found = build.continuous(poses)
    np.testing.assert_allclose(found[8], [[0.0, 0.0, 3.0]] * 24)
    np.testing.assert_array_equal(found[:8], poses[:8])


def test_no_subject_outweighs_the_others() -> None:
    subject = np.repeat(["a", "b", "c", "d"], [1000, 50, 100, 60])
    chosen = build.balanced(subject, 0.4, np.random.default_rng(0))
    names, counts = np.unique(subject[chosen], return_counts=True)
    assert dict(zip(names, counts, strict=True)).keys() == {"a", "b", "c", "d"}
    assert 0.38 < counts[0] / counts.sum() <= 0.4
    assert list(counts[1:]) == [50, 100, 60]
    assert len(np.unique(chosen)) == len(chosen)


def test_a_prior_is_built_from_a_file_of_poses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra `data`")
    np.savez(tmp_path / "poses.npz", poses=made_up_poses(300).reshape(300, 72))
    output = tmp_path / "prior.npz"
    arguments = ["build", str(tmp_path / "poses.npz"), "--components", "2", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", arguments)
    build.main()
    prior = pose_prior.load(output)
    assert prior.means.shape == (2, SIZE)
    assert "prior.npz" in capsys.readouterr().out
    np.testing.assert_allclose(
        np.exp(prior.log_weights) @ np.asarray(prior.means)[:, :63], prior.mean, atol=0.01
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["poses.npz", "prior.npz"]
