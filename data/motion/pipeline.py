"""Prepared poses as batches for training: every pose once an epoch, in an order made from a seed.

The order is a function of the seed and the epoch, so that a run that goes on after N steps is given
what it would have been given: nothing has to be saved. In each epoch the records are shuffled and
taken in blocks; the poses of a block are shuffled. A record holds poses of many clips already
(`pose_preparation.mixed`), so that a batch is drawn from thousands of clips. One block is held
in memory at a time, about 10 MB.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.motion.preparation import VERSION
from data.releases import some
from ief_jax.body import smpl
from ief_jax.body.poses import BODY, Poses
from ief_jax.io.files import InputError

BLOCK = 64
"""Records of a block: about 65,000 poses."""


class Prepared(NamedTuple):
    """Records of poses on disk.

    Attributes:
      sources: of each split, its records: `poses` [n, 66] float16 and maybe `betas` [n, B].
      lengths: of each split, how many poses each record holds.
    """

    sources: Sequence[Sequence[Mapping[str, np.ndarray]]]
    lengths: Sequence[np.ndarray]

    @property
    def total(self) -> int:
        """All poses."""
        return int(sum(lengths.sum() for lengths in self.lengths))


def open_prepared(
    data_dir: Path, name: str, choose: Callable[[Sequence[str]], Sequence[str]]
) -> Prepared:
    """Opens what `python -m data.prepare` wrote.

    Args:
      data_dir: the folder that it wrote to.
      name: the data set.
      choose: from the splits that there are to the wanted ones.

    Raises:
      InputError: it is not there or not whole, or `choose` says that splits are missing.
    """
    folder = data_dir / name / VERSION
    if not (folder / "dataset_info.json").is_file():
        raise InputError(
            f"{folder}: no prepared data set; "
            f"'python -m data.prepare {name} SOURCE {data_dir}' makes it"
        )
    import tensorflow_datasets as tfds  # slow to import, and only needed here

    builder = tfds.builder_from_directory(folder)
    lengths = builder.info.metadata["lengths"]
    splits = choose(sorted(split for split in lengths if lengths[split]))
    for split in splits:
        info = builder.info.splits[split]
        paths = [Path(path) for path in info.filepaths]
        for path in paths:
            if not path.is_file():
                raise InputError(f"{path}: is missing; --overwrite prepares {name} anew")
        if sum(path.stat().st_size for path in paths) != info.num_bytes:
            names = some(path.name for path in paths)
            raise InputError(
                f"{folder}: not all of {split} is there ({names}: not {info.num_bytes} bytes); "
                f"--overwrite prepares {name} anew"
            )
    return Prepared(
        [builder.as_data_source(split) for split in splits],
        [np.array(lengths[split]) for split in splits],
    )


def stream(prepared: Prepared, batch_size: int, seed: int, done: int = 0) -> Iterator[Poses]:
    """Batches without end, beginning behind the first `done` ones.

    Yields:
      poses [B, 24, 3] float32 and betas [B, .] (or None); epochs follow one another without a gap.
    """
    left: list[np.ndarray] | None = None
    for block in _blocks(prepared, seed, done * batch_size):
        columns = block
        if left is not None:
            columns = [np.concatenate(pair) for pair in zip(left, block, strict=True)]
        whole = len(columns[0]) // batch_size * batch_size
        for start in range(0, whole, batch_size):
            yield _poses([column[start : start + batch_size] for column in columns])
        left = [column[whole:] for column in columns]


def load(prepared: Prepared) -> Poses:
    """All poses at once, in the order of the records."""
    records = [record for source in prepared.sources for record in source]
    return _poses(_columns(records))


def _blocks(prepared: Prepared, seed: int, done: int) -> Iterator[list[np.ndarray]]:
    """Columns of shuffled poses, block by block, without the first `done` poses."""
    where = [(s, r) for s, lengths in enumerate(prepared.lengths) for r in range(len(lengths))]
    lengths = np.concatenate(prepared.lengths)
    epoch, done = divmod(done, prepared.total)
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(len(where))
        for first in range(0, len(order), BLOCK):
            members = order[first : first + BLOCK]
            count = int(lengths[members].sum())
            if done < count:
                rows = np.random.default_rng([seed, epoch, first]).permutation(count)[done:]
                records = [prepared.sources[s][r] for s, r in (where[m] for m in members)]
                yield [column[rows] for column in _columns(records)]
            done = max(0, done - count)
        epoch += 1


def _columns(records: Sequence[Mapping[str, np.ndarray]]) -> list[np.ndarray]:
    names = ("poses", "betas") if "betas" in records[0] else ("poses",)
    return [np.concatenate([record[name] for record in records]) for name in names]


def _poses(columns: Sequence[np.ndarray]) -> Poses:
    poses = np.zeros((len(columns[0]), smpl.JOINTS * 3), np.float32)
    poses[:, :BODY] = columns[0]
    betas = columns[1].astype(np.float32) if len(columns) > 1 else None
    return Poses(poses.reshape(-1, smpl.JOINTS, 3), betas, None)
