"""Trained networks of IEF: shipped by name, or written by `train.py ief`."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ief_jax.ief.config import IEFConfig
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import Weights

FORMAT = "ief_jax-ief-1"
SHIPPED = {"released": "keypoints.npz"}
"""Names of the shipped checkpoints, and their files in the package's assets."""


class Checkpoint(NamedTuple):
    """A trained keypoint estimator.

    Attributes:
      configuration: how it is run.
      weights: `network`, the backbone's parameters, and `start`, y_0 [K, 2] in pixels of the crop.
    """

    configuration: IEFConfig
    weights: Weights


def load(name: str | Path) -> Checkpoint:
    """Loads a shipped checkpoint by name, or one that `train.py ief` wrote.

    Args:
      name: `released`; or a folder that holds `model.npz`; or such a file.

    Raises:
      InputError: there is none, it is truncated, or is no checkpoint of IEF.
    """
    return checkpoint_files.load(name, SHIPPED, read)


def read(path: Path) -> Checkpoint:
    """Reads one checkpoint file; raises `InputError` as `load` does."""
    return Checkpoint(*checkpoint_files.read(path, FORMAT, "IEF", IEFConfig))


def write(path: Path, checkpoint: Checkpoint, dtype: Any = np.float32) -> None:
    """Writes a checkpoint as `checkpoint_files.write` does."""
    checkpoint_files.write(
        path, FORMAT, checkpoint.configuration.to_dict(), checkpoint.weights, dtype
    )
