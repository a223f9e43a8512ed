"""Keypoints of more frames than memory holds, in parts that are read when they are wanted.

How they are parted, and how each is read, follows from the files alone: whoever reads a part, and
whichever others were read before, it is the same.
"""

import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ief_jax.cli.shared import counted, say
from ief_jax.formats import detection_files, detections
from ief_jax.formats.assembling import NobodyError, Options
from ief_jax.formats.detections import Detections
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError

PART = 4096
"""Frames of a part."""
MOST_BYTES = 2**25
"""Of files in folders that are read at once; memory holds several times as much."""
SAMPLE_FRAMES = 4096
"""Frames of an npz, evenly spread, that say which skeleton all of them have."""
SAMPLE = 64
"""Files of a folder, evenly spread, that say which skeleton all of them have."""
SAMPLE_BYTES = 2**23
"""About what these hold; of larger files there are fewer."""


class Source(NamedTuple):
    """Keypoints in parts.

    Attributes:
      about: of what files they are, and how they are read, in plain values by name.
      parts: how many.
      read: a part by its number, in `skeletons.UNION_27`.
    """

    about: Mapping[str, Any]
    parts: int
    read: Callable[[int], Detections]


def are_many(paths: Sequence[Path]) -> bool:
    """Whether paths, files and folders, are of more, or larger, files than are read at once.

    A file alone is cut only if it is an npz or npy.

    Raises:
      InputError: a folder cannot be read.
    """
    if any(_stored(path) is not None for path in paths):
        return True
    folders = [detection_files.listed(path) for path in paths]
    count = sum(len(names) for _, names in folders)
    if count > PART or count == len(paths):
        return count > PART
    return sum(_bytes(folder, names) for folder, names in folders) > MOST_BYTES


def of_read(found: Sequence[Detections], paths: Sequence[Path], options: Options) -> Source:
    """What has been read of some paths in such a way, cut after every `PART` frames."""
    people = detections.joined([detections.to_union(one) for one in found])
    frames = len(people.frame_names)

    def read(number: int) -> Detections:
        return _frames(people, number * PART, min(frames, (number + 1) * PART))

    return Source(_about(paths, options), -(-frames // PART), read)


def of_files(paths: Sequence[Path], options: Options) -> Source:
    """Files and folders of them: some files of one path a part, or some frames of an npz.

    Args:
      paths: of keypoints.
      options: how they are read. Where these do not say the skeleton, some files of each path do.

    Raises:
      InputError: a folder cannot be read, or it cannot be told how.
    """
    parts: list[Callable[[], Detections]] = []
    for path in paths:
        stored = _stored(path)
        if stored is not None:
            frames = np.arange(len(stored.contents.numbers))
            own = _told(stored, options)
            parts += [
                partial(detection_files.read_frames, stored, frames[i : i + PART], own)
                for i in range(0, len(frames), PART)
            ]
            continue
        folder, names = detection_files.listed(path)
        each, own = _settled(path, folder, names, options)
        parts += [
            partial(detection_files.read_some, folder, names[i : i + each], own)
            for i in range(0, len(names), each)
        ]

    def read(number: int) -> Detections:
        try:
            return detections.to_union(parts[number]())
        except InputError as error:
            if options.strict and not (isinstance(error, NobodyError) and not error.passed_over):
                raise
            return _nobody(error)

    return Source(_about(paths, options), len(parts), read)


def _stored(path: Path) -> detection_files.Stored | None:
    """An npz or npy of more frames than one part has."""
    found = detection_files.stored(path)
    return found if found is not None and len(found.contents.numbers) > PART else None


def _told(stored: detection_files.Stored, options: Options) -> Options:
    """The options with a skeleton, by a sample of the frames, the last one among them.

    Raises:
      InputError: the file is damaged, or cannot be used.
    """
    numbers = stored.contents.numbers
    frames = counted(len(numbers), "frame", "frames")
    chosen = np.unique(np.linspace(0, len(numbers) - 1, SAMPLE_FRAMES).astype(int))
    read = partial(detection_files.read_frames, stored, chosen)
    sampled = f"in {len(chosen)} frames"
    return _with_skeleton(read, f"{stored.path}: {frames}", sampled, options, NobodyError)[0]


def _with_skeleton(
    read: Callable[[Options], Detections],
    what: str,
    sampled: str,
    options: Options,
    failure: type[InputError],
) -> tuple[Options, Detections | None]:
    """The options with the skeleton that a sample has, and the sample; None if it has nobody.

    Args:
      read: reads the sample, with options.
      what: has the skeleton, which is said.
      sampled: what the sample is, for messages.
      options: those given.
      failure: of reading, that counts only where the skeleton is to be told by the sample.
    """
    try:
        found = read(options._replace(strict=False))
    except failure as error:
        if options.skeleton is None:
            raise InputError(
                f"{error} ({sampled}, evenly spread, by which the skeleton is told: say it with "
                "--skeleton)"
            ) from error
        return options, None
    # None where names of the files say what keypoints are
    known = found.skeleton if found.skeleton in skeletons.LAYOUTS else None
    say(f"{what}, skeleton {found.skeleton} ({found.evidence})")
    return options._replace(skeleton=options.skeleton or known), found


def _bytes(folder: Path, names: Sequence[str]) -> int:
    return sum((folder / name).stat().st_size for name in names)


def _spread(names: Sequence[str], count: int) -> list[str]:
    """So many of the names, or all, evenly spread, the first among them."""
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, count).astype(int))]


