"""Finds what the user has downloaded, and says what is missing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ief_jax.files import InputError

_NAMED = 5


def folder(data_dir: Path, name: str, contents: Sequence[str], how: str) -> Path:
    """The folder of a data set, with all its `contents` (files or folders) in place.

    Raises:
      InputError: the folder or some of its contents are missing; the message says `how` they
        are to be had.
    """
    where = data_dir / name
    if not where.is_dir():
        raise InputError(f"{where}: no such folder; make it and {how}")
    missing = [entry for entry in contents if not (where / entry).exists()]
    if missing:
        raise InputError(f"{where}: has no {' and no '.join(missing)}; {how}")
    return where


def images(where: Path, names: Iterable[str], how: str) -> list[Path]:
    """The paths of the images of these names in a folder.

    Raises:
      InputError: some are missing; the message names the first few.
    """
    names = list(names)
    present = {path.name for path in where.iterdir()}
    missing = [name for name in dict.fromkeys(names) if name not in present]
    if missing:
        more = ", ..." if len(missing) > _NAMED else ""
        raise InputError(
            f"{where}: {len(missing)} of {len(set(names))} images are missing "
            f"({', '.join(missing[:_NAMED])}{more}); {how}"
        )
    return [where / name for name in names]
