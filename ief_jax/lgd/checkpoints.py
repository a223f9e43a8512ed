"""Trained networks of LGD: shipped by name, or written by `train.py lgd`."""

from typing import NamedTuple

from ief_jax.io.checkpoint_files import CheckpointFormat, Weights
from ief_jax.lgd.config import LGDConfig

FORMAT = "ief_jax-lgd-1"
SHIPPED = {name: f"{name}.npz" for name in ("released", "paper", "lifting")}
"""Names of the shipped checkpoints, and their files in the package's assets."""


class Checkpoint(NamedTuple):
    """A trained fitter: its configuration and weights (a nested dict of float32 arrays)."""

    configuration: LGDConfig
    weights: Weights


_FORMAT = CheckpointFormat(FORMAT, "LGD", LGDConfig, Checkpoint, SHIPPED)
load, read, write = _FORMAT.load, _FORMAT.read, _FORMAT.write
