"""What the files of a capture say, whatever their format."""

from typing import NamedTuple

import numpy as np


class Motion(NamedTuple):
    """A skeleton of J bones over N frames.

    Attributes:
      names: the J bones, parents first, by their names in the file.
      rotations: [N, J, 3, 3] rotation of each bone in the world, float64.
      directions: [J, 3] where each bone points in its own axes, any length; zero where unknown.
    """

    names: tuple[str, ...]
    rotations: np.ndarray
    directions: np.ndarray
