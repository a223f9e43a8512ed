"""Prepares motion capture for training: clips as they were downloaded, to shards of poses.

    python -m data.prepare_poses cmu SOURCE DATA_DIR [--rate 30] [--strict] [--overwrite]
    python -m data.prepare_poses amass SOURCE DATA_DIR

SOURCE is the folder of the downloads, DATA_DIR any folder. DATA_DIR/cmu/1.0.0 is written whole or
not at all; `train.py lgd --dataset cmu --data-dir DATA_DIR` trains from it.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tensorflow_datasets as tfds
import tyro
from tyro.conf import Positional

from data import shards
from data.amass.builder import Amass
from data.cmu.builder import Cmu
from data.motion import builder as motion_builder
from data.motion import preparation
from ief_jax.cli import command_line
from ief_jax.io.files import InputError


@dataclass(frozen=True)
class Arguments:
    """Prepare motion capture for training.

    Attributes:
      source: folder of the downloads, unpacked.
      data_dir: folder for what is prepared.
      rate: frames a second that are kept.
      strict: stop at a file that cannot be read, instead of leaving it out.
      overwrite: prepare anew what is prepared already.
    """

    source: Positional[Path]
    data_dir: Positional[Path]
    rate: float = preparation.RATE
    strict: bool = False
    overwrite: bool = False


def amass(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Prepare AMASS, in its SMPL+H or SMPL-X release."""
    _prepare(Amass, arguments)


def cmu(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Prepare CMU motion capture, as ASF/AMC or cgspeed's BVH."""
    _prepare(Cmu, arguments)


def _prepare(builder: type[motion_builder.PoseBuilder], arguments: Arguments) -> None:
    began = time.perf_counter()
    tfds.disable_progress_bar()
    if not arguments.rate > 0:
        raise InputError(f"--rate is {arguments.rate}, expected more than 0 frames a second")
    folder = shards.prepare(
        builder,
        arguments.source,
        arguments.data_dir,
        overwrite=arguments.overwrite,
        check=motion_builder.check,
        rate=arguments.rate,
        strict=arguments.strict,
    )
    metadata = tfds.builder_from_directory(folder).info.metadata
    counts = {split: sum(lengths) for split, lengths in metadata["lengths"].items()}
    seconds = time.perf_counter() - began
    print(f"{folder}: {sum(counts.values())} poses in {seconds:.0f} s")
    for split, count in counts.items():
        print(f"  {split:24}{count:12}")
    if metadata["skipped"]:
        print(f"{len(metadata['skipped'])} files could not be read and were skipped:")
        for problem in metadata["skipped"]:
            print(f"  {problem}")


COMMANDS = {"amass": amass, "cmu": cmu}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run("prepare_poses", COMMANDS, arguments, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
