"""One person over many frames: one shape, less jitter, gaps bridged, over the edges of windows."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints
from ief_jax.geometry import camera, rotations, skeletons
from ief_jax.lgd import checkpoints, fitting, motion

FRAMES = 70
"""More than a window."""


@pytest.fixture(scope="module")
def seen(joint_model: joints.JointModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Somebody about 500 px tall who waves slowly: noisy keypoints, confidences, joints [T, 24, 3].

    Nobody is seen in a few frames, at the beginning and where two windows meet.
    """
    pose = np.zeros((FRAMES, 24, 3), np.float32)
    pose[:, 16, 2], pose[:, 17, 2] = -1.1, np.sin(np.arange(FRAMES) / 15)
    pose[:, 0, 1] = 0.4
    local = rotations.axis_angle_to_matrix(jnp.asarray(pose))
    points = jax.vmap(lambda r: joints.positions(joint_model, r, jnp.zeros(10)))(local)
    view = camera.WeakPerspective(jnp.float32(300), jnp.array([600.0, 400.0]))
    read = jnp.asarray(skeletons.selection(skeletons.UNION_27, joint_model.names))
    pixels = np.array(jax.vmap(lambda x: camera.project_weak(view, read @ x))(points))
    pixels += np.random.default_rng(0).normal(0, 2, pixels.shape).astype(np.float32)
    detected = np.isin(skeletons.UNION_27, skeletons.COCO_18)
    confidence = np.broadcast_to(detected, (FRAMES, 27)).astype(np.float32).copy()
    confidence[[0, 45, 46, 47]] = 0
    return pixels, confidence, np.asarray(points[:, :24])


@pytest.mark.slow
def test_motion_is_one_body_and_smooth(
    joint_model: joints.JointModel, seen: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    points, confidence, truth = seen
    checkpoint = checkpoints.load("released")
    times = np.arange(FRAMES) / 30
    single = fitting.fit(checkpoint, joint_model, points, confidence)
    moving = motion.fit(checkpoint, joint_model, points, confidence, times)
    shapes = [jax.tree.map(np.shape, list(bodies)) for bodies in (single, moving)]
    assert shapes[0] == shapes[1]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(moving))
    assert (moving.betas == moving.betas[:1]).all()

    there = confidence.max(1) > 0

    def off(bodies: fitting.Bodies) -> tuple[float, float]:
        """How far joints are from the truth, and how much further from a frame to the next."""
        offset = np.asarray(bodies.joints - bodies.joints[:, :1]) - (truth - truth[:, :1])
        moved = np.diff(offset, axis=0)[there[1:] & there[:-1]]
        error = np.linalg.norm(offset[there], axis=-1).mean()
        return float(error), float(np.linalg.norm(moved, axis=-1).mean())

    error, jitter = off(moving)
    single_error, single_jitter = off(single)
    assert error < single_error
    assert jitter < 0.1 * single_jitter
    # Where nobody was seen, the wave goes on.
    offset = (moving.joints - moving.joints[:, :1]) - (truth - truth[:, :1])
    assert np.linalg.norm(offset[45:48], axis=-1).mean() < 1.2 * error
    assert float(moving.error[there].mean()) < 8


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"times": np.array([0.0, 0.1, 0.1])}, "each later than the one before"),
        ({"times": np.array([0.0, 0.1])}, r"times: expected \[T\]"),
        ({"strength": -1.0}, "strength: expected 0 or more"),
        ({"confidence": np.zeros((3, 27))}, "none in any frame"),
        ({"checkpoint": "paper"}, "second-order steps"),
    ],
)
def test_bad_arguments_are_named(
    joint_model: joints.JointModel, change: dict[str, Any], expected: str
) -> None:
    arguments: dict[str, Any] = {
        "checkpoint": "released",
        "model": joint_model,
        "points": np.ones((3, 27, 2)),
        "confidence": np.ones((3, 27)),
        "times": np.arange(3.0),
        **change,
    }
    arguments["checkpoint"] = checkpoints.load(arguments["checkpoint"])
    with pytest.raises(ValueError, match=expected):
        motion.fit(**arguments)
