"""AMASS: motion capture of many laboratories as SMPL poses."""

from functools import partial
from pathlib import Path

from data.amass import reader
from data.motion import pipeline
from ief_jax.body.poses import Poses


def prepared(data_dir: Path, split: str = "train") -> pipeline.Prepared:
    """The prepared poses of a split, on disk.

    Args:
      data_dir: where `python -m data.prepare amass` wrote them.
      split: train, validation, test, paper, or names of data sets joined by "+".

    Raises:
      InputError: they are not prepared, or a data set of the split is missing.
    """
    return pipeline.open_prepared(data_dir, "amass", partial(reader.chosen, split))


def load(data_dir: Path, split: str) -> Poses:
    """The same, in memory."""
    return pipeline.load(prepared(data_dir, split))
