"""CMU motion capture, retargeted to SMPL's joints."""

from functools import partial
from pathlib import Path

from data.cmu import clips
from data.motion import pipeline
from ief_jax.body.poses import Poses


def prepared(data_dir: Path, split: str = "train") -> pipeline.Prepared:
    """The prepared poses of a split, on disk.

    Args:
      data_dir: where `python -m data.prepare cmu` wrote them.
      split: train, validation or test.

    Raises:
      InputError: they are not prepared, or none of the split's subjects is among them.
    """
    return pipeline.open_prepared(data_dir, "cmu", partial(clips.chosen, split))


def load(data_dir: Path, split: str) -> Poses:
    """The same, in memory."""
    return pipeline.load(prepared(data_dir, split))
