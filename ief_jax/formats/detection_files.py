"""Reads keypoints from files of detectors, and folders of them.

What cannot be used is passed over and listed; `detections.usable` says who can be fitted.
"""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ief_jax.formats import arrays, assembling, photographs, recognition
from ief_jax.formats.assembling import NobodyError, Options, Part
from ief_jax.formats.detections import Detections
from ief_jax.formats.messages import known
from ief_jax.geometry import skeletons
from ief_jax.io import npz
from ief_jax.io.files import InputError, read_bytes

FOLDERS = ("keypoints", "annots", "predictions", "json", "sep-json", "labels", "openpose")
"""Names under which tools put the frames one folder deeper; the first that is there counts."""
_PHOTOGRAPHS = ("images", "frames", "imgs", "rgb", "vis")


def read(
    path: str | os.PathLike[str], skeleton: str | None = None, options: Options | None = None
) -> Detections:
    """Reads detections.

    Args:
      path: a file of any format in `messages.READ`, or a folder of them (one a frame, in the
        order of the numbers in their names; it may be one folder deeper).
      skeleton: a key of `skeletons.LAYOUTS`. Without it the file's own names count, then, among
        the layouts of this number of keypoints, the one with which the people are by far the
        likeliest bodies.
      options: how, with `skeleton` in its place there.

    Raises:
      InputError: anything that keeps the file from being used, with its name and the field.
    """
    path = Path(path)
    options = options or Options()
    if skeleton is not None:
        options = options._replace(skeleton=skeleton)
    if options.skeleton is not None and options.skeleton not in skeletons.LAYOUTS:
        raise InputError(f"unknown skeleton '{options.skeleton}': expected {known()}")
    if not path.is_dir():
        return assembling.assemble(path, [Part(path, recognition.read(path))], options)
    parts, passed = _folder(path)
    return assembling.assemble(path, parts, options, passed)


def listed(path: str | os.PathLike[str]) -> tuple[Path, list[str]]:
    """The files that `read` reads; none of them is opened.

    Args:
      path: a file, or a folder of them; they may be one folder deeper.

    Returns:
      The folder that they are in, and their names, in the order in which they are read.

    Raises:
      InputError: the folder cannot be read, or has no such file.
    """
    path = Path(path)
    if not path.is_dir():
        return path.parent, [path.name]
    inside = _inside(path)
    if inside.files:
        return path, inside.files
    below = _below(path, inside)
    deeper = _inside(path / below) if below else inside
    if not deeper.files:
        raise InputError(_no_files(path, inside))
    return path / (below or ""), deeper.files


def read_some(folder: str | os.PathLike[str], names: Sequence[str], options: Options) -> Detections:
    """Reads some of the files of a folder together, as `read` reads all of them.

    Args:
      folder: that they are in.
      names: of the files, in their order.
      options: how.

    Raises:
      NobodyError: there is nobody in them.
      InputError: as `read` does.
    """
    folder = Path(folder)
    parts, passed = _parts(folder, names)
    if not parts:
        raise NobodyError(passed[0], (), passed)
    return assembling.assemble(folder, parts, options, passed)


class Stored(NamedTuple):
    """An npz or npy of keypoints, of which some frames can be read at a time (`read_frames`).

    Attributes:
      path: of the file.
      contents: who is where in it.
      arrays: its keypoints, and confidences.
    """

    path: Path
    contents: arrays.Index
    arrays: Mapping[str, npz.Rows]


def stored(path: str | os.PathLike[str]) -> Stored | None:
    """An npz or npy of which some frames can be read at a time; None for whatever else."""
    path = Path(path)
    with contextlib.suppress(InputError):  # which `read` tells
        if not path.is_file():  # a pipe is read once only
            return None
        begins = read_bytes(path, len(recognition.NPY))
        if begins.startswith(recognition.ZIP):
            names = tuple(npz.names(path))
            wanted = arrays.wanted(names)
            large = npz.rows(path, [name for name in wanted if name not in arrays.SMALL])
            whole = npz.read(path, [name for name in wanted if name not in large])
        elif begins.startswith(recognition.NPY):
            names, rows = ("keypoints",), npz.rows_of_npy(path)
            large, whole = {} if rows is None else {"keypoints": rows}, {}
        else:
            return None
        index = arrays.indexed({**whole, **large}, names)
        if {index.key, index.confidence or index.key} <= large.keys():
            return Stored(path, index, large) if large[index.key].shape == index.shape else None
    return None


