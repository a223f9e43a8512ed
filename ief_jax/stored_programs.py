"""Programs that are kept between processes as JAX exports them: traced and lowered once.

JAX's compilation cache keeps what XLA makes of a program, but finds it by the program, which every
process has to make again; for a fit that takes longer than all else. Where that cache is on
(`jax_compilation_cache_dir`), functions here keep the program too, in its folder: below the hash of
all that the program depends on, which is this package's source, the versions of the packages under
it, the function, its static arguments, and the shapes, dtypes and structure of the others. A file
that is cut off or damaged is made again.
"""

import functools
import hashlib
import importlib.metadata
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np
from jax import export

from ief_jax import compiling
from ief_jax.io import files
from ief_jax.io.files import OutputError

P = ParamSpec("P")
Result = TypeVar("Result")
Kind = TypeVar("Kind")

_PACKAGES = ("jax", "jaxlib", "flax", "numpy")
_DIGEST = hashlib.sha256().digest_size


def jit(
    function: Callable[P, Result],
    options: dict[str, Any],
    static_argnums: tuple[int, ...] = (),
) -> Callable[P, Result]:
    """As `compiling.jit`, on the CPU with programs that are kept where JAX's cache is on.

    Args:
      function: of this package, pure, of positional arguments; named tuples in its result are
        `writable`. What it closes over is not looked at: all that may differ is an argument.
      options: as `compiling.jit` has them.
      static_argnums: those that come first; their `repr` tells them apart, as those of numbers,
        strings and dataclasses of such do.
    """
    compiled = compiling.jit(function, options, static_argnums)
    programs: dict[Hashable, Callable[..., Result]] = {}

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        folder = _folder()
        static, arrays = args[: len(static_argnums)], args[len(static_argnums) :]
        leaves, structure = jax.tree.flatten(arrays)
        if folder is None or kwargs or not all(map(_is_plain, leaves)):
            return compiled(*args, **kwargs)
        if jax.default_backend() != "cpu" or compiling.within_another(leaves):
            return compiled(*args, **kwargs)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        key = (static, structure, shapes)
        if key not in programs:

            def of_leaves(*leaves: jax.Array) -> Result:
                return function(*static, *jax.tree.unflatten(structure, leaves))  # type: ignore[call-arg, arg-type]

            what = (function.__module__, function.__qualname__, static, structure, shapes, options)
            path = folder / f"program-{_hash(repr((what, _surroundings())))}"
            programs[key] = compiling.jit(_program(path, of_leaves, leaves).call, options)
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
    except OutputError:
        pass  # as JAX goes on where it cannot write what it compiled
    return program


def _read(path: Path) -> bytearray | None:
    """The content of a file, if it is there and whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        return None
    return bytearray(content[_DIGEST:])


def _surroundings() -> tuple[Any, ...]:
    """What a program depends on beyond its function and arguments."""
    settings = ("jax_enable_x64", "jax_default_matmul_precision")
    return _source(), *(jax.config.values[name] for name in settings)


@functools.cache
def _source() -> str:
    """Hash of this package's source and of the versions of those under it."""
    root = Path(__file__).parent
    parts = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    for path in sorted(root.rglob("*.py")):
        parts.append(f"{path.relative_to(root).as_posix()} {_hash(path.read_text('utf-8'))}")
    return _hash("\n".join(parts))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
