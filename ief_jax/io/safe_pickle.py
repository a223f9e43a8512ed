"""Reads numeric data from pickles without running anything that they name.

A pickle is a program: it names importable objects and calls them. Here, a name on the allow-list
yields a `Record` class that only remembers its arguments and state, and every other name is an
error, so that no object but plain containers and records is ever built. `array` then reads the
records of NumPy arrays, SciPy sparse matrices and chumpy expressions as numbers.
"""

import io
import math
import pickle
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ief_jax.io import pickle_limits

if TYPE_CHECKING:
    import scipy.sparse


class SafePickleError(ValueError):
    """A pickle that names something it should not, or whose contents make no sense."""


class Record:
    """An object as a pickle describes it.

    Attributes:
      origin: the name that the pickle asked for, such as "numpy.core.multiarray._reconstruct".
      args: what it would be called with.
      state: what it would be restored from.
      items: what it would be filled with, if it were a mapping.
    """

    origin: ClassVar[str] = ""
    args: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]

    def __new__(cls, *args: Any, **_kwargs: Any) -> "Record":
        record = object.__new__(cls)
        record.args, record.state, record.items = args, None, {}
        return record

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value


def load(data: bytes) -> object:
    """The contents of a pickle of any protocol, of Python 2 or 3.

    Returns:
      Plain containers, numbers and text, with a `Record` for each other object.

    Raises:
      SafePickleError: the pickle is damaged, would build too much, or names something that is not
        on the allow-list.
    """
    try:
        pickle_limits.check(data)
        content = _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except SafePickleError:
        raise
    except pickle_limits.LimitError as error:
        raise SafePickleError(f"{error}; no such file needs that, it may be hostile") from error
    except Exception as error:  # a damaged pickle can fail in any operation
        raise SafePickleError(f"not a complete pickle ({error or type(error).__name__})") from error
    if isinstance(content, Record) and content.origin.endswith(".OrderedDict"):
        return _ordered(content)
    return content


def array(value: object) -> np.ndarray:
    """The numbers (or text) that a value of a loaded pickle stands for.

    Args:
      value: a number, a nested sequence of numbers, or the record of a NumPy array, a SciPy
        sparse matrix (made dense) or a chumpy `Ch`, `Select` or `Reshape`.

    Raises:
      SafePickleError: it is something else, or inconsistent.
    """
    try:
        return _array(value)
    except SafePickleError:
        raise
    except Exception as error:  # states are whatever the file says: wrong types, keys, sizes
        raise SafePickleError(f"a damaged array ({type(error).__name__}: {error})") from error


def sparse(value: object) -> "scipy.sparse.csr_matrix":
    """The numbers of a NumPy array or a SciPy sparse matrix, as a sparse matrix.

    Raises:
      SafePickleError: the value is something else, or inconsistent.
    """
    import scipy.sparse

    try:
        if isinstance(value, Record) and value.origin.startswith("scipy.sparse"):
            return _sparse(value.origin.rpartition(".")[2][:3], value.state).tocsr()
        return scipy.sparse.csr_matrix(_array(value))
    except SafePickleError:
        raise
    except Exception as error:
        raise SafePickleError(f"a damaged matrix ({type(error).__name__}: {error})") from error


def item(value: object) -> object:
    """The one object that NumPy put into an array without axes to pickle it (`np.savez(x={...})`).

    Raises:
      SafePickleError: the value is something else.
    """
    if isinstance(value, Record) and value.origin.endswith("multiarray._reconstruct"):
        state = value.state
        if isinstance(state, tuple) and len(state) == 5 and state[1] == ():
            content = state[4]
            if isinstance(content, list) and len(content) == 1:
                return content[0]
    raise SafePickleError("not one object in an array without axes")


_SPARSE = ("csc", "csr", "coo")
_ALLOWED = frozenset(
    {
        "numpy.ndarray",
        "numpy.dtype",
        "copy_reg._reconstructor",
        "copyreg._reconstructor",
        "__builtin__.object",
        "builtins.object",
        "__builtin__.set",
        "builtins.set",
        "__builtin__.bytes",
        "_codecs.encode",
        "collections.OrderedDict",
    }
    | {
        f"numpy.{core}.{name}"
        for core in ("core", "_core")
        for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
    }
    | {
        f"scipy.sparse.{private}{kind}.{kind}_{suffix}"
        for private in ("", "_")
        for kind in _SPARSE
        for suffix in ("matrix", "array")
    }
)
_CHUMPY = "chumpy."
_LARGEST_DENSE = 10**7
_DTYPE = re.compile(r"[<>=|]([biuf]\d|[SU]\d{1,4})")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Record]:
        origin = f"{module}.{name}"
        if origin not in _ALLOWED and not origin.startswith(_CHUMPY):
            raise SafePickleError(
                f"it asks for '{origin}', which no body model needs; it may be hostile, and "
                "nothing of it was run"
            )
        return type("Record", (Record,), {"origin": origin})


