"""Reads the synthetic data set, and makes it where it is not there: one file a split."""

import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.people import Person
from data.synthetic import scenes
from ief_jax.files import InputError, output_folder, replacing

FORMAT = "ief_jax-synthetic-1"
"""Changes when the same seed gives other people."""
LAYOUT = scenes.LAYOUT
COUNTS = {"train": 3000, "validation": 300, "test": 500}
"""People of a split, unless it was prepared with more or fewer."""
SEEDS = {"train": 0, "validation": 1, "test": 2}
SPLITS = tuple(COUNTS)
HOW = "nothing has to be downloaded: `python -m data.synthetic` makes it"
_FIELDS = ("name", "points", "annotated", "visible", "marked", "height", "head_size")


def read(data_dir: Path, chosen: str) -> list[Person]:
    """The people of a split, with `MPII_16`'s keypoints; made first, if they are not there.

    Args:
      data_dir: the folder that holds `synthetic/`, or is to hold it.
      chosen: "train", "validation" or "test".

    Raises:
      InputError: the file in the folder is not one of this version.
      OutputError: it cannot be written.
    """
    path = _path(data_dir, chosen)
    if not path.exists():
        prepare(data_dir, chosen, COUNTS[chosen])
    return _read(path)


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
      InputError: there is such a file already.
      OutputError: it cannot be written.
    """
    path = _path(data_dir, chosen)
    if path.exists():
        raise InputError(f"{path}: is there already; remove it to make it anew")
    if count < 1:
        raise InputError(f"{count} people do not make a data set; expected at least one")
    output_folder(path.parent)
    with tqdm(_made(SEEDS[chosen], count, processes), desc=str(path), total=count) as bar:
        found = list(bar)
    images = [np.frombuffer(person.image, np.uint8) for person in found]
    with replacing(path) as file:
        np.savez(
            file,
            format=FORMAT,
            images=np.concatenate(images),
            ends=np.cumsum([len(image) for image in images]),
            **{field: np.array([getattr(p, field) for p in found]) for field in _FIELDS},
        )
    return path


def _path(data_dir: Path, chosen: str) -> Path:
    if chosen not in SPLITS:
        raise InputError(f"synthetic has no split '{chosen}': one of {', '.join(SPLITS)}")
    return Path(data_dir) / "synthetic" / f"{chosen}.npz"


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


def _read(path: Path) -> list[Person]:
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a prepared data set, or a truncated one: {error}") from error
    if str(arrays.get("format")) != FORMAT:
        raise InputError(
            f"{path}: field 'format' is not '{FORMAT}': made by another version; remove it"
        )
    blob, ends = arrays["images"].tobytes(), arrays["ends"].tolist()
    return [
        Person(
            name=str(arrays["name"][row]),
            image=blob[start:end],
            points=arrays["points"][row],
            annotated=arrays["annotated"][row],
            visible=arrays["visible"][row],
            marked=arrays["marked"][row],
            height=float(arrays["height"][row]),
            head_size=float(arrays["head_size"][row]),
        )
        for row, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]
