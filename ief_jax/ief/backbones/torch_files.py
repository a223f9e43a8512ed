"""Tensors in the files that `torch.save` writes, read without PyTorch.

Since PyTorch 1.6 such a file is a zip archive: `data.pkl` describes the tensors, and `data/KEY`
holds the numbers of each storage that they are views of. Before, it was a row of pickles with the
storages' numbers at the end. A pickle can name code to run; here it can only describe tensors.
"""

import io
import math
import os
import pickle
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from ief_jax.io import files
from ief_jax.io.safe_pickle import Record, SafePickleError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
_ALLOWED = frozenset(
    {
        "collections.OrderedDict",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.Size",
    }
    | {f"torch.{name}" for name in _DTYPES}
)


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The state dict in a file of `torch.save`: tensors by name, as they are, float32 or not.

    Raises:
      InputError: the file cannot be read, is damaged, names code to run, or holds something else
        than a state dict.
    """
    data = files.read_bytes(path)
    try:
        return _zipped(data) if zipfile.is_zipfile(io.BytesIO(data)) else _legacy(data)
    except (SafePickleError, _Problem) as error:
        raise files.InputError(f"{path}: {error}") from error
    except Exception as error:  # a damaged file can fail anywhere, in pickle or zipfile
        raise files.InputError(
            f"{path}: not a state dict of torch.save ({type(error).__name__}: {error})"
        ) from error


class _Problem(ValueError):
    """What is wrong with a file; `load` adds which file."""


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    size: int


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Record]:
        origin = f"{module}.{name}"
        if origin not in _ALLOWED:
            raise SafePickleError(
                f"it asks for '{origin}', which no state dict needs; it may be hostile, and "
                "nothing of it was run"
            )
        return type("Record", (Record,), {"origin": origin})

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _location, size, *view = pid
        if kind != "storage" or any(view):
            raise _Problem("a tensor without a storage of its own")
        dtype = _DTYPES[storage.origin.removeprefix("torch.")]
        self.storages[key] = _Storage(key, dtype, size)
        return self.storages[key]


def _zipped(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        described = [name for name in names if name.split("/")[1:] == ["data.pkl"]]
        if len(described) != 1:
            raise _Problem("a zip archive, but not one of torch.save")
        folder = described[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise _Problem("the numbers are big-endian, expected little-endian")
        content = _Unpickler(io.BytesIO(archive.read(described[0]))).load()
        read: dict[str, bytes] = {}

        def numbers(storage: _Storage) -> np.ndarray:
            if storage.key not in read:
                read[storage.key] = archive.read(f"{folder}data/{storage.key}")
            return np.frombuffer(read[storage.key], storage.dtype)

        return _tensors(content, numbers)


def _legacy(data: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(data)
    if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _PROTOCOL:
        raise _Problem("not a file of torch.save")
    if not _Unpickler(file).load()["little_endian"]:
        raise _Problem("the numbers are big-endian, expected little-endian")
    described = _Unpickler(file)
    content = described.load()
    keys = _Unpickler(file).load()
    read: dict[str, bytes] = {}
    for key in keys:
        storage = described.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.size:
            raise _Problem(f"storage {key} is not of the size that its tensors say")
        read[key] = file.read(storage.size * storage.dtype.itemsize)
    return _tensors(content, lambda storage: np.frombuffer(read[storage.key], storage.dtype))


def _tensors(content: Any, numbers: Callable[[_Storage], np.ndarray]) -> dict[str, np.ndarray]:
    if isinstance(content, Record) and content.origin == "collections.OrderedDict":
        content = content.items
    if not isinstance(content, dict):
        raise _Problem(f"it holds a {type(content).__name__}, expected a state dict")
    return {name: _tensor(name, value, numbers) for name, value in content.items()}


def _tensor(name: Any, value: Any, numbers: Callable[[_Storage], np.ndarray]) -> np.ndarray:
    if isinstance(value, Record) and value.origin == "torch._utils._rebuild_parameter":
        value = value.args[0]
    if not isinstance(value, Record) or value.origin != "torch._utils._rebuild_tensor_v2":
        raise _Problem(f"'{name}' is not a tensor; expected a state dict: tensors by name")
    storage, offset, shape, strides, *_ = value.args
    flat = numbers(storage)
    shape, strides = tuple(map(int, shape)), tuple(map(int, strides))
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if len(flat) != storage.size or offset < 0 or min(strides, default=0) < 0:
        raise _Problem(f"'{name}' does not fit its storage")
    if math.prod(shape) and (last >= len(flat) or math.prod(shape) > len(flat)):
        raise _Problem(f"'{name}' does not fit its storage")
    steps = tuple(stride * flat.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False).copy()
