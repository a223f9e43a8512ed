"""A small checkpoint with random weights: bodies that are wrong, by code that is right."""

from pathlib import Path

import jax

from ief_jax.body import joints
from ief_jax.io import checkpoint_files
from ief_jax.lgd import build, checkpoints
from ief_jax.lgd.config import LGDConfig

CONFIGURATION = LGDConfig(
    name="tiny",
    parameterisation="six_d",
    inputs=("gradient", "theta", "keypoints"),
    width=8,
    blocks=1,
    steps=3,
    second_order_steps=0,
    symmetric=False,
)


def checkpoint(model: joints.JointModel) -> checkpoints.Checkpoint:
    """Random weights for a body."""
    task = build.problem(CONFIGURATION, model)
    weights = jax.jit(lambda: build.initial_weights(CONFIGURATION, task, jax.random.key(0)))()
    return checkpoints.Checkpoint(CONFIGURATION, weights)


def folder(path: Path, model: joints.JointModel) -> Path:
    """The same, written to a new folder as train.py does."""
    path.mkdir()
    checkpoints.write(path / checkpoint_files.FILE_NAME, checkpoint(model))
    return path
