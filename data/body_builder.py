"""The data sets of people with known bodies as TFDS shards, written without TensorFlow.

A record is a person in a frame: the fields of the data set's own `reader.People`.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from ief_jax.files import InputError, OutputError, output_folder


class BodyBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A data set of people with known bodies; TFDS's `manual_dir` is the folder of the release.

    A data set's own class says which reader it is of, what is in a record, and what to cite.
    """

    VERSION = tfds.core.Version("1.0.0")
    READER: ClassVar[ModuleType]
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


def prepare(builder: type[BodyBuilder], source: Path, data_dir: Path) -> Path:
    """Writes a data set to shards, `data_dir`/NAME/VERSION: whole, or not at all.

    Args:
      builder: of the data set.
      source: the folder of the release.
      data_dir: any folder.

    Raises:
      InputError: something in `source` is missing, or is not what the release holds; or the data
        set is prepared already.
      OutputError: the shards cannot be written.
    """
    if not source.is_dir() or not any(source.iterdir()):
        raise InputError(f"{source}: no such folder, or an empty one; {builder.READER.HOW}")
    output_folder(data_dir)
    target = data_dir / builder.name / str(builder.VERSION)
    if target.exists():
        raise InputError(f"{target}: is prepared already; remove it to prepare it anew")
    try:
        with tempfile.TemporaryDirectory(dir=data_dir, prefix=".preparing-") as work:
            made = builder(data_dir=work)
            with contextlib.redirect_stdout(None):  # TFDS speaks of downloads and of `work`
                made.download_and_prepare(
                    file_format="array_record",
                    download_config=tfds.download.DownloadConfig(manual_dir=source),
                )
            target.parent.mkdir(exist_ok=True)
            Path(made.data_dir).rename(target)
    except OSError as error:
        raise OutputError(f"cannot write to {data_dir}: {error.strerror or error}") from error
    return target
