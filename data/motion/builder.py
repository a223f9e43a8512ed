"""Writes data sets of poses as TFDS shards, with TensorFlow Datasets but without TensorFlow.

A record holds a chunk of poses, not one: at one pose a record the decoding alone would take a
trainer's time many times over.
"""

import abc
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from data.motion import preparation
from data.motion.preparation import Clip
from ief_jax.body import poses
from ief_jax.io.files import InputError

SHARD = 2**30
"""Bytes of clips that go into one shard."""


class PoseBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):  # type: ignore[call-arg]  # TFDS has no types
    """A data set of poses, prepared from the clips in a folder (TFDS's `manual_dir`).

    Its metadata say what is in the records: `lengths`, the poses of each record by split; `rate`,
    the frames a second that were kept; `skipped`, what was wrong with files that are left out.
    """

    VERSION = tfds.core.Version(preparation.VERSION)
    BETAS: ClassVar[int]
    """Shape coefficients of each pose; 0 where the data set knows none."""

    def __init__(
        self, *, rate: float = preparation.RATE, strict: bool = False, **options: Any
    ) -> None:
        """`rate`: frames a second to keep; `strict`: a file that cannot be read is an error."""
        self.rate = rate
        self.strict = strict
        super().__init__(**options)

    @abc.abstractmethod
    def find(self, folder: Path) -> list[Clip]:
        """The clips in a folder."""

    def describe(self, description: str, homepage: str, citation: str) -> tfds.core.DatasetInfo:
        """What TFDS wants to know. The features are the same for all such data sets."""
        columns = {"poses": poses.BODY, "betas": self.BETAS}
        return self.dataset_info_from_configs(
            description=description,
            homepage=homepage,
            citation=citation,
            features=tfds.features.FeaturesDict(
                {
                    name: tfds.features.Tensor(
                        shape=(None, width), dtype=np.float16, encoding="bytes"
                    )
                    for name, width in columns.items()
                    if width
                }
            ),
            disable_shuffling=True,  # the reader draws records at random
            metadata=tfds.core.MetadataDict(rate=self.rate, lengths={}, skipped=[]),
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Mapping[str, Sequence[Callable[[], Iterator[tuple[int, dict[str, np.ndarray]]]]]]:
        clips = self.find(Path(dl_manager.manual_dir))
        # In an order that has nothing to do with subjects or takes, so that each pool is varied.
        clips.sort(key=lambda clip: (zlib.crc32(clip.path.name.encode()), str(clip.path)))
        offsets = preparation.rest_offsets()
        bar = tqdm(total=len(clips), unit="clip", desc=self.name)
        shards: dict[str, list[list[Clip]]] = {}
        room: dict[str, int] = {}
        for clip in clips:
            size = clip.path.stat().st_size
            if room.get(clip.split, 0) < size:
                shards.setdefault(clip.split, []).append([])
                room[clip.split] = SHARD
            shards[clip.split][-1].append(clip)
            room[clip.split] -= size
        return {
            split: [partial(self._records, split, part, offsets, bar) for part in parts]
            for split, parts in sorted(shards.items())
        }

    def _records(
        self, split: str, clips: Sequence[Clip], offsets: np.ndarray, bar: tqdm
    ) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        lengths = self.info.metadata["lengths"].setdefault(split, [])
        recordings = self._recordings(clips, offsets, bar)
        parts = (preparation.chunk(recording, self.BETAS) for recording in recordings)
        for chunk in preparation.mixed(parts, np.random.default_rng(0)):
            lengths.append(len(chunk.poses))
            record = {"poses": chunk.poses, "betas": chunk.betas}
            yield len(lengths), {name: record[name] for name in self.info.features}

    def _recordings(
        self, clips: Sequence[Clip], offsets: np.ndarray, bar: tqdm
    ) -> Iterator[preparation.Recording]:
        for clip in clips:
            try:
                recording = clip.read(self.rate)
            except InputError as error:
                if self.strict:
                    raise
                tqdm.write(f"skipped: {error}", file=sys.stderr)
                self.info.metadata["skipped"].append(str(error))
            else:
                kept = preparation.distinct(recording.poses, offsets)
                yield recording._replace(poses=recording.poses[kept])
            bar.update()
