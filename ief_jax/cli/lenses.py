"""The lens of each person's photograph: said, or written there by the camera, or not known."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ief_jax.cli.shared import say
from ief_jax.formats import photographs
from ief_jax.formats.detections import Detections
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from ief_jax.geometry.camera import Intrinsics


class Lenses(NamedTuple):
    """Of the photographs of N people.

    Attributes:
      known: [N] whether it is known.
      inverse_focal: [N] 1 / pixels, where it is.
      centre: [N, 2] pixels, likewise.
    """

    known: np.ndarray
    inverse_focal: np.ndarray
    centre: np.ndarray

    def of(self, rows: np.ndarray) -> "Intrinsics | None":
        """Those of some people; None unless all are known."""
        from ief_jax.geometry.camera import Intrinsics

        if not self.known[rows].all():
            return None
        return Intrinsics(
            self.inverse_focal[rows].astype(np.float32), self.centre[rows].astype(np.float32)
        )


def check_focal(focal: float | None) -> None:
    """Raises InputError unless a focal length that is given is one."""
    if focal is not None and not focal > 0:
        raise InputError(f"--focal {focal:g}: expected pixels, more than 0")


def of_people(
    focal: float | None,
    size: tuple[float, float] | None,
    album: photographs.Album,
    people: Detections,
) -> Lenses:
    """The lens of each person's photograph.

    Args:
      focal: of all, pixels; without it, what the camera wrote into each photograph counts.
      size: of every image, pixels; without it, that of the photographs.
      album: the photographs.
      people: in them.

    Raises:
      InputError: the focal length is no length, or the size of an image is not known.
    """
    check_focal(focal)
    frames, rows = np.unique(people.frame, return_inverse=True)
    paths = [photograph_of(album, people, frame) for frame in frames.tolist()]
    if focal is None:
        written = [None if path is None else _written(path) for path in paths]
        focals = np.array([np.nan if one is None else one for one in written])
        _say_written(focals)
    else:
        focals = np.full(len(frames), focal, np.float64)
    known = np.isfinite(focals)
    middles = np.zeros((len(frames), 2))
    for index in np.flatnonzero(known):
        middles[index] = _size(size, paths[index], people.frame_names[frames[index]])
        middles[index] /= 2
    return Lenses(known[rows], (1 / np.where(known, focals, 1))[rows], middles[rows])


def _written(path: Path) -> float | None:
    """What the camera wrote into a photograph; None where that is broken: it has no middle."""
    return None if photographs.size(path) is None else photographs.focal_length(path)


def _say_written(focals: np.ndarray) -> None:
    """Says what the cameras wrote: pixels, or NaN."""
    known = focals[np.isfinite(focals)]
    if not len(known):
        return
    low, high = known.min(), known.max()
    shown = f"{low:.0f}" + (f" to {high:.0f}" if high - low >= 1 else "")
    if len(known) == len(focals):
        say(f"focal length {shown} pixels, from the photographs' EXIF; --focal says another")
    else:
        say(
            f"focal length {shown} pixels, from the EXIF of {len(known)} of {len(focals)} "
            "photographs; in the others people are taken to be some metres away"
        )


def photograph_of(album: photographs.Album, people: Detections, frame: int) -> Path | None:
    """A frame's photograph in the album, if it is there."""
    return photographs.find(
        album, people.frame_names[frame], people.images[frame], people.numbers[frame]
    )


def _size(size: tuple[float, float] | None, path: Path | None, frame: str) -> tuple[float, float]:
    found = photographs.size(path) if size is None and path is not None else size
    if found is None and path is not None:
        raise InputError(
            f"{path}: {photographs.why_not(path)}, and --focal needs its size: give --image-size "
            "WIDTH HEIGHT"
        )
    if found is None:
        raise InputError(
            f"--focal needs the size of the image {frame}: give "
            "--image-size WIDTH HEIGHT, or its photograph by --images"
        )
    return found
