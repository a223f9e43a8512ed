"""What the commands check of their arguments before the work begins."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from ief_jax.io.files import InputError, output_folder
from ief_jax.training import mesh as training_mesh

FIGURE_FORMATS = (".png", ".pdf", ".svg")


def at_least(arguments: Any, least: Mapping[str, float]) -> None:
    """Sees that numbers, where they are given, are as large as they must be.

    Raises:
      InputError: names the first that is not.
    """
    for name, smallest in least.items():
        value = getattr(arguments, name)
        if value is not None and not value >= smallest:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is {value}, expected {smallest} or more")


def outputs(json: Path | None, figure: Path | None = None, report: Path | None = None) -> None:
    """Sees that results can be written: better now than after minutes of work.

    Raises:
      InputError: the figure is of no known format.
      OutputError: a folder cannot be made, or takes no files.
    """
    if figure and figure.suffix not in FIGURE_FORMATS:
        raise InputError(f"--figure is {figure}, expected {', '.join(FIGURE_FORMATS)}")
    for path in (json, figure):
        if path:
            output_folder(path.parent)
    if report:
        output_folder(report)


def device_mesh(batch_size: int, microbatches: int = 1) -> Mesh:
    """All devices, over which a batch is split, and each of its parts.

    Raises:
      InputError: it does not divide over them.
    """
    if microbatches < 1:
        raise InputError(f"--microbatches is {microbatches}, expected 1 or more")
    mesh = training_mesh.device_mesh()
    unit = mesh.size * microbatches
    if batch_size < 1 or batch_size % unit:
        least = max(batch_size, 0) // unit * unit
        near = " or ".join(str(size) for size in (least, least + unit) if size)
        parts = f" and {microbatches} microbatches" if microbatches > 1 else ""
        raise InputError(
            f"--batch-size {batch_size} does not divide over {mesh.size} devices{parts}; "
            f"{near} would"
        )
    return mesh
