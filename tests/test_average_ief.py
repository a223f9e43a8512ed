"""The mean of checkpoints, and what cannot be averaged."""

import dataclasses
from pathlib import Path

import dots
import jax
import numpy as np
import pytest

from commands import average_ief
from ief_jax import keypoint_checkpoints
from ief_jax.files import InputError
from ief_jax.keypoint_checkpoints import Checkpoint


def written(folder: Path, weight: float, **changes: object) -> str:
    """A checkpoint of one number."""
    folder.mkdir()
    configuration = dataclasses.replace(dots.CHECKPOINT.configuration, **changes)
    weights = {"network": {"params": {"a": np.full(3, weight)}}, "start": np.full((2, 2), weight)}
    keypoint_checkpoints.write(folder / "model.npz", Checkpoint(configuration, weights))
    return str(folder)


def test_the_mean_is_written(tmp_path: Path) -> None:
    names = [written(tmp_path / str(weight), weight) for weight in (1.0, 2.0, 6.0)]
    output = tmp_path / "new" / "mean.npz"
    average_ief.average(average_ief.Arguments(tuple(names), output))
    found = keypoint_checkpoints.load(output)
    assert found.configuration == dots.CHECKPOINT.configuration
    assert {leaf.shape for leaf in jax.tree.leaves(found.weights)} == {(3,), (2, 2)}
    for leaf in jax.tree.leaves(found.weights):
        np.testing.assert_array_equal(leaf, 3.0)
    with np.load(output) as file:
        assert file["start"].dtype == np.float16


def test_others_are_named(tmp_path: Path) -> None:
    first = written(tmp_path / "first", 1.0)
    other = written(tmp_path / "other", 1.0, size=20)
    with pytest.raises(InputError, match="other: its size is 20, not"):
        average_ief.average(average_ief.Arguments((first, other), tmp_path / "mean.npz"))
    with pytest.raises(InputError, match="no checkpoint to average"):
        average_ief.average(average_ief.Arguments((), tmp_path / "mean.npz"))
    assert not (tmp_path / "mean.npz").exists()
