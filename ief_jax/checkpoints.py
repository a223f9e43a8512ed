"""Trained networks of LGD: shipped by name, or written by `train.py lgd`."""

from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ief_jax import weight_files
from ief_jax.configurations import Configuration
from ief_jax.files import InputError
from ief_jax.weight_files import Weights

FORMAT = "ief_jax-lgd-1"
FILE_NAME = "model.npz"
SHIPPED = ("released", "paper", "lifting")


class Checkpoint(NamedTuple):
    """A trained fitter: its configuration and weights (a nested dict of float32 arrays)."""

    configuration: Configuration
    weights: Weights


def load(name: str | Path) -> Checkpoint:
    """Loads a shipped checkpoint by name, or one that `train.py lgd` wrote.

    Args:
      name: `released`, `paper`, `lifting`; or a folder that holds `model.npz`; or such a file.

    Raises:
      InputError: there is none, it is truncated, or is no checkpoint of LGD.
    """
    if str(name) in SHIPPED:
        source = resources.files("ief_jax") / "assets" / f"{name}.npz"
        with resources.as_file(source) as path:
            return read(path)
    path = Path(name)
    path = path / FILE_NAME if path.is_dir() else path
    if not path.exists():
        raise InputError(
            f"{path}: no such checkpoint; expected one of {', '.join(SHIPPED)}, "
            f"or a folder with {FILE_NAME} in it"
        )
    return read(path)


def read(path: Path) -> Checkpoint:
    """Reads one checkpoint file; raises `InputError` as `load` does."""
    values, weights = weight_files.read(path, FORMAT, "LGD")
    try:
        return Checkpoint(Configuration.from_dict(values), weights)
    except ValueError as error:
        raise InputError(f"{path}: field 'configuration': {error}") from error


def write(path: Path, checkpoint: Checkpoint, dtype: Any = np.float32) -> None:
    """Writes a checkpoint as `weight_files.write` does."""
    weight_files.write(path, FORMAT, checkpoint.configuration.to_dict(), checkpoint.weights, dtype)
