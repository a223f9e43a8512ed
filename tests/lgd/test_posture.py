"""Postures, against angles written out with SciPy's rotations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ief_jax.body import joints, smpl
from ief_jax.lgd import posture
from ief_jax.lgd.parameters import Body


def rest(model: joints.JointModel) -> np.ndarray:
    return np.tile(np.eye(3, dtype=np.float32), (smpl.JOINTS, 1, 1))


def of(model: joints.JointModel, local: np.ndarray) -> posture.Posture:
    return posture.of_body(model, Body(jnp.asarray(local), jnp.zeros(model.betas)))


def test_knees_are_bent_by_the_angle_between_thigh_and_shank(
    joint_model: joints.JointModel,
) -> None:
    local = Rotation.from_rotvec(np.random.default_rng(3).normal(0, 0.5, (24, 3))).as_matrix()
    local = local.astype(np.float32)
    found = of(joint_model, local)
    at = np.asarray(joints.positions(joint_model, jnp.asarray(local), jnp.zeros(joint_model.betas)))
    for side, (hip, knee, ankle) in enumerate([(1, 4, 7), (2, 5, 8)]):
        thigh, shank = (at[knee] - at[hip]).astype(float), (at[ankle] - at[knee]).astype(float)
        cosine = thigh @ shank / np.linalg.norm(thigh) / np.linalg.norm(shank)
        assert found.knees[side] == pytest.approx(np.degrees(np.arccos(cosine)), abs=0.01)


def test_a_straight_leg_is_not_bent_and_has_a_gradient(joint_model: joints.JointModel) -> None:
    def knee(angle: jax.Array) -> jax.Array:
        local = jnp.asarray(rest(joint_model))
        turn = jnp.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 0]])
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        turn = turn.at[1:, 1:].set(jnp.array([[cosine, -sine], [sine, cosine]]))
        body = Body(local.at[4].set(turn), jnp.zeros(joint_model.betas))
        return posture.of_body(joint_model, body).knees[0]

    bent, slope = jax.value_and_grad(knee)(jnp.float32(0.5))
    assert np.isfinite(slope)
    assert bent - knee(jnp.float32(0.3)) == pytest.approx(np.degrees(0.2), abs=2)


@pytest.mark.parametrize("degrees", [-35.0, 20.0])
def test_who_is_tilted_towards_the_viewer_looks_down(
    joint_model: joints.JointModel, degrees: float
) -> None:
    upright = of(joint_model, rest(joint_model))
    local = rest(joint_model)
    local[0] = Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    tilted = of(joint_model, local)
    assert tilted.trunk - upright.trunk == pytest.approx(degrees, abs=0.1)
    assert upright.head == pytest.approx(0, abs=1e-4)
    assert tilted.head == pytest.approx(-degrees, abs=1e-3)
    np.testing.assert_allclose(tilted.knees, upright.knees, atol=0.05)


def test_the_head_is_raised_as_seen_from_every_side(joint_model: joints.JointModel) -> None:
    for yaw in (0, 70, 180):
        local = rest(joint_model)
        local[0] = Rotation.from_euler("y", yaw, degrees=True).as_matrix()
        raised = Rotation.from_euler("x", -25, degrees=True).as_matrix()
        local[smpl.JOINT_NAMES.index("head")] = raised
        assert of(joint_model, local).head == pytest.approx(25, abs=1e-3)


def test_a_body_of_another_model_is_refused(joint_model: joints.JointModel) -> None:
    with pytest.raises(ValueError, match="betas"):
        posture.of_body(joint_model, Body(jnp.asarray(rest(joint_model)), jnp.zeros(99)))
