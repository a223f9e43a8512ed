"""Finds what the user has downloaded, and says what is missing."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ief_jax.io.files import InputError

_NAMED = 5
ARCHIVES = (".zip", ".tar", ".tar.bz2", ".tar.gz", ".tar.xz", ".tgz", ".7z", ".rar")


def check_split(name: str, chosen: str, splits: Collection[str]) -> None:
    """Sees that a data set has a split.

    Raises:
      InputError: it has not; the message names those that there are.
    """
    if chosen not in splits:
        raise InputError(f"{name} has no split '{chosen}': one of {', '.join(splits)}")


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
        raise InputError(
            f"{where}: {len(missing)} of {len(set(names))} images are missing "
            f"({some(missing)}); {how}"
        )
    return [where / name for name in names]


def files_below(where: Path, how: str) -> list[Path]:
    """All files in a folder and those below it, in order; hidden ones are left out.

    Raises:
      InputError: there is no such folder; the message says `how` it is to be had.
    """
    if not where.is_dir():
        raise InputError(f"{where}: no such folder; make it and {how}")
    paths = (path for path in where.rglob("*") if path.is_file())
    return sorted(path for path in paths if not path.name.startswith("."))


def nothing_found(where: Path, files: Sequence[Path], wanted: str, how: str) -> InputError:
    """The error of a folder in which there is nothing of what was wanted; says what there is."""
    archives = [path for path in files if path.name.endswith(ARCHIVES)]
    if archives:
        packed = some(path.name for path in archives)
        return InputError(f"{where}: has no {wanted}, but archives ({packed}): unpack them")
    names = some(str(path.relative_to(where)) for path in files)
    return InputError(f"{where}: has no {wanted}; it has {names or 'no files'}; {how}")


def some(names: Iterable[str]) -> str:
    """The first few of many names, for a message."""
    names = list(names)
    return ", ".join(names[:_NAMED]) + (f", ... ({len(names)})" if len(names) > _NAMED else "")
