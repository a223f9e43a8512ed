"""The npz of fitted bodies (`formats.bodies`) of many frames, from those of some frames each."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ief_jax.io import npz
from ief_jax.io.files import InputError, replacing

_ROWS = (
    *("poses", "betas", "trans", "scale", "focal", "principal", "joints", "joint_deviation"),
    *("points", "confidence", "reprojected", "reprojection_error", "frame", "person", "id"),
)
_OF_ALL = ("gender", "joint_names", "skeleton", "keypoint_names")


class People(NamedTuple):
    """What says who is who: the N people of the F frames of one part.

    Attributes:
      points: [N, K, 2] pixels.
      confidence: [N, K].
      frame: [N] number of each person's frame.
      identity: [N] number of the person over frames, or -1.
      numbers: [F] of the frames.
      fps: frames per second, or NaN.
    """

    points: np.ndarray
    confidence: np.ndarray
    frame: np.ndarray
    identity: np.ndarray
    numbers: np.ndarray
    fps: float


def people(part: str | os.PathLike[str]) -> People:
    """The people of one part.

    Raises:
      InputError: it is not a whole npz of bodies; names the file.
    """
    found = _read(part, ("points", "confidence", "frame", "id", "frame_numbers", "fps"))
    return People(
        found["points"],
        found["confidence"],
        found["frame"],
        found["id"],
        found["frame_numbers"],
        float(found["fps"]),
    )


def join(
    parts: Sequence[Path],
    path: str | os.PathLike[str],
    identity: Sequence[np.ndarray] | None = None,
) -> int:
    """Writes one npz of all parts, in their order; memory holds one array of one part at a time.

    The frames' numbers stay if they are all different; else frames are numbered anew, from 0.

    Args:
      parts: files of `bodies.write`, one behind the other.
      path: of the whole.
      identity: of each part, [N] numbers of its people over frames, instead of its own. With
        numbers, the people of a frame are in their order.

    Returns:
      How many bodies there are.

    Raises:
      InputError: a part is not whole; names it.
      OutputError: the file cannot be written.
    """
    small = [
        _read(part, ("frame", "frame_numbers", "id", "skipped_frame", "fps")) for part in parts
    ]
    numbers = np.concatenate([one["frame_numbers"] for one in small])
    if len(np.unique(numbers)) < len(numbers):
        numbers = np.arange(len(numbers))
    starts = np.cumsum([0, *(len(one["frame_numbers"]) for one in small)])
    ids = [one["id"] for one in small] if identity is None else list(identity)
    anybody = any((one >= 0).any() for one in ids)

    def index(number: int, name: str) -> np.ndarray:
        """Of the frames in the array `name` of a part, among those of the part."""
        own = small[number]["frame_numbers"]
        order = np.argsort(own)
        return order[np.searchsorted(own, small[number][name], sorter=order)]

    def order(number: int) -> np.ndarray:
        rows = np.arange(len(ids[number]))
        return np.lexsort((rows, ids[number], index(number, "frame"))) if anybody else rows

    def pieces(name: str) -> Iterator[np.ndarray]:
        for number, part in enumerate(parts):
            if name in ("frame", "skipped_frame"):
                piece = numbers[starts[number] + index(number, name)]
            elif name == "frame_numbers":
                piece = numbers[starts[number] : starts[number + 1]]
            elif name == "id":
                piece = ids[number]
            else:
                piece = _read(part, (name,))[name]
            yield piece[order(number)] if name in _ROWS else piece

    def column(name: str, length: int) -> npz.Pieces:
        return npz.Pieces(length, next(pieces(name)).dtype, pieces(name))

    def text(name: str) -> npz.Pieces:
        found = [(len(piece), piece.dtype) for piece in pieces(name)]
        longest = max((dtype for _, dtype in found), key=lambda dtype: dtype.itemsize)
        return npz.Pieces(sum(length for length, _ in found), longest, pieces(name))

    count = sum(len(one["frame"]) for one in small)
    left_out = sum(len(one["skipped_frame"]) for one in small)
    columns = {name: column(name, count) for name in _ROWS}
    columns |= {name: column(name, left_out) for name in ("skipped_frame", "skipped_person")}
    columns |= {name: text(name) for name in ("frame_names", "images")}
    columns |= {name: text(name) for name in ("skipped_reason", "passed_over")}
    columns["frame_numbers"] = column("frame_numbers", len(numbers))
    rates = {float(one["fps"]) for one in small if len(one["frame"])}
    rate = rates.pop() if len(rates) == 1 else np.nan
    with replacing(path) as file:
        npz.write_pieces(file, columns, {**_read(parts[0], _OF_ALL), "fps": np.array(rate)})
    return count


def _read(part: str | os.PathLike[str], names: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of these names, in their order."""
    found = npz.read(part, names)
    for name in names:
        if name not in found:
            raise InputError(f"{part}: no npz of fitted bodies: it has no '{name}'")
    return found