def read_frames(found: Stored, frames: np.ndarray, options: Options) -> Detections:
    """Reads some of the frames of a file, as `read` reads all of them.

    Args:
      found: the file.
      frames: places in `found.contents.numbers`, ascending.
      options: how.

    Raises:
      NobodyError: there is nobody in them.
      InputError: as `read` does.
    """
    content = arrays.some(found.contents, found.arrays, frames)
    return assembling.assemble(found.path, [Part(found.path, content)], options)


class _Inside(NamedTuple):
    """Names in a folder, in natural order: of what may be read, what is hidden, and folders."""

    files: list[str]
    hidden: list[str]
    folders: list[str]


def _inside(folder: Path) -> _Inside:
    found = _Inside([], [], [])
    pictures = photographs.suffixes()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_hidden = entry.name.startswith(".")
                if entry.is_dir():
                    if not is_hidden:
                        found.folders.append(entry.name)
                elif os.path.splitext(entry.name)[1].lower() not in pictures:
                    (found.hidden if is_hidden else found.files).append(entry.name)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from error
    for names in found:
        names.sort()
        names.sort(key=_natural)
    return found


def _folder(folder: Path, deeper: bool = True) -> tuple[list[Part], list[str]]:
    """The files of a folder that can be read, of the commonest format, and what is passed over."""
    inside = _inside(folder)
    parts, passed = _parts(folder, inside.files)
    passed = [f"{folder / name}: a hidden file" for name in inside.hidden] + passed
    if parts:
        return parts, passed
    below = _below(folder, inside) if deeper else None
    if below:
        return _folder(folder / below, deeper=False)
    raise InputError(passed[0] if passed else _no_files(folder, inside))


def _below(folder: Path, inside: _Inside) -> str | None:
    """The folder where the files may be instead: of the first usual name, or the only one.

    Folders of photographs alone do not count.
    """
    named = [name for name in inside.folders if name.lower() in FOLDERS]
    if named:
        return min(named, key=lambda name: FOLDERS.index(name.lower()))
    others = [name for name in inside.folders if name.lower() not in _PHOTOGRAPHS]
    if len(others) > 1:
        others = [name for name in others if _inside(folder / name).files]
    return others[0] if len(others) == 1 else None


def _no_files(folder: Path, inside: _Inside) -> str:
    if inside.hidden:
        return f"{folder / inside.hidden[0]}: a hidden file"
    shown = f"; it has the folders {', '.join(inside.folders[:6])}" if inside.folders else ""
    return (
        f"{folder}: no .json file in this folder, nor any other of keypoints; expected one a "
        f"frame{shown}"
    )


def _parts(folder: Path, names: Sequence[str]) -> tuple[list[Part], list[str]]:
    """The files that can be read, of the commonest format, and what is passed over."""
    parts: list[Part] = []
    passed: list[str] = []
    for name in names:
        path = folder / name
        if path.is_fifo():  # which may wait for ever
            passed.append(f"{path}: a pipe, not a file")
            continue
        try:
            parts.append(Part(path, recognition.read(path)))
        except InputError as error:
            passed.append(str(error).partition("; read are ")[0])
    form = Counter(part.content.form for part in parts if part.content.form).most_common(1)
    if form:
        wanted = form[0][0]
        passed += [
            f"{part.path}: {part.content.form}, where others are {wanted}"
            for part in parts
            if part.content.form not in ("", wanted)
        ]
        parts = [part for part in parts if part.content.form in ("", wanted)]
    return parts, passed


def _natural(name: str) -> str:
    """Sorts 2 before 10, text before longer text: a key that takes little memory."""

    def number(found: re.Match[str]) -> str:
        digits = found[0].lstrip("0")
        return f"\0{chr(len(digits))}{digits}"

    return re.sub(r"[0-9]+", number, name)
