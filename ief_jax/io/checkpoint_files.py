"""Trained weights in a file, with the configuration that they belong to.

The file is one npz: `format`, `configuration` (JSON text), and an array a weight, under the
weight's path in the parameter tree. Reading it runs no code from it.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from ief_jax.io.files import InputError, replacing
from ief_jax.io.json_config import JsonConfig

Weights = Mapping[str, Any]
"""A nested dict of float32 arrays."""


FILE_NAME = "model.npz"
"""What train.py calls the file in its folder."""

T = TypeVar("T")
C = TypeVar("C", bound=JsonConfig)


def load(name: str | Path, shipped: Mapping[str, str], reader: Callable[[Path], T]) -> T:
    """What a reader makes of a shipped file, or of one that `train.py` wrote.

    Args:
      name: a key of `shipped`; or a folder that holds `model.npz`; or such a file.
      shipped: names, and their files in the package's assets.
      reader: of one file.

    Raises:
      InputError: there is none.
    """
    if str(name) in shipped:
        source = resources.files("ief_jax") / "assets" / shipped[str(name)]
        with resources.as_file(source) as path:
            return reader(path)
    path = Path(name)
    path = path / FILE_NAME if path.is_dir() else path
    if not path.exists():
        raise InputError(
            f"{path}: no such checkpoint; expected {', '.join(shipped)}, "
            f"or a folder with {FILE_NAME} in it"
        )
    return reader(path)


def read(path: Path, kind: str, what: str, described: type[C]) -> tuple[C, Weights]:
    """Reads the configuration and the weights.

    Args:
      path: of the npz.
      kind: the `format` that it must have.
      what: that format in words, for messages.
      described: the class of the configuration.

    Raises:
      InputError: there is none, it is truncated, of another format, or not finite; its
        configuration lacks a field, or has another.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a checkpoint, or a truncated one: {error}") from error
    if str(arrays.pop("format", "")) != kind:
        raise InputError(f"{path}: field 'format' is not '{kind}': not a checkpoint of {what}")
    try:
        configuration = described.from_dict(json.loads(str(arrays.pop("configuration"))))
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: field 'configuration': {error}") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: weights '{name}' are not finite")
    flat = {name: jnp.asarray(array, jnp.float32) for name, array in arrays.items()}
    return configuration, traverse_util.unflatten_dict(flat, sep="/")


def write(
    path: Path, kind: str, configuration: dict[str, Any], weights: Weights, dtype: Any
) -> None:
    """Writes a checkpoint whole or not at all; float16 halves the file.

    Raises:
      OutputError: the file cannot be written.
    """
    flat = traverse_util.flatten_dict(weights, sep="/")
    arrays: dict[str, Any] = {name: np.asarray(array, dtype) for name, array in flat.items()}
    arrays["format"] = kind
    arrays["configuration"] = json.dumps(configuration)
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def check_weights(found: Weights, expected: Weights, source: str) -> None:
    """Sees that weights are those of a network.

    Args:
      found: the weights.
      expected: such weights, or their shapes (`jax.eval_shape`).
      source: where they come from, for messages.

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
