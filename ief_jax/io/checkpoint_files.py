"""Trained weights in a file, with the configuration that they belong to.

The file is one npz: `format`, `configuration` (JSON text), and an array a weight, under the
weight's path in the parameter tree. Reading it runs no code from it.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import jax
import numpy as np

from ief_jax.io import npz
from ief_jax.io.files import InputError, replacing
from ief_jax.io.json_config import JsonConfig

Weights = Mapping[str, Any]
"""A nested dict of float32 arrays."""

FILE_NAME = "model.npz"
"""What train.py calls the file in its folder."""

Config = TypeVar("Config", bound=JsonConfig)


def checksum(numbers: Any) -> int:
    """CRC-32 of all numbers of a tree of arrays."""
    total = 0
    for leaf in jax.tree.leaves(numbers):
        total = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), total)
    return total


class Trained(Protocol):
    """What a checkpoint is: a configuration, and the weights that go with it."""

    @property
    def configuration(self) -> JsonConfig:
        """How it is run."""

    @property
    def weights(self) -> Weights:
        """What was trained."""


Checkpoint = TypeVar("Checkpoint", bound=Trained)


def _nothing(_checkpoint: object, _source: str) -> None:
    """Checks nothing."""


@dataclass(frozen=True)
class CheckpointFormat(Generic[Config, Checkpoint]):
    """Checkpoints of one kind of network.

    Attributes:
      name: the `format` that its files have.
      words: the kind in words, for messages.
      config: the class of the configuration.
      checkpoint: makes a checkpoint of configuration and weights.
      shipped: names of those shipped, and their files in the package's assets.
      check: further sees that a checkpoint just read makes sense; told also where it comes from,
        for its `InputError`.
    """

    name: str
    words: str
    config: type[Config]
    checkpoint: Callable[[Config, Weights], Checkpoint]
    shipped: Mapping[str, str]
    check: Callable[[Checkpoint, str], None] = _nothing

    def load(self, name: str | Path) -> Checkpoint:
        """Loads a shipped checkpoint by name, or one that `train.py` wrote.

        Args:
          name: of a shipped one; or a folder that holds `model.npz`; or such a file.

        Raises:
          InputError: there is none, or it is not what `read` expects.
        """
        with self._file(name) as path:
            return self.read(path)

    @contextmanager
    def _file(self, name: str | Path) -> Iterator[Path]:
        """The file of a checkpoint, which `load` names."""
        if str(name) in self.shipped:
            source = resources.files("ief_jax") / "assets" / self.shipped[str(name)]
            with resources.as_file(source) as path:
                yield path
            return
        path = Path(name)
        path = path / FILE_NAME if path.is_dir() else path
        if not path.exists():
            raise InputError(
                f"{path}: no such checkpoint; expected {', '.join(self.shipped)}, "
                f"or a folder with {FILE_NAME} in it"
            )
        yield path

    def read(self, path: Path) -> Checkpoint:
        """Reads one checkpoint file.

        Raises:
          InputError: there is none, it is truncated, of another format, or not finite; its
            configuration lacks a field, has another, or one that makes no sense.
        """
        arrays = npz.read(path, what="a checkpoint, or a truncated one")
        if str(arrays.pop("format", "")) != self.name:
            raise InputError(
                f"{path}: field 'format' is not '{self.name}': not a checkpoint of {self.words}"
            )
        try:
            configuration = self.config.from_dict(json.loads(str(arrays.pop("configuration"))))
        except KeyError as error:
            raise InputError(f"{path}: has no field 'configuration'") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: field 'configuration': {error}") from error
        checkpoint = self.checkpoint(configuration, _tree(path, arrays))
        self.check(checkpoint, str(path))
        return checkpoint

    def write(self, path: Path, checkpoint: Checkpoint, dtype: Any = np.float32) -> None:
        """Writes a checkpoint whole or not at all; float16 halves the file.

        Raises:
          OutputError: the file cannot be written.
        """
        flat = _flat(checkpoint.weights)
        arrays: dict[str, Any] = {name: np.asarray(array, dtype) for name, array in flat.items()}
        arrays["format"] = self.name
        arrays["configuration"] = json.dumps(checkpoint.configuration.to_dict())
        with replacing(path) as file:
            np.savez_compressed(file, **arrays)

    def reconfigure(
        self, name: str | Path, configuration: Config, target: Path | None = None
    ) -> Path:
        """Writes a checkpoint again with another configuration; its weights stay, bit for bit.

        Args:
          name: of the checkpoint, as for `load`.
          configuration: the new one.
          target: the file to write; the checkpoint's own by default.

        Returns:
          The file that was written.

        Raises:
          InputError: there is no such checkpoint, or it is not what `read` expects.
          OutputError: the file cannot be written.
        """
        with self._file(name) as source:
            arrays = npz.read(source, what="a checkpoint, or a truncated one")
            target = source if target is None else target
            arrays["configuration"] = np.array(json.dumps(configuration.to_dict()))
            with replacing(target) as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return target


def shapes(initial_weights: Callable[[jax.Array], Weights], source: str) -> Weights:
    """The shapes of a network's weights, without making them.

    Args:
      initial_weights: the network's, from a random key.
      source: of the network's configuration, for messages.

    Raises:
      InputError: there is no such network.
    """
    try:
        return jax.eval_shape(lambda: initial_weights(jax.random.key(0)))
    except Exception as error:  # flax and JAX have their own
        raise InputError(f"{source}: the configuration is of no network: {error}") from error


def check_weights(found: Weights, expected: Weights, source: str) -> None:
    """Sees that weights are those of a network.

    Args:
      found: the weights.
      expected: such weights, or their shapes (`shapes`).
      source: where they come from, for messages.

    Raises:
      InputError: names what is missing, unknown or of another shape.
    """
    have = {k: v.shape for k, v in _flat(found).items()}
    want = {k: v.shape for k, v in _flat(expected).items()}
    wrong = [f"'{k}' is missing" for k in want.keys() - have.keys()]
    wrong += [f"'{k}' is unknown" for k in have.keys() - want.keys()]
    wrong += [
        f"'{k}' has shape {have[k]}, expected {want[k]}"
        for k in have.keys() & want.keys()
        if have[k] != want[k]
    ]
    if wrong:
        raise InputError(f"{source}: weights of another configuration: {'; '.join(sorted(wrong))}")


def _tree(path: Path, arrays: Mapping[str, np.ndarray]) -> Weights:
    """The weights of a file, from arrays by the weights' paths."""
    flat = {}
    for name, array in arrays.items():
        npz.require_finite(path, name, array, "weights")
        with np.errstate(over="ignore"):
            narrow = array.astype(np.float32)
        npz.require_finite(path, name, narrow, "weights")
        # Without a program to compile, which jnp.asarray has.
        flat[name] = jax.device_put(narrow)
        *above, _ = name.split("/")
        for depth in range(1, len(above) + 1):
            if "/".join(above[:depth]) in arrays:
                raise InputError(f"{path}: weights '{name}' are below others")
    return _nested(flat)


def _nested(flat: Mapping[str, jax.Array]) -> Weights:
    """As flax's `unflatten_dict`, which takes longer to import than a fit does."""
    tree: dict[str, Any] = {}
    for name, array in flat.items():
        *above, last = name.split("/")
        branch = tree
        for key in above:
            branch = branch.setdefault(key, {})
        branch[last] = array
    return tree


def _flat(weights: Weights) -> dict[str, Any]:
    """Arrays by their paths."""
    from flax import traverse_util

    flat: dict[str, Any] = traverse_util.flatten_dict(weights, sep="/")
    return flat
