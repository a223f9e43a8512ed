"""Prepares keypoint data sets: downloads as they were released, to shards of people.

    python -m data.prepare_keypoints lsp SOURCE DATA_DIR

SOURCE is the folder that holds the download, lsp/, and DATA_DIR any folder. DATA_DIR/lsp/1.0.0 is
written whole or not at all; `train.py ief --dataset lsp --data-dir DATA_DIR` trains from it. The
downloads can be trained from as they are; a few large files are better where the disk is remote.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tensorflow_datasets as tfds
import tyro
from tyro.conf import Positional

from data import shards
from data.coco.builder import Coco
from data.keypoints.builder import KeypointBuilder
from data.lsp.builder import Lsp
from data.lspet.builder import Lspet
from data.mpii.builder import Mpii
from ief_jax.cli import command_line


@dataclass(frozen=True)
class Arguments:
    """Prepare a keypoint data set.

    Attributes:
      source: the folder that holds lsp/, lspet/, mpii/ or coco/ as it was released.
      data_dir: folder for what is prepared.
      overwrite: prepare anew what is prepared already.
    """

    source: Positional[Path]
    data_dir: Positional[Path]
    overwrite: bool = False


def _command(builder: type[KeypointBuilder]) -> Callable[[Arguments], None]:
    def prepare(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
        began = time.perf_counter()
        tfds.disable_progress_bar()
        folder = shards.prepare(
            builder, arguments.source, arguments.data_dir, overwrite=arguments.overwrite
        )
        splits = tfds.builder_from_directory(folder).info.splits
        counts = ", ".join(f"{split.num_examples} {name}" for name, split in splits.items())
        print(f"{folder}: {counts} people in {time.perf_counter() - began:.0f} s")

    prepare.__doc__ = builder.__doc__
    return prepare


COMMANDS = {builder.name: _command(builder) for builder in (Coco, Lsp, Lspet, Mpii)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run("prepare_keypoints", COMMANDS, arguments, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
