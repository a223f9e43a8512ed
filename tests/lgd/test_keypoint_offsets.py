import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints, pose_prior, smpl
from ief_jax.geometry import rotations, skeletons
from ief_jax.lgd import annotators, checkpoints, keypoint_offsets, synthetic_views

OFFSETS = {
    name: (
        0.03 if name.startswith("left") else -0.03 if name.startswith("right") else 0,
        0.02,
        0.01,
    )
    for name in ("nose", "left_hip", "right_hip", "left_wrist", "right_wrist", "upper_neck")
}

_OPPOSITE = skeletons.opposite(skeletons.UNION_27)


def posed(seed: int) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(seed)
    local = rotations.axis_angle_to_matrix(jnp.asarray(rng.normal(0, 0.5, (24, 3)), jnp.float32))
    return local, jnp.asarray(rng.normal(0, 1, 10), jnp.float32)


def keypoints(model: joints.JointModel, local: jax.Array, betas: jax.Array) -> np.ndarray:
    read = skeletons.selection(skeletons.UNION_27, model.names)
    return np.asarray(read @ joints.positions(model, local, betas))


def test_keypoints_lie_off_by_the_turned_offset(joint_model: joints.JointModel) -> None:
    moved = keypoint_offsets.displace(joint_model, OFFSETS)
    local, betas = posed(0)
    world = np.asarray(smpl.world_rotations(local, joint_model.parents))
    expected = keypoints(joint_model, local, betas).copy()
    for name, offset in OFFSETS.items():
        bone = smpl.JOINT_NAMES.index(annotators.BONES[name])
        expected[skeletons.UNION_27.index(name)] += world[bone] @ np.array(offset)
    # Mid-hip is between the hips, wherever these are.
    hips = [skeletons.UNION_27.index(f"{side}_hip") for side in ("left", "right")]
    expected[skeletons.UNION_27.index("mid_hip")] = expected[hips].mean(0)
    np.testing.assert_allclose(keypoints(moved, local, betas), expected, atol=1e-5)


def test_joints_stay_and_derivatives_follow(joint_model: joints.JointModel) -> None:
    moved = keypoint_offsets.displace(joint_model, OFFSETS)
    local, betas = posed(1)
    there = joints.positions(moved, local, betas)
    np.testing.assert_allclose(
        there[: len(joint_model.names)], joints.positions(joint_model, local, betas), atol=1e-5
    )
    np.testing.assert_allclose(joints.evaluate(moved, local, betas).positions, there, atol=1e-5)


def test_known_offsets_are_found() -> None:
    """Of residuals without noise, seen from all sides; but for what the ridge holds back."""
    rng = np.random.default_rng(0)
    turns = rotations.axis_angle_to_matrix(jnp.asarray(rng.normal(0, 2, (200, 27, 3))))
    jacobian = np.asarray(turns)[:, :, :2]
    expected = np.zeros((27, 3))
    for row, name in enumerate(skeletons.UNION_27):
        side = {"left": 1, "right": -1}.get(name.partition("_")[0], 0)
        expected[row] = 0.03 * side, -0.02, 0.01
    residuals = (jacobian @ expected[..., None])[..., 0]
    weight = np.ones((200, 27))
    weight[:, [skeletons.UNION_27.index(name) for name in ("left_ear", "right_ear")]] = 0
    found = keypoint_offsets._solve(residuals, jacobian, weight)
    assert set(skeletons.UNION_27) - set(found) == {"left_ear", "right_ear", "neck", "mid_hip"}
    for name, offset in found.items():
        true = expected[skeletons.UNION_27.index(name)]
        np.testing.assert_allclose(offset, true, atol=0.1 * np.abs(true).max())


@pytest.mark.parametrize("offsets", [annotators.COCO, annotators.LSP])
def test_shipped_offsets_are_mirror_images(offsets: annotators.Offsets) -> None:
    for name, (left, up, ahead) in offsets.items():
        other = skeletons.UNION_27[_OPPOSITE[skeletons.UNION_27.index(name)]]
        assert offsets[other] == (-left, up, ahead)


@pytest.mark.slow
def test_keypoints_elsewhere_are_explained(joint_model: joints.JointModel) -> None:
    moved = keypoint_offsets.displace(joint_model, annotators.COCO)
    prior = pose_prior.embedded()
    read = jnp.asarray(skeletons.selection(skeletons.UNION_27, moved.names))
    seen = jax.vmap(lambda key: synthetic_views.prior_example(key, prior, moved, read).points)
    points = np.asarray(seen(jax.random.split(jax.random.key(0), 96)))
    found = keypoint_offsets.calibrate(
        checkpoints.load("released"), joint_model, points, np.ones((96, 27))
    )
    assert np.nanmedian(found.after) < 0.6 * np.nanmedian(found.before)
    ear, wanted = (offsets["left_ear"] for offsets in (found.offsets, annotators.COCO))
    np.testing.assert_allclose(ear, wanted, atol=0.015)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ({"left_hop": (0, 0, 0)}, "no keypoint 'left_hop'"),
        ({"left_hip": (0, 0)}, "3 finite metres for 'left_hip'"),
        ({"nose": (0, 0, np.nan)}, "3 finite metres for 'nose'"),
    ],
)
def test_offsets_that_make_no_sense(
    offsets: dict[str, tuple[float, float, float]], message: str, joint_model: joints.JointModel
) -> None:
    with pytest.raises(ValueError, match=message):
        keypoint_offsets.displace(joint_model, offsets)
