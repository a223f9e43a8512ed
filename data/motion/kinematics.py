"""Rotations and positions along a tree of bones, in NumPy, for many frames at once."""

from collections.abc import Sequence

import numpy as np


def compose(local: np.ndarray, parents: Sequence[int]) -> np.ndarray:
    """World rotations of bones from local ones; a parent stands before its children.

    Args:
      local: [N, J, 3, 3], each relative to the parent's.
      parents: [J] the parent of each bone, -1 for the root.

    Returns:
      [N, J, 3, 3].
    """
    world = local.copy()
    for bone, parent in enumerate(parents):
        if parent >= 0:
            world[:, bone] = world[:, parent] @ local[:, bone]
    return world


def positions(world: np.ndarray, offsets: np.ndarray, parents: Sequence[int]) -> np.ndarray:
    """Joint positions [N, J, 3] from the bones' world rotations; the root is at the origin.

    Args:
      world: [N, J, 3, 3].
      offsets: [J, 3] each joint from its parent, in the rest pose.
      parents: [J] the parent of each joint, -1 for the root.
    """
    places = np.zeros((*world.shape[:2], 3), world.dtype)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            places[:, joint] = places[:, parent] + world[:, parent] @ offsets[joint]
    return places