def _ordered(record: Record) -> dict[Any, Any]:
    pairs = record.args[0] if record.args else ()
    try:
        return {**dict(pairs), **record.items}
    except (TypeError, ValueError) as error:
        raise SafePickleError("a damaged OrderedDict") from error


def _array(value: object) -> np.ndarray:
    if not isinstance(value, Record):
        result = np.asarray(value)
        if result.dtype.kind not in "biufSU":
            raise SafePickleError(f"{type(value).__name__} is not an array of numbers")
        return result
    origin, state = value.origin, value.state
    if origin.endswith("._reconstructor"):  # protocols 0 and 1 name an object's class first
        origin = _origin(value.args[0])
    module, _, name = origin.rpartition(".")
    if name == "_reconstruct" and _origin(value.args[0]) == "numpy.ndarray":
        _version, shape, dtype, column_major, buffer = state
        flat = np.frombuffer(_bytes(buffer), _dtype(dtype))
        return flat.reshape(shape, order="F" if column_major else "C")
    if name == "_frombuffer":
        buffer, dtype, shape, order, *axes = value.args
        flat = np.frombuffer(_bytes(buffer), _dtype(dtype))
        if order == "K" and axes:
            return flat.reshape(shape).transpose(axes[0])
        return flat.reshape(shape, order=order)
    if name == "scalar" and module.startswith("numpy"):
        return np.frombuffer(_bytes(value.args[1]), _dtype(value.args[0])).reshape(())
    if module.startswith("scipy.sparse"):
        matrix = _sparse(name[:3], state)
        if math.prod(matrix.shape) > _LARGEST_DENSE:
            raise SafePickleError(f"a sparse matrix of shape {matrix.shape}")
        return matrix.toarray()
    if origin == "chumpy.ch.Ch":
        return _array(state["x"])
    if origin == "chumpy.reordering.Select":
        # a.ravel()[idxs], in the preferred shape where there is one
        picked = _array(state["a"]).ravel()[_array(state["idxs"])]
        shape = state.get("preferred_shape")
        return picked if shape is None else picked.reshape(_integers(shape))
    if origin == "chumpy.reordering.Reshape":
        return _array(state["a"]).reshape(_integers(state["newshape"]))
    raise SafePickleError(f"'{origin}' is not a known kind of array")


def _origin(value: object) -> str:
    return value.origin if isinstance(value, type) and issubclass(value, Record) else ""


def _dtype(value: object) -> np.dtype:
    if not isinstance(value, Record) or value.origin != "numpy.dtype":
        raise SafePickleError("an array without a dtype")
    code = (value.state[1] if value.state else "=") + value.args[0]
    if not _DTYPE.fullmatch(code):
        raise SafePickleError(f"an array of dtype '{code}', expected numbers")
    return np.dtype(code)


def _bytes(value: object) -> bytes | bytearray:
    if isinstance(value, bytes | bytearray):
        return value
    if isinstance(value, str):  # text of Python 2 is bytes
        return value.encode("latin1")
    if isinstance(value, Record) and value.origin == "_codecs.encode":
        return _bytes(value.args[0])
    if isinstance(value, Record) and value.origin == "__builtin__.bytes" and not value.args:
        return b""
    raise SafePickleError("an array whose data is not bytes")


def _sparse(
    kind: str, state: Mapping[str, object]
) -> "scipy.sparse.coo_matrix | scipy.sparse.csc_matrix | scipy.sparse.csr_matrix":
    import scipy.sparse

    shape = _integers(state["_shape"] if "_shape" in state else state["shape"])
    data = _array(state["data"])
    if len(shape) != 2:
        raise SafePickleError(f"a sparse matrix of shape {shape}")
    if kind == "coo":
        coordinates = state["coords"] if "coords" in state else (state["row"], state["col"])
        row, column = (_array(index) for index in coordinates)  # type: ignore[attr-defined]
        return scipy.sparse.coo_matrix((data, (row, column)), shape)
    build = {"csc": scipy.sparse.csc_matrix, "csr": scipy.sparse.csr_matrix}[kind]
    matrix = build((data, _array(state["indices"]), _array(state["indptr"])), shape)
    matrix.check_format(full_check=True)
    return matrix


def _integers(value: object) -> tuple[int, ...]:
    return tuple(int(entry) for entry in _array(value).ravel())
