"""Sampled views, bodies and cameras, and spoiled keypoints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from ief_jax.body import joints, smpl
from ief_jax.geometry import camera, rotations, skeletons
from ief_jax.lgd import synthetic_views

COUNT = 64


@pytest.fixture(scope="module")
def selection(joint_model: joints.JointModel) -> jax.Array:
    return jnp.asarray(skeletons.selection(skeletons.UNION_27, joint_model.names))


@pytest.fixture(scope="module")
def poses() -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(0, 0.2, (COUNT, 24, 3)), jnp.float32)


@pytest.fixture(scope="module")
def examples(
    joint_model: joints.JointModel, selection: jax.Array, poses: jax.Array
) -> synthetic_views.Example:
    keys = jax.random.split(jax.random.key(0), COUNT)
    make = jax.jit(jax.vmap(lambda k, p: synthetic_views.example(k, joint_model, selection, p)))
    return make(keys, poses)


def test_views_turn_by_a_uniform_yaw_and_a_normal_tilt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert synthetic_views.TILT_DEVIATION == 0.15
    # Wide enough that the order of the three turns shows.
    monkeypatch.setattr(synthetic_views, "TILT_DEVIATION", 0.4)
    root = Rotation.from_rotvec([0.4, -0.2, 0.3])
    keys = jax.random.split(jax.random.key(1), 4000)
    view = jax.jit(
        jax.vmap(lambda key: synthetic_views.random_view(key, jnp.asarray(root.as_matrix())))
    )
    turns = Rotation.from_matrix(np.asarray(view(keys), np.float64)) * root.inv()
    # scipy's upper-case "ZXY" is Rz(n_z) Rx(n_x) Ry(u), the angles in this order.
    z, x, yaw = turns.as_euler("ZXY").T
    assert kstest(yaw, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3
    for tilt in (x, z):
        assert kstest(tilt / 0.4, "norm").pvalue > 1e-3


def test_an_example_is_the_pose_it_was_made_of(
    examples: synthetic_views.Example, poses: jax.Array
) -> None:
    given = rotations.axis_angle_to_matrix(poses)
    np.testing.assert_allclose(examples.local[:, 1:], given[:, 1:], atol=1e-6)
    turn = np.asarray(examples.local[:, 0]) @ np.asarray(given[:, 0]).swapaxes(1, 2)
    np.testing.assert_allclose(np.linalg.det(turn), 1, atol=1e-5)
    assert np.abs(turn - np.eye(3)).max() > 0.5


def test_keypoints_are_those_of_the_mesh(
    examples: synthetic_views.Example, body: smpl.BodyModel, joint_model: joints.JointModel
) -> None:
    mesh = smpl.vertices(body, examples.local[0], examples.betas[0])
    names = skeletons.UNION_27
    scale, translation = examples.camera.scale[0], examples.camera.translation[0]
    for name in ("nose", "left_eye", "right_ear"):
        vertex = mesh[body.landmarks[body.landmark_names.index(name)]]
        expected = scale * np.array([vertex[0], -vertex[1]]) + translation
        np.testing.assert_allclose(examples.points[0, names.index(name)], expected, atol=0.05)


def test_people_fill_a_box_inside_the_image(examples: synthetic_views.Example) -> None:
    points = np.asarray(examples.points)
    low, high = points.min(1), points.max(1)
    side = (high - low).max(1)
    assert side.min() >= synthetic_views.BOX[0] - 0.01
    assert side.max() <= synthetic_views.BOX[1] + 0.01
    assert side.std() > 30
    assert low.min() >= -0.01
    assert (high <= np.array(synthetic_views.IMAGE) + 0.01).all()
    assert np.std((low + high)[:, 0] / 2) > 30


def test_betas_are_standard_normal_and_keypoints_all_seen(
    examples: synthetic_views.Example,
) -> None:
    assert kstest(np.asarray(examples.betas).reshape(-1), "norm").pvalue > 1e-3
    np.testing.assert_array_equal(examples.confidence, 1)


def test_an_example_follows_from_its_key(
    joint_model: joints.JointModel,
    selection: jax.Array,
    poses: jax.Array,
    examples: synthetic_views.Example,
) -> None:
    keys = jax.random.split(jax.random.key(0), COUNT)
    make = jax.jit(lambda k, p: synthetic_views.example(k, joint_model, selection, p))
    np.testing.assert_allclose(make(keys[5], poses[5]).points, examples.points[5], atol=1e-2)
    assert np.abs(make(keys[6], poses[5]).points - examples.points[5]).max() > 1


def test_the_random_camera_sees_what_its_numbers_say() -> None:
    points = jnp.asarray(np.random.default_rng(1).normal(size=(27, 3)))
    view = synthetic_views.random_camera(jax.random.key(2), points)
    seen = camera.project_weak(view, points)
    flat = np.asarray(points)[:, :2] * [1, -1]
    side = np.ptp(flat, axis=0).max() * float(view.scale)
    assert synthetic_views.BOX[0] <= side <= synthetic_views.BOX[1]
    np.testing.assert_allclose(synthetic_views.box_side(seen, jnp.ones(27)), side, rtol=1e-5)


# Spoiling

POINTS = np.random.default_rng(4).uniform(0, 300, (27, 2)).astype(np.float32)


@jax.jit
def _spoil(confidence: jax.Array, noise: float, drop: float) -> tuple[jax.Array, jax.Array]:
    keys = jax.random.split(jax.random.key(7), 3000)
    points = jnp.asarray(POINTS)
    return jax.vmap(
        lambda key: synthetic_views.add_keypoint_noise(points, confidence, key, noise, drop)
    )(keys)


def spoil(
    confidence: np.ndarray, noise: float, drop: float, count: int = 3000
) -> tuple[np.ndarray, np.ndarray]:
    """The same keypoints spoiled `count` times."""
    found = _spoil(jnp.asarray(confidence, jnp.float32), noise, drop)
    return np.asarray(found[0])[:count], np.asarray(found[1])[:count]


def test_nothing_is_spoiled_without_noise_and_drop() -> None:
    points, confidence = spoil(np.linspace(0.1, 1, 27), 0.0, 0.0, 3)
    np.testing.assert_array_equal(points, np.stack([POINTS] * 3))
    np.testing.assert_allclose(confidence, np.stack([np.linspace(0.1, 1, 27)] * 3), rtol=1e-6)


def test_noise_is_a_share_of_the_box() -> None:
    points, _ = spoil(np.ones(27), 0.02, 0.0)
    moved = (points - POINTS) / np.ptp(POINTS, axis=0).max()
    assert kstest(moved.reshape(-1) / 0.02, "norm").pvalue > 1e-3


def test_the_box_is_that_of_the_seen_keypoints() -> None:
    confidence = np.zeros(27)
    confidence[:8] = 1
    points, _ = spoil(confidence, 0.02, 0.0)
    moved = (points - POINTS)[:, :8] / np.ptp(POINTS[:8], axis=0).max()
    np.testing.assert_allclose(moved.std(), 0.02, rtol=0.02)
    np.testing.assert_array_equal(points[:, 8:], 0)
    assert synthetic_views.box_side(jnp.asarray(POINTS), jnp.zeros(27)) == 0


def test_each_keypoint_is_hidden_as_often_as_asked() -> None:
    points, confidence = spoil(np.ones(27), 0.01, 0.2)
    hidden = confidence == 0
    np.testing.assert_allclose(hidden.mean(0), 0.2, atol=0.04)
    np.testing.assert_array_equal(points[hidden], 0)
    together = np.corrcoef(hidden[:, 0], hidden[:, 1])[0, 1]
    assert abs(together) < 0.08


def test_six_keypoints_always_stay() -> None:
    _, confidence = spoil(np.ones(27), 0.0, 1.0, 200)
    np.testing.assert_array_equal((confidence > 0).sum(1), synthetic_views.FEWEST)
    # Which ones is chance.
    assert (confidence > 0).any(0).all()


def test_missing_keypoints_stay_missing_and_do_not_count_among_the_six() -> None:
    given = np.ones(27)
    given[::2] = 0
    _, confidence = spoil(given, 0.0, 0.95, 200)
    np.testing.assert_array_equal(confidence[:, ::2], 0)
    assert (confidence > 0).sum(1).min() == synthetic_views.FEWEST
    given[:] = 0
    given[3] = 0.5
    _, confidence = spoil(given, 0.0, 1.0, 3)
    np.testing.assert_array_equal(confidence, np.stack([given] * 3))
