"""What a function depends on beyond its arguments, as one text: its code, and what it closes over.

Two functions of the same text do the same, in this process and in another, as far as they are pure
and read no global that changes.
"""

import dataclasses
import enum
import functools
import hashlib
import importlib.metadata
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy")
"""Their versions stand for their code."""
LARGEST = 2**26
"""Bytes of an array that is looked at: a program with a larger one is not worth keeping."""
_JITTED: Any = type(jax.jit(lambda: None))
_INNER = (types.CodeType, frozenset, tuple)
_PLAIN = (bool, int, float, complex, str, bytes, enum.Enum, np.dtype, np.generic)
_ROOT = Path(__file__).parent
_BESIDE = ("experiments", "data")
"""Packages of this project beside its own, that import one another."""


class UnknownError(TypeError):
    """Something is closed over that may differ in ways that are not known here."""


def described(function: Any) -> str:
    """The text of a function, or of any value that functions close over.

    Raises:
      UnknownError: it has, somewhere, a value of a kind that is not known, an array of more than
        `LARGEST` bytes, or code of a package whose source is not found.
    """
    packages: set[str] = set()
    text = hashlib.sha256()
    for part in _parts(function, packages, ()):
        text.update(f"{part}\n".encode())
    return f"{text.hexdigest()} {source(frozenset(packages))}"


def _parts(value: Any, packages: set[str], within: tuple[int, ...]) -> Iterator[str]:
    """What tells a value apart, that is `within` others; notes in `packages` whose code it runs."""
    if value is None or value is ... or isinstance(value, _PLAIN):
        yield f"{type(value).__qualname__} {value!r}"
        return
    if id(value) in within:  # a function that calls itself
        yield f"the one at {within.index(id(value))}"
        return
    yield _named(type(value), packages)
    if isinstance(value, np.ndarray | jax.Array):
        if value.nbytes > LARGEST:
            raise UnknownError(f"an array of {value.nbytes} bytes")
        array = np.ascontiguousarray(value)
        yield f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
        return
    if isinstance(value, type | types.BuiltinFunctionType | np.ufunc):
        yield _named(value, packages)
        return
    for inner in _inside(value, packages):
        yield from _parts(inner, packages, (*within, id(value)))


def _inside(value: Any, packages: set[str]) -> list[Any]:
    """The values that a value is made of."""
    if isinstance(value, types.FunctionType):
        cells = [_content(cell) for cell in value.__closure__ or ()]
        name, code = _named(value, packages), value.__code__
        # Two of a line are told apart by what they do.
        constants = [one for one in code.co_consts if not isinstance(one, _INNER)]
        does = [code.co_firstlineno, code.co_code, code.co_names, constants]
        return [name, does, value.__defaults__, value.__kwdefaults__, *cells]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, jax.sharding.Mesh):
        return [value.axis_names, value.devices.shape, [d.device_kind for d in value.devices.flat]]
    if isinstance(value, jax.sharding.NamedSharding):
        return [value.mesh, repr(value.spec), value.memory_kind]
    if isinstance(value, Mapping):
        return [item for pair in value.items() for item in pair]
    if isinstance(value, tuple | list):
        return [len(value), *value]
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if dataclasses.is_dataclass(value):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, _JITTED):
        return [value.__wrapped__]
    raise UnknownError(f"{type(value)} is closed over")


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # not assigned yet


def _named(value: Any, packages: set[str]) -> str:
    module = value.__module__ if isinstance(getattr(value, "__module__", None), str) else "builtins"
    packages.add(module.partition(".")[0])
    return f"{module}.{getattr(value, '__qualname__', value.__name__)}"


@functools.cache
def source(packages: frozenset[str] = frozenset()) -> str:
    """Hash of the source of this package, of those that are named, and of the libraries' versions.

    Raises:
      UnknownError: a package's source is not found.
    """
    others = packages - {"ief_jax", *LIBRARIES, *sys.stdlib_module_names}
    if others & set(_BESIDE):
        others |= {name for name in _BESIDE if (_ROOT.parent / name).is_dir()}
    parts = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    for root in (_ROOT, *(_folder(name) for name in sorted(others))):
        for path in sorted(root.rglob("*.py")):
            text = hashlib.sha256(path.read_bytes()).hexdigest()
            parts.append(f"{root.name}/{path.relative_to(root).as_posix()} {text}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _folder(package: str) -> Path:
    if package in _BESIDE and (_ROOT.parent / package).is_dir():
        return _ROOT.parent / package
    file = getattr(sys.modules.get(package), "__file__", None)
    if file is None or Path(file).name != "__init__.py" or "site-packages" in file:
        raise UnknownError(f"code of {package}")
    return Path(file).parent
