"""Prepares data sets of people with known bodies: downloads as they were released, to shards.

    python -m data.prepare_bodies threedpw SOURCE DATA_DIR

SOURCE is the folder of the release (data/threedpw, data/h36m and data/ehf say what is in it), and
DATA_DIR any folder. DATA_DIR/threedpw/1.0.0 is written whole or not at all, for
`tfds.builder_from_directory` to read. `eval.py lgd --dataset` reads the release itself.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tensorflow_datasets as tfds
import tyro
from tyro.conf import Positional

from data import shards
from data.bodies.builder import BodyBuilder
from data.ehf.builder import Ehf
from data.h36m.builder import H36m
from data.threedpw.builder import ThreeDpw
from ief_jax.cli import command_line


@dataclass(frozen=True)
class Arguments:
    """Prepare a data set of people with known bodies.

    Attributes:
      source: the folder of the release.
      data_dir: folder for what is prepared.
      overwrite: prepare anew what is prepared already.
    """

    source: Positional[Path]
    data_dir: Positional[Path]
    overwrite: bool = False


def _command(builder: type[BodyBuilder]) -> Callable[[Arguments], None]:
    def prepare(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
        tfds.disable_progress_bar()
        folder = shards.prepare(
            builder, arguments.source, arguments.data_dir, overwrite=arguments.overwrite
        )
        splits = tfds.builder_from_directory(folder).info.splits
        counts = ", ".join(f"{split.num_examples} {name}" for name, split in splits.items())
        print(f"{folder}: {counts} people")

    prepare.__doc__ = builder.__doc__
    return prepare


COMMANDS = {builder.name: _command(builder) for builder in (ThreeDpw, H36m, Ehf)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run("prepare_bodies", COMMANDS, arguments, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
