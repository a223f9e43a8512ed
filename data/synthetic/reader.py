"""Reads the synthetic data set, and makes it where it is not there: one file a split."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from data.keypoints import people_files
from data.keypoints.people import Person
from data.synthetic import scenes
from ief_jax.io.files import InputError

FORMAT = "ief_jax-synthetic-1"
"""Changes when the same seed gives other people."""
LAYOUT = scenes.LAYOUT
COUNTS = {"train": 3000, "validation": 300, "test": 500}
"""People of a split, unless it was prepared with more or fewer."""
SEEDS = {"train": 0, "validation": 1, "test": 2}
SPLITS = tuple(COUNTS)
HOW = "nothing has to be downloaded: `python -m data.synthetic` makes it"


def read(data_dir: Path, chosen: str) -> list[Person]:
    """The people of a split, with `MPII_16`'s keypoints; made first, if they are not there.

    Args:
      data_dir: the folder that holds `synthetic/`, or is to hold it.
      chosen: "train", "validation" or "test".

    Raises:
      InputError: the file in the folder is not one of this version, or there is no such split.
      OutputError: it cannot be written.
    """
    path = people_files.of_split(data_dir, "synthetic", chosen, SPLITS)
    if not path.exists():
        prepare(data_dir, chosen, COUNTS[chosen])
    return people_files.read(path, FORMAT)


def prepare(data_dir: Path, chosen: str, count: int, processes: int | None = None) -> Path:
    """Makes the people of a split, with a progress bar, and writes them to a file.

    Args:
      data_dir: the folder that is to hold `synthetic/`.
      chosen: the split; those of different splits have nothing in common.
      count: how many people; the first ones are the same whatever it is.
      processes: that work side by side; one a core by default.

    Returns:
      The file.

    Raises:
      InputError: there is such a file already, or no such split.
      OutputError: it cannot be written.
    """
    path = people_files.of_split(data_dir, "synthetic", chosen, SPLITS)
    if count < 1:
        raise InputError(f"{count} people do not make a data set; expected at least one")
    people_files.make(path, _made(SEEDS[chosen], count, processes), count, FORMAT)
    return path


def _made(seed: int, count: int, processes: int | None) -> Iterator[Person]:
    """The first people of a seed, by several processes if there are many."""
    chunks = range(0, count, scenes.AT_ONCE)
    workers = min(processes or os.cpu_count() or 1, len(chunks))
    if workers == 1:
        yield from scenes.people(count, seed)
        return
    # Not forked: JAX has threads.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        parts = [pool.submit(_part, min(scenes.AT_ONCE, count - at), seed, at) for at in chunks]
        for part in parts:
            yield from part.result()


def _part(count: int, seed: int, first: int) -> list[Person]:
    return list(scenes.people(count, seed, first))
