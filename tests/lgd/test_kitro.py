"""Bones swung to their keypoints are where the keypoints say."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ief_jax.body import joints, model_files, smpl
from ief_jax.geometry import camera, keypoints2d, rotations, skeletons
from ief_jax.lgd import kitro
from ief_jax.lgd.parameters import Body

LENSES = {
    "orthographic": None,
    "perspective": camera.Intrinsics(jnp.float32(1 / 900), jnp.array([320.0, 240.0])),
}


@pytest.fixture(scope="module")
def model() -> joints.JointModel:
    return joints.fold(model_files.embedded())


def selection(model: joints.JointModel) -> jax.Array:
    return jnp.asarray(skeletons.selection(skeletons.UNION_27, model.names))


def posed(seed: int, limbs: float) -> jax.Array:
    """A pose whose limbs are bent, each by about so many radians more."""
    pose = np.random.default_rng(1).normal(0, 0.4, (24, 3)).astype(np.float32)
    rows = [smpl.JOINT_NAMES.index(n) for n in ("left_knee", "right_elbow", "left_hip")]
    pose[rows] += limbs * np.random.default_rng(seed).normal(0, 1, (3, 3)).astype(np.float32)
    return rotations.axis_angle_to_matrix(jnp.asarray(pose))


@pytest.mark.parametrize("lens", LENSES)
def test_bones_come_back_to_where_they_were_seen(model: joints.JointModel, lens: str) -> None:
    betas = jnp.zeros(model.betas)
    truth, view = posed(0, 0.0), camera.WeakPerspective(jnp.float32(150), jnp.array([300.0, 200]))
    right = joints.positions(model, truth, betas)
    image = camera.project(view, selection(model) @ right, LENSES[lens])
    observed = keypoints2d.Keypoints2D(image, jnp.ones(27), LENSES[lens])
    start = Body(posed(1, 0.15), betas)
    before = joints.positions(model, start.local, betas)
    swing_limbs = jax.jit(partial(kitro.swing_limbs, model, selection(model)))

    found = swing_limbs(start, before, observed, view)
    after = joints.positions(model, found.local, betas)
    distances = [1000 * np.linalg.norm(body[:22] - right[:22], axis=-1) for body in (before, after)]
    assert distances[0].max() > 50
    assert np.delete(distances[1], [10, 11]).max() < 5  # feet go along, turned about their shanks
    turned = np.broadcast_to(np.eye(3), found.local.shape)
    np.testing.assert_allclose(found.local @ found.local.mT, turned, atol=1e-4)

    hidden = keypoints2d.Keypoints2D(image, jnp.zeros(27).at[:5].set(1.0), LENSES[lens])
    kept = swing_limbs(start, before, hidden, view)
    np.testing.assert_allclose(kept.local, start.local, atol=1e-3)


@pytest.mark.parametrize("lens", LENSES)
def test_ends_of_bones_are_seen_there_and_as_far_away(lens: str) -> None:
    view = camera.WeakPerspective(jnp.float32(150), jnp.array([300.0, 200.0]))
    parent, image = jnp.array([0.1, -0.2, 0.3]), jnp.array([330.0, 240.0])
    ends = kitro.bone_ends(parent, jnp.float32(0.4), image, view, LENSES[lens])
    np.testing.assert_allclose(np.linalg.norm(ends - parent[None], axis=-1), 0.4, rtol=1e-4)
    for end in ends:
        np.testing.assert_allclose(
            camera.project(view, end[None], LENSES[lens])[0], image, atol=0.01
        )
    assert ends[0, 2] < ends[1, 2]
    short = kitro.bone_ends(parent, jnp.float32(0.01), image, view, LENSES[lens])
    np.testing.assert_allclose(short[0], short[1], atol=1e-6)


def test_swing_is_the_smallest_rotation() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 3))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    found = kitro.swing(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32))
    axis = np.cross(a, b)
    turn = axis / np.linalg.norm(axis) * np.arccos(a @ b)
    np.testing.assert_allclose(found, Rotation.from_rotvec(turn).as_matrix(), atol=1e-5)
