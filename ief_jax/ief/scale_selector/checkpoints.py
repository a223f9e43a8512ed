"""Trained scale selectors: the shipped one, or written by `train.py scale`."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from ief_jax.ief.scale_selector import networks
from ief_jax.ief.scale_selector.config import ScaleSelectorConfig
from ief_jax.ief.scale_selector.networks import NETWORKS
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import CheckpointFormat, Weights
from ief_jax.io.files import InputError

FORMAT = "ief_jax-scale-1"
SHIPPED = {"released": "scale.npz"}
"""Names of the shipped selectors, and their files in the package's assets."""


class Selector(NamedTuple):
    """A trained scale selector."""

    configuration: ScaleSelectorConfig
    weights: Weights


def check(selector: Selector, source: str) -> None:
    """Sees that a selector's weights are those of its configuration's network.

    Args:
      selector: to be checked.
      source: where it comes from, for messages.

    Raises:
      InputError: there is no such network; or names what is missing, unknown or of another shape.
    """
    configuration = selector.configuration
    if configuration.network not in NETWORKS:
        raise InputError(f"{source}: field 'configuration': no network '{configuration.network}'")
    initial = partial(networks.initial_weights, configuration)
    expected = checkpoint_files.shapes(initial, source)
    checkpoint_files.check_weights(selector.weights, expected, source)


_FORMAT = CheckpointFormat(
    FORMAT, "a scale selector", ScaleSelectorConfig, Selector, SHIPPED, check
)
read, write = _FORMAT.read, _FORMAT.write


def load(name: str | Path = "released") -> Selector:
    """The shipped selector, or one that `train.py scale` wrote, as `CheckpointFormat.load`."""
    return _FORMAT.load(name)
