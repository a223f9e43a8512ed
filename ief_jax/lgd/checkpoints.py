"""Trained networks of LGD: shipped by name, or written by `train.py lgd`."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import Weights
from ief_jax.lgd.config import LGDConfig

FORMAT = "ief_jax-lgd-1"
SHIPPED = {name: f"{name}.npz" for name in ("released", "paper", "lifting")}
"""Names of the shipped checkpoints, and their files in the package's assets."""


class Checkpoint(NamedTuple):
    """A trained fitter: its configuration and weights (a nested dict of float32 arrays)."""

    configuration: LGDConfig
    weights: Weights


def load(name: str | Path) -> Checkpoint:
    """Loads a shipped checkpoint by name, or one that `train.py lgd` wrote.

    Args:
      name: `released`, `paper`, `lifting`; or a folder that holds `model.npz`; or such a file.

    Raises:
      InputError: there is none, it is truncated, or is no checkpoint of LGD.
    """
    return checkpoint_files.load(name, SHIPPED, read)


def read(path: Path) -> Checkpoint:
    """Reads one checkpoint file; raises `InputError` as `load` does."""
    return Checkpoint(*checkpoint_files.read(path, FORMAT, "LGD", LGDConfig))


def write(path: Path, checkpoint: Checkpoint, dtype: Any = np.float32) -> None:
    """Writes a checkpoint as `checkpoint_files.write` does."""
    checkpoint_files.write(
        path, FORMAT, checkpoint.configuration.to_dict(), checkpoint.weights, dtype
    )
