"""Programs that are kept between processes as JAX exports them: traced and lowered once.

JAX's compilation cache keeps what XLA makes of a program, but finds it by the program, which every
process has to make again; for a fit that takes longer than all else. Where that cache is on
(`jax_compilation_cache_dir`), functions here keep the program too, in its folder: below the hash of
all that the program depends on, which is this package's source, the versions of the packages under
it, the function, what it closes over, its static arguments, and the shapes, dtypes and structure of
the others. A file that is cut off or damaged is made again.
"""

import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np
from jax import export

from ief_jax import closures, compiling
from ief_jax.io import files
from ief_jax.io.files import OutputError

P = ParamSpec("P")
Result = TypeVar("Result")
Kind = TypeVar("Kind")

MOST_KEPT = 2**29
"""Bytes of programs in a folder. One has a few megabytes, and those of the arrays in it."""
_PREFIX = "program-"
_DIGEST = hashlib.sha256().digest_size


def jit(
    function: Callable[P, Result],
    options: dict[str, Any],
    static_argnums: tuple[int, ...] = (),
    donate_argnums: tuple[int, ...] = (),
) -> Callable[P, Result]:
    """As `compiling.jit`, on the CPU with programs that are kept where JAX's cache is on.

    Args:
      function: pure, of positional arguments; named tuples in its result are `writable`. If it
        closes over something that `closures.described` does not know, its programs are not kept.
      options: as `compiling.jit` has them.
      static_argnums: those that come first; their `repr` tells them apart, as those of numbers,
        strings and dataclasses of such do.
      donate_argnums: as `jax.jit` has them.
    """
    compiled = compiling.jit(function, options, static_argnums, donate_argnums)
    programs: dict[Hashable, Callable[..., Result]] = {}
    lock = threading.Lock()
    known = functools.cache(lambda: _described(function))

    def made(
        folder: Path, args: tuple[Any, ...], leaves: list[Any], structure: Any, what: Any
    ) -> Callable[..., Result]:
        static = args[: len(static_argnums)]

        def of_leaves(*leaves: jax.Array) -> Result:
            return function(*static, *jax.tree.unflatten(structure, leaves))  # type: ignore[call-arg]

        path = folder / f"{_PREFIX}{_hash(repr((what, _surroundings())))}"
        counts = [len(jax.tree.leaves(argument)) for argument in args]
        given_up = [
            place - sum(counts[: len(static)])
            for number in donate_argnums
            for place in range(sum(counts[:number]), sum(counts[: number + 1]))
        ]
        program = _program(path, of_leaves, leaves)
        return compiling.jit(program.call, options, donate_argnums=tuple(given_up))

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        folder = _folder()
        static, arrays = args[: len(static_argnums)], args[len(static_argnums) :]
        leaves, structure = jax.tree.flatten(arrays)
        if folder is None or kwargs or not all(map(_is_plain, leaves)):
            return compiled(*args, **kwargs)
        if not compiling.runs_on_cpu(leaves) or known() is None:
            return compiled(*args, **kwargs)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        key = (static, structure, shapes)
        with lock:  # of several threads one makes it, and the others wait
            if key not in programs:
                what = (known(), *key, options)
                programs[key] = made(folder, args, leaves, structure, what)
        return programs[key](*leaves)

    return call


def writable(kind: type[Kind]) -> type[Kind]:
    """Lets kept programs have results of a kind of named tuple, which is decorated by it."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    return export.register_namedtuple_serialization(kind, serialized_name=name)


def _folder() -> Path | None:
    """Where JAX keeps what it compiles, if it does."""
    settings = jax.config.values
    folder = settings["jax_compilation_cache_dir"]
    return Path(folder) if folder and settings["jax_enable_compilation_cache"] else None


def _is_plain(leaf: Any) -> bool:
    """Whether it is an array of one device, of no uncertain dtype."""
    if isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer):
        return len(leaf.devices()) == 1 and not leaf.aval.weak_type
    return isinstance(leaf, np.ndarray | np.generic)


def _program(
    path: Path, function: Callable[..., Any], leaves: list[jax.Array | np.ndarray]
) -> export.Exported:
    """The program of a file, or of a function of leaves, which is then kept."""
    kept = _read(path)
    if kept is not None:
        return export.deserialize(kept)
    shapes = [
        jax.ShapeDtypeStruct(leaf.shape, jax.dtypes.canonicalize_dtype(leaf.dtype))
        for leaf in leaves
    ]
    program = export.export(jax.jit(function))(*shapes)
    content = bytes(program.serialize())
    try:
        files.output_folder(path.parent)
        with files.replacing(path) as file:
            file.write(hashlib.sha256(content).digest() + content)
        _forget(path.parent)
    except OutputError:
        pass  # as JAX goes on where it cannot write what it compiled
    return program


def _forget(folder: Path) -> None:
    """Deletes the programs beyond `MOST_KEPT` that were used longest ago."""
    with contextlib.suppress(OSError):  # another process deletes too
        found = [(path.stat(), path) for path in folder.glob(f"{_PREFIX}*")]
        kept = 0
        for state, path in sorted(found, key=lambda one: one[0].st_mtime, reverse=True):
            kept += state.st_size
            if kept > MOST_KEPT:
                path.unlink()


def _read(path: Path) -> bytearray | None:
    """The content of a file, if it is there and whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it was used now
    if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        return None
    return bytearray(content[_DIGEST:])


def _surroundings() -> tuple[Any, ...]:
    """What a program depends on beyond its function and arguments."""
    settings = ("jax_enable_x64", "jax_default_matmul_precision")
    return tuple(jax.config.values[name] for name in settings)


def _described(function: Callable[..., Any]) -> str | None:
    """The function, with its code and what it closes over; None where that is not known."""
    try:
        return closures.described(function)
    except closures.UnknownError:
        return None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