def _settled(
    path: Path, folder: Path, names: Sequence[str], options: Options
) -> tuple[int, Options]:
    """Files a part, and the options with a skeleton, by a sample of the files of a path."""
    chosen = _spread(names, SAMPLE)
    each = _bytes(folder, chosen) / len(chosen)
    chosen = _spread(chosen, min(SAMPLE, max(1, int(SAMPLE_BYTES / max(each, 1)))))
    read = partial(detection_files.read_some, folder, chosen)
    files = counted(len(names), "file", "files")
    sampled = f"of {len(chosen)} files"
    own, found = _with_skeleton(read, f"{path}: {files}", sampled, options, InputError)
    if found is None:
        return PART, own
    return max(1, PART * len(chosen) // max(1, len(found.frame_names))), own


def _about(paths: Sequence[Path], options: Options) -> dict[str, Any]:
    return {
        "keypoints": [_files(path) for path in paths],
        "skeleton": options.skeleton,
        "minimum": options.minimum,
        "names": None if options.names is None else dict(options.names),
    }


def _files(path: Path) -> dict[str, Any]:
    """Of what files a path is: a folder's by their names, a file by what it holds."""
    checksum = 0
    if path.is_dir():
        _, names = detection_files.listed(path)
        for name in names:
            checksum = zlib.crc32(os.fsencode(f"{name}\n"), checksum)
        return {"name": path.name, "files": len(names), "checksum": checksum}
    with open(path, "rb") as file:
        while block := file.read(2**24):
            checksum = zlib.crc32(block, checksum)
    return {"name": path.name, "checksum": checksum}


def _frames(found: Detections, first: int, end: int) -> Detections:
    """The people of the frames from `first` to before `end`."""
    rows = np.flatnonzero((found.frame >= first) & (found.frame < end))
    part = detections.take(found, rows)
    return part._replace(
        frame=part.frame - first,
        frame_names=found.frame_names[first:end],
        images=found.images[first:end],
        numbers=found.numbers[first:end],
        passed_over=found.passed_over if first == 0 else (),
    )


def _nobody(error: InputError) -> Detections:
    """Frames in which there is nobody who can be used."""
    known = error if isinstance(error, NobodyError) else NobodyError("", (), (str(error),))
    frames = known.frames
    numbers = tuple(i if one.number is None else one.number for i, one in enumerate(frames))
    none = np.zeros(0, np.int64)
    keypoints = len(skeletons.UNION_27)
    return Detections(
        points=np.zeros((0, keypoints, 2), np.float32),
        confidence=np.zeros((0, keypoints), np.float32),
        names=skeletons.UNION_27,
        skeleton="UNION_27",
        evidence="nobody is there",
        frame=none,
        person=none,
        frame_names=tuple(str(one.name) for one in frames),
        images=tuple(one.image for one in frames),
        numbers=numbers if len(set(numbers)) == len(numbers) else tuple(range(len(numbers))),
        identity=none,
        passed_over=known.passed_over,
    )
