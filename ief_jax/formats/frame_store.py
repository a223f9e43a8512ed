"""What was found in the frames of a video, kept part by part, so that a run can be taken up again.

A folder has `about.json`, which says of what and how, and files of some hundred frames each,
`00000000.npz` and on, by the number of their first frame.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ief_jax.formats import detections
from ief_jax.formats.detections import Detections, FramePeople
from ief_jax.io import files, npz
from ief_jax.io.files import InputError

_ABOUT = "about.json"


class Part(NamedTuple):
    """N people in F frames that follow each other.

    Attributes:
      first: number of the first frame.
      times: [F] seconds.
      frame: [N] number of each person's frame.
      points: [N, K, 2] pixels.
      confidence: [N, K].
    """

    first: int
    times: np.ndarray
    frame: np.ndarray
    points: np.ndarray
    confidence: np.ndarray


def resume(folder: str | os.PathLike[str], about: Mapping[str, Any]) -> list[Part]:
    """The parts that a run before this has left, from frame 0 on without a gap.

    If they are of something else, or broken, they are deleted, and the folder is begun anew.

    Args:
      folder: made if missing.
      about: of what the parts are and how they were made; plain values, as JSON has them.

    Raises:
      OutputError: the folder cannot be made or written to.
    """
    folder = files.output_folder(folder)
    try:
        same = files.read_json(folder / _ABOUT) == dict(about)
    except InputError:
        same = False
    parts: list[Part] = []
    for path in sorted(folder.glob("[0-9]*.npz")):
        following = parts[-1].first + len(parts[-1].times) if parts else 0
        part = _read(path) if same else None
        if part is None or part.first != following:
            path.unlink()
        else:
            parts.append(part)
    files.write_json(folder / _ABOUT, dict(about))
    return parts


def keep(folder: str | os.PathLike[str], part: Part) -> None:
    """Writes a part.

    Raises:
      OutputError: it cannot be written.
    """
    with files.replacing(Path(folder) / f"{part.first:08d}.npz") as file:
        np.savez_compressed(file, **_fields(part))


def joined(
    parts: Sequence[Part], names: Sequence[str], stem: str, fps: float
) -> tuple[Detections, np.ndarray]:
    """All parts as detections, and the times [F] of the frames, seconds.

    Args:
      parts: one behind the other, from frame 0 on.
      names: of the K keypoints.
      stem: of the frames' names.
      fps: frames per second, in the mean.
    """
    frames = [
        FramePeople(
            f"{stem}_{number:012d}",
            None,
            number,
            part.points[part.frame == number],
            part.confidence[part.frame == number],
        )
        for part in parts
        for number in range(part.first, part.first + len(part.times))
    ]
    times = np.concatenate([part.times for part in parts])
    return detections.gathered(frames, names, fps), times


def _fields(part: Part) -> dict[str, Any]:
    return part._asdict()


def _read(path: Path) -> Part | None:
    """A part; None for what is broken."""
    try:
        found = npz.read(path, set(Part._fields))
        first, *arrays = (found[field] for field in Part._fields)
        return Part(int(first), *arrays)
    except (InputError, KeyError, TypeError, ValueError):
        return None
