"""People in small pictures, thousands of them in one file of a few megabytes.

    python -m data.keypoints.packed lsp lspet --data-dir downloads --output people.npz

A machine that trains for minutes has no time for folders of large photographs: what a network
can see of each person is cut out, made small and compressed (AVIF) once.
"""

import argparse
import io
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from data.keypoints import sets
from data.keypoints.people import Person, decode
from ief_jax.geometry.crops import PERSON, WINDOW
from ief_jax.io.files import replacing

SEEN = 1.35
"""Side of what is kept about the marked point, in sides of the box that the network sees."""
MARGIN = 0.1
"""What is kept about the outermost keypoints, in heights."""


class Packed(NamedTuple):
    """N people with K keypoints.

    Attributes:
      images: N encoded images.
      points: float32 [N, K, 2] pixels of these images.
      annotated: bool [N, K].
      visible: bool [N, K].
      marked: float32 [N, 2] pixels.
      height: float32 [N] pixels.
      dataset: N names.
      split: N names.
    """

    images: Sequence[bytes]
    points: np.ndarray
    annotated: np.ndarray
    visible: np.ndarray
    marked: np.ndarray
    height: np.ndarray
    dataset: np.ndarray
    split: np.ndarray


def shrunk(person: Person, side: float, quality: int) -> Person:
    """A person in a small image.

    Args:
      person: whom.
      side: pixels that the box that the network sees is to have at most.
      quality: of the AVIF file, 0 to 100.
    """
    image = decode(person.image, person.name)
    box = WINDOW * PERSON * person.height
    known = person.points[person.annotated]
    reach, margin = SEEN * box / 2, MARGIN * person.height
    low = np.minimum(person.marked - reach, known.min(0) - margin)
    high = np.maximum(person.marked + reach, known.max(0) + margin)
    low = np.clip(np.floor(low), 0, np.array(image.size) - 1).astype(int)
    high = np.clip(np.ceil(high) + 1, low + 1, image.size).astype(int)
    size = np.maximum(1, np.round((high - low) * min(1.0, side / box))).astype(int)
    small = image.crop((*low, *high)).resize(tuple(size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "AVIF", quality=quality, speed=6, max_threads=1)
    share = size / (high - low)
    return Person(
        name=person.name,
        image=buffer.getvalue(),
        points=((person.points - low + 0.5) * share - 0.5).astype(np.float32),
        annotated=person.annotated,
        visible=person.visible,
        marked=((person.marked - low + 0.5) * share - 0.5).astype(np.float32),
        height=person.height * float(share.mean()),
    )


def write(path: Path, people: Sequence[tuple[str, str, Person]]) -> None:
    """Writes people, each with the names of its data set and split."""
    content = b"".join(person.image for _, _, person in people if isinstance(person.image, bytes))
    with replacing(path) as file:
        np.savez(
            file,
            content=np.frombuffer(content, np.uint8),
            length=np.array([len(person.image) for _, _, person in people]),  # type: ignore[arg-type]
            points=np.stack([person.points for _, _, person in people]),
            annotated=np.stack([person.annotated for _, _, person in people]),
            visible=np.stack([person.visible for _, _, person in people]),
            marked=np.stack([person.marked for _, _, person in people]),
            height=np.array([person.height for _, _, person in people], np.float32),
            dataset=np.array([dataset for dataset, _, _ in people]),
            split=np.array([split for _, split, _ in people]),
        )


def read(path: Path) -> Packed:
    """Reads what `write` wrote."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    content, ends = arrays.pop("content").tobytes(), np.cumsum(arrays.pop("length"))
    starts = [0, *ends[:-1].tolist()]
    images = [content[a:b] for a, b in zip(starts, ends.tolist(), strict=True)]
    return Packed(images, **arrays)


def main() -> None:
    """Packs the training and validation people of data sets."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("datasets", nargs="+", choices=sets.SETS)
    parser.add_argument("--data-dir", type=Path, default=Path("downloads"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--side", type=float, default=168)
    parser.add_argument("--quality", type=int, default=38)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    packed: list[tuple[str, str, Person]] = []
    with ProcessPoolExecutor(options.workers) as pool:
        for dataset in options.datasets:
            for split in ("train", "validation"):
                people, _ = sets.load(dataset, options.data_dir, split)
                make = partial(shrunk, side=options.side, quality=options.quality)
                small = pool.map(make, people, chunksize=50)
                progress = tqdm(small, f"{dataset} {split}", len(people), leave=False)
                packed += [(dataset, split, person) for person in progress]
    write(options.output, packed)


if __name__ == "__main__":
    main()
