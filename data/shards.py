"""Data sets as TFDS shards, written without TensorFlow: whole, or not at all."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from ief_jax.io.files import InputError, OutputError, output_folder


def prepare(
    builder: type[tfds.core.DatasetBuilder],
    source: Path,
    data_dir: Path,
    *,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Writes a data set to shards, `data_dir`/NAME/VERSION.

    All is written to a folder of its own and moved into place at the end, so that what was
    prepared before stays until then, and nothing is left of a preparation that fails.

    Args:
      builder: of the data set; it finds `source` as TFDS's `manual_dir`.
      source: the folder of the release.
      data_dir: any folder.
      overwrite: prepare anew what is prepared already.
      options: of the builder.

    Returns:
      The folder of the shards.

    Raises:
      InputError: something in `source` is missing, or is not what the release holds; or nothing in
        it can be read; or the data set is prepared already, without `overwrite`.
      OutputError: the shards cannot be written.
    """
    if not source.is_dir() or not any(source.iterdir()):
        how = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
        raise InputError(f"{source}: no such folder, or an empty one; {how}")
    output_folder(data_dir)
    target = data_dir / builder.name / str(builder.VERSION)
    replaced = target.with_name(f".{target.name}.replaced")
    work = data_dir / f".{builder.name}.preparing"
    if replaced.exists() and not target.exists():  # cut off between the two renames below
        replaced.rename(target)
    if target.exists() and not overwrite:
        raise InputError(f"{target}: is prepared already; --overwrite prepares it anew")
    shutil.rmtree(work, ignore_errors=True)  # of a preparation that was cut off
    try:
        made = builder(data_dir=work, **options)
        with contextlib.redirect_stdout(None):  # TFDS speaks of downloads and of `work`
            made.download_and_prepare(
                file_format="array_record",
                download_config=tfds.download.DownloadConfig(manual_dir=source),
            )
        counts, skipped = _summary(made.info)
        if skipped and not any(counts.values()):
            raise InputError(f"{source}: none of its {len(skipped)} files can be read")
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            target.rename(replaced)
        Path(made.data_dir).rename(target)
    except OSError as error:
        raise OutputError(f"cannot write to {data_dir}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)
    return target


def summary(folder: Path) -> tuple[dict[str, int], list[str]]:
    """What was prepared: people or poses by split, and what was wrong with files left out."""
    return _summary(tfds.builder_from_directory(folder).info)


def _summary(info: tfds.core.DatasetInfo) -> tuple[dict[str, int], list[str]]:
    metadata = info.metadata or {}
    # Of motion capture a record holds many poses.
    if "lengths" in metadata:
        counts = {split: sum(lengths) for split, lengths in metadata["lengths"].items()}
        return counts, metadata["skipped"]
    return {name: split.num_examples for name, split in info.splits.items()}, []
