"""The data sets of people with known bodies as TFDS shards, written without TensorFlow.

A record is a person in a frame: the fields of the data set's own `reader.People`.
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds


class BodyBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]  # TFDS has no types
    """A data set of people with known bodies; TFDS's `manual_dir` is the folder of the release.

    A data set's own class says which reader it is of, what is in a record, and what to cite.
    """

    VERSION = tfds.core.Version("1.0.0")
    READER: ModuleType
    ARRAYS: ClassVar[dict[str, tuple[int, ...]]]
    """Shapes of the fields that are numbers."""
    TEXTS: ClassVar[tuple[str, ...]] = ("name",)
    """The fields that are text."""
    HOMEPAGE: ClassVar[str]
    CITATION: ClassVar[str]

    def people(self, folder: Path) -> dict[str, Any]:
        """The reader's people by split."""
        return {"test": self.READER.read(folder)}

    def _info(self) -> tfds.core.DatasetInfo:
        numbers = {
            name: tfds.features.Tensor(shape=shape, dtype=np.float32)
            for name, shape in self.ARRAYS.items()
        }
        texts = {name: tfds.features.Text() for name in self.TEXTS}
        return self.dataset_info_from_configs(
            description=self.__doc__,
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
            features=tfds.features.FeaturesDict(texts | numbers),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        # Read before anything is written, so that what is missing is known at once.
        found = self.people(Path(dl_manager.manual_dir))
        return {split: self._generate_examples(people) for split, people in found.items()}

    def _generate_examples(self, people: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        for row in range(len(people.name)):
            record = {name: getattr(people, name)[row] for name in self.info.features}
            texts = {name: str(record[name]) for name in self.TEXTS}
            yield f"{row:08d}", record | texts
