"""What the tests of `ief-jax fit` share: a checkpoint that is quick to run, and somebody to fit."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax.body import joints
from ief_jax.geometry import skeletons
from tests.helpers import tiny


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, joint_model: joints.JointModel) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("checkpoints") / "tiny", joint_model)


@pytest.fixture(scope="module")
def standing(joint_model: joints.JointModel) -> np.ndarray:
    """[25, 3] BODY_25 keypoints of the embedded body in its T-pose, 100 pixels a metre."""
    rest = jnp.broadcast_to(jnp.eye(3), (24, 3, 3))
    points = np.asarray(joints.positions(joint_model, rest, jnp.zeros(10)))
    keypoints = skeletons.selection(skeletons.BODY_25, joint_model.names) @ points
    seen = keypoints[:, :2] * [100, -100] + [150, 180]
    return np.concatenate([seen, np.full((25, 1), 0.8)], 1)
