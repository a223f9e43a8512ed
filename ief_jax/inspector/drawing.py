"""What subjects of all kinds have in common: colours, bones, arrays as long as there are states."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

from ief_jax.viz.colours import Colour, side_colour

UPDATE = "update"
UPDATE_COLOUR = "#c2185b"
DESCENT = "negative gradient"
DESCENT_COLOUR = "#607d8b"
TARGET = "target"
TARGET_COLOUR = "#00897b"


def css(colour: Colour) -> str:
    """A colour as in CSS."""
    return "rgb({}, {}, {})".format(*colour)


def colours(names: Sequence[str]) -> tuple[str, ...]:
    """Of the keypoints' sides."""
    return tuple(css(side_colour(name)) for name in names)


def bones(parents: Sequence[int]) -> np.ndarray:
    """[J - 1, 2] each joint and its parent, of those that have one."""
    return np.array([(parent, joint) for joint, parent in enumerate(parents) if parent >= 0])


def to_length(steps: ArrayLike, states: int, places: ArrayLike | None = None) -> np.ndarray:
    """What T steps have, [T, ...], of S states [S, ...]: NaN where a state has no such thing.

    Args:
      steps: of the first T states.
      states: S.
      places: [S, ...]; where they are given, later states have the way to the next place.
    """
    found = np.asarray(steps)
    whole = np.full((states, *found.shape[1:]), np.nan, np.float32)
    if places is not None:
        whole[:-1] = np.diff(np.asarray(places), axis=0)
    whole[: len(found)] = found
    return whole
