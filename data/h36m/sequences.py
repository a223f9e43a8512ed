"""What all forms of Human3.6M have in common: subjects, cameras, joints, sequences."""

from typing import Any, NamedTuple

import numpy as np

from ief_jax.io import safe_pickle
from ief_jax.io.files import InputError

SUBJECTS = ("S9", "S11")
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
"""In the order of VideoPose3D's lists."""
FRONTAL = 3
"""The paper's "frontal camera (camera 3)": 60457274, as SPIN's Protocol 2 has it."""
EVERY = 5
"""Frames from one that is evaluated to the next."""
DAMAGED = ("S11", "Directions")
"""A sequence whose video is damaged; the scripts that prepare Human3.6M leave it out."""

OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The 17 joints among the 32 of the release, which has some twice."""
HOW = (
    "make it with VideoPose3D's data/prepare_data_h36m.py from the data of "
    "http://vision.imar.ro/human3.6m (see VideoPose3D's DATASETS.md)"
)

SequenceName = tuple[str, str]
"""Subject and action: ("S9", "Walking 1")."""


class Joints(NamedTuple):
    """Those of a sequence that are evaluated.

    Attributes:
      frames: [n], numbers from 0.
      positions: [n, 17, 3] metres, of any origin and axes.
    """

    frames: np.ndarray
    positions: np.ndarray


class Keypoints(NamedTuple):
    """Those that the frontal camera saw in a sequence.

    Attributes:
      place: where they were read, for messages.
      points: [F, K, 2] pixels, of every frame.
    """

    place: str
    points: np.ndarray


def every_fifth(positions: np.ndarray) -> Joints:
    """What is evaluated of the joints [F, 32, 3] of every frame, metres."""
    chosen = positions[::EVERY, OF_32]
    return Joints(np.arange(len(chosen)) * EVERY, chosen)


def array(place: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Finite floats of a shape, in which None stands for any number but 0.

    Raises:
      InputError: it is something else; the message starts with `place`.
    """
    try:
        found = safe_pickle.array(value)
    except safe_pickle.SafePickleError as error:
        raise InputError(f"{place}: {error}") from error
    fits = found.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, found.shape, strict=True)
    )
    if not fits or not found.size or found.dtype.kind != "f":
        expected = str(shape).replace("None", "any")
        raise InputError(f"{place} is {found.dtype} {found.shape}, expected floats {expected}")
    if not np.isfinite(found).all():
        raise InputError(f"{place} has values that are not finite")
    return found
