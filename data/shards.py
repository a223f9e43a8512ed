"""Data sets as TFDS shards, written without TensorFlow: whole, or not at all."""

import contextlib
import tempfile
from pathlib import Path

import tensorflow_datasets as tfds

from ief_jax.files import InputError, OutputError, output_folder


def prepare(builder: type[tfds.core.DatasetBuilder], source: Path, data_dir: Path) -> Path:
    """Writes a data set to shards, `data_dir`/NAME/VERSION.

    Args:
      builder: of the data set; it finds `source` as TFDS's `manual_dir`.
      source: the folder of the release.
      data_dir: any folder.

    Raises:
      InputError: something in `source` is missing, or is not what the release holds; or the data
        set is prepared already.
      OutputError: the shards cannot be written.
    """
    if not source.is_dir() or not any(source.iterdir()):
        how = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
        raise InputError(f"{source}: no such folder, or an empty one; {how}")
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
