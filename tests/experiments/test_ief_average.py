"""The mean of checkpoints, and what cannot be averaged."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from experiments.ief import average
from experiments.ief.arguments import Average
from ief_jax.ief import checkpoints
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.io.files import InputError
from tests.helpers import dots


def written(folder: Path, weight: float, **changes: Any) -> str:
    """A checkpoint of one number."""
    folder.mkdir()
    configuration = dataclasses.replace(dots.CHECKPOINT.configuration, **changes)
    weights = {"network": {"params": {"a": np.full(3, weight)}}, "start": np.full((2, 2), weight)}
    checkpoints.write(folder / "model.npz", Checkpoint(configuration, weights))
    return str(folder)


def test_the_mean_is_written(tmp_path: Path) -> None:
    names = [written(tmp_path / str(weight), weight) for weight in (1.0, 2.0, 6.0)]
    output = tmp_path / "new" / "mean.npz"
    average.run(Average(tuple(names), output))
    found = checkpoints.load(output)
    # All but the calibration, which does not hold for the mean.
    assert found.configuration == dots.UNCALIBRATED.configuration
    assert {leaf.shape for leaf in jax.tree.leaves(found.weights)} == {(3,), (2, 2)}
    for leaf in jax.tree.leaves(found.weights):
        np.testing.assert_array_equal(leaf, 3.0)
    with np.load(output) as file:
        assert file["start"].dtype == np.float16


def test_others_are_named(tmp_path: Path) -> None:
    first = written(tmp_path / "first", 1.0)
    other = written(tmp_path / "other", 1.0, size=20, calibration=())
    with pytest.raises(InputError, match="other: its size is 20, not"):
        average.run(Average((first, other), tmp_path / "mean.npz"))
    with pytest.raises(InputError, match="no checkpoint to average"):
        average.run(Average((), tmp_path / "mean.npz"))
    assert not (tmp_path / "mean.npz").exists()
