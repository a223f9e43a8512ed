"""The keypoint data sets as TFDS shards, written and read without TensorFlow.

A record is a person: the fields of `people.Person`, the image as the encoded bytes of its file.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, overload

import numpy as np
import tensorflow_datasets as tfds

from data.keypoints.people import Person


class KeypointBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]  # TFDS has no types
    """A keypoint data set; TFDS's `manual_dir` is the folder that holds `lsp/`, `lspet/`, ...

    A data set's own class says which reader it is of, and what to cite.
    """

    VERSION = tfds.core.Version("1.0.0")
    READER: ModuleType
    HOMEPAGE: ClassVar[str]
    CITATION: ClassVar[str]

    def _info(self) -> tfds.core.DatasetInfo:
        joints = len(self.READER.LAYOUT)
        return self.dataset_info_from_configs(
            description=self.__doc__,
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "image": tfds.features.Image(),
                    "points": tfds.features.Tensor(shape=(joints, 2), dtype=np.float32),
                    "annotated": tfds.features.Tensor(shape=(joints,), dtype=np.bool_),
                    "visible": tfds.features.Tensor(shape=(joints,), dtype=np.bool_),
                    "marked": tfds.features.Tensor(shape=(2,), dtype=np.float32),
                    "height": np.float32,
                    "head_size": np.float32,
                }
            ),
            metadata=tfds.core.MetadataDict(layout=list(self.READER.LAYOUT)),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        # Read before anything is written, so that what is missing is known at once.
        people = {
            split: self.READER.read(Path(dl_manager.manual_dir), split)
            for split in self.READER.SPLITS
        }
        return {split: self._generate_examples(found) for split, found in people.items()}

    def _generate_examples(self, people: Sequence[Person]) -> Iterator[tuple[str, dict]]:
        for number, person in enumerate(people):
            yield f"{number:06d}", {name: getattr(person, name) for name in self.info.features}


class Prepared(Sequence[Person]):
    """The people of a split, read from shards as they are asked for."""

    def __init__(self, folder: Path, split: str) -> None:
        """`folder`: what `prepare` gave."""
        builder = tfds.builder_from_directory(folder)
        self.layout = tuple(builder.info.metadata["layout"])
        self._records = builder.as_data_source(
            split, decoders={"image": tfds.decode.SkipDecoding()}
        )

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Person]: ...
    def __getitem__(self, index: int | slice) -> Person | Sequence[Person]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        record = self._records[range(len(self))[index]]  # an IndexError where it ends
        return Person(**{**record, "name": record["name"].decode()})
