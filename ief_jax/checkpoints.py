"""Trained networks in files: weights and the configuration that they belong to.

A checkpoint is one npz: `configuration` (JSON text), `format`, and an array a weight, under the
weight's path in the parameter tree. Reading it runs no code from it.
"""

import json
import zipfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from ief_jax.configurations import Configuration
from ief_jax.files import InputError, replacing

FORMAT = "ief_jax-lgd-1"
FILE_NAME = "model.npz"
SHIPPED = ("released", "paper", "lifting")

Weights = Mapping[str, Any]


class Checkpoint(NamedTuple):
    """A trained fitter: its configuration and weights (a nested dict of float32 arrays)."""

    configuration: Configuration
    weights: Weights


def load(name: str | Path) -> Checkpoint:
    """Loads a shipped checkpoint by name, or one that `train.py` wrote.

    Args:
      name: `released`, `paper`, `lifting`; or a folder that holds `model.npz`; or such a file.

    Raises:
      InputError: there is none, it is truncated, or is no checkpoint of this package.
    """
    if str(name) in SHIPPED:
        source = resources.files("ief_jax") / "assets" / f"{name}.npz"
        with resources.as_file(source) as path:
            return read(path)
    path = Path(name)
    return read(path / FILE_NAME if path.is_dir() else path)


def read(path: Path) -> Checkpoint:
    """Reads one checkpoint file; raises `InputError` as `load` does."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such checkpoint; expected one of {', '.join(SHIPPED)}, "
            f"or a folder with {FILE_NAME} in it"
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a checkpoint, or a truncated one: {error}") from error
    if str(arrays.pop("format", "")) != FORMAT:
        raise InputError(f"{path}: field 'format' is not '{FORMAT}': not a checkpoint of LGD")
    try:
        configuration = Configuration.from_dict(json.loads(str(arrays.pop("configuration"))))
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: field 'configuration': {error}") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: weights '{name}' are not finite")
    flat = {name: jnp.asarray(array, jnp.float32) for name, array in arrays.items()}
    return Checkpoint(configuration, traverse_util.unflatten_dict(flat, sep="/"))


def write(path: Path, checkpoint: Checkpoint, dtype: Any = np.float32) -> None:
    """Writes a checkpoint whole or not at all.

    Args:
      path: of the npz.
      checkpoint: what to write.
      dtype: of the weights in the file; float16 halves it.

    Raises:
      OutputError: the file cannot be written.
    """
    flat = traverse_util.flatten_dict(checkpoint.weights, sep="/")
    arrays: dict[str, Any] = {name: np.asarray(array, dtype) for name, array in flat.items()}
    arrays["format"] = FORMAT
    arrays["configuration"] = json.dumps(checkpoint.configuration.to_dict())
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def check_weights(found: Weights, expected: Weights, source: str) -> None:
    """Sees that weights are those of a network.

    Raises:
      InputError: names what is missing, unknown or of another shape.
    """
    have = {k: v.shape for k, v in traverse_util.flatten_dict(found, sep="/").items()}
    want = {k: v.shape for k, v in traverse_util.flatten_dict(expected, sep="/").items()}
    wrong = [f"'{k}' is missing" for k in want.keys() - have.keys()]
    wrong += [f"'{k}' is unknown" for k in have.keys() - want.keys()]
    wrong += [
        f"'{k}' has shape {have[k]}, expected {want[k]}"
        for k in have.keys() & want.keys()
        if have[k] != want[k]
    ]
    if wrong:
        raise InputError(f"{source}: weights of another configuration: {'; '.join(sorted(wrong))}")
