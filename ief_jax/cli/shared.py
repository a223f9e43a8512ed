"""What the commands share."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from ief_jax.io import files
from ief_jax.io.files import OutputError

Files = Annotated[
    tuple[Path, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="FILE ...", help_behavior_hint="(one or more)"),
]
"""Several files or folders on a command line."""

MOST_KEPT = 2**29
"""Bytes of compiled programs; beyond, JAX deletes those that were used longest ago."""


def say(text: str) -> None:
    """A line on the error stream, beside whatever bar is there."""
    tqdm.write(text, file=sys.stderr)


def once(paths: Iterable[Path]) -> list[Path]:
    """The paths, each file or folder once, whatever it is called."""
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return list(found.values())


def counted(number: int, one: str, many: str) -> str:
    """\"1 person\", \"2 people\"."""
    return f"{number} {one if number == 1 else many}"


def keep_compilations() -> None:
    """Lets jax keep what it compiles, so that the next run starts at once."""
    import jax

    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ief_jax"
    try:
        files.output_folder(cache)
    except OutputError:
        return
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    jax.config.update("jax_compilation_cache_max_size", MOST_KEPT)
