"""Trained scale selectors: the shipped one, or written by `train.py scale`."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ief_jax.ief.scale_selector import networks
from ief_jax.ief.scale_selector.config import ScaleSelectorConfig
from ief_jax.ief.scale_selector.networks import NETWORKS
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import Weights
from ief_jax.io.files import InputError

FORMAT = "ief_jax-scale-1"


class Selector(NamedTuple):
    """A trained scale selector."""

    configuration: ScaleSelectorConfig
    weights: Weights


def load(name: str | Path = "released") -> Selector:
    """The shipped selector, or one that `train.py scale` wrote.

    Args:
      name: `released`; or a folder that holds `model.npz`; or such a file.

    Raises:
      InputError: there is none, it is truncated, or is no scale selector.
    """
    return checkpoint_files.load(name, {"released": "scale.npz"}, read)


def read(path: Path) -> Selector:
    """Reads one file; raises `InputError` as `load` does."""
    configuration, weights = checkpoint_files.read(
        path, FORMAT, "a scale selector", ScaleSelectorConfig
    )
    if configuration.network not in NETWORKS:
        raise InputError(f"{path}: field 'configuration': no network '{configuration.network}'")
    expected = jax.eval_shape(partial(networks.initial_weights, configuration), jax.random.key(0))
    checkpoint_files.check_weights(weights, expected, str(path))
    return Selector(configuration, weights)


def write(path: Path, selector: Selector, dtype: Any = np.float32) -> None:
    """Writes a selector whole or not at all; raises `OutputError` if it cannot be written."""
    values = selector.configuration.to_dict()
    checkpoint_files.write(path, FORMAT, values, selector.weights, dtype)
