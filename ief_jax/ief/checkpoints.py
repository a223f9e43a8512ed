"""Trained networks of IEF: shipped by name, or written by `train.py ief`."""

from typing import NamedTuple

from ief_jax.ief.config import IEFConfig
from ief_jax.io.checkpoint_files import CheckpointFormat, Weights

FORMAT = "ief_jax-ief-1"
SHIPPED = {
    "released": "keypoints.npz",
    "lsp": "keypoints_lsp.npz",
    "movenet": "keypoints_movenet.npz",
}
"""Names of the shipped checkpoints, and their files in the package's assets."""


class Checkpoint(NamedTuple):
    """A trained keypoint estimator.

    Attributes:
      configuration: how it is run.
      weights: `network`, the backbone's parameters, and `start`, y_0 [K, 2] in pixels of the crop.
    """

    configuration: IEFConfig
    weights: Weights


_FORMAT = CheckpointFormat(FORMAT, "IEF", IEFConfig, Checkpoint, SHIPPED)
load, read, write = _FORMAT.load, _FORMAT.read, _FORMAT.write
reconfigure = _FORMAT.reconfigure
