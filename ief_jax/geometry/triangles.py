"""Triangle meshes in numpy."""

import numpy as np


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [V, 3], pointing outwards.

    Args:
      vertices: [V, 3].
      faces: [F, 3] counter-clockwise seen from outside.
    """
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    index = faces.T.reshape(-1)
    sums = [np.bincount(index, np.tile(face[:, i], 3), len(vertices)) for i in range(3)]
    return unit(np.stack(sums, -1))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., D] of length one in the same directions; zero stays zero."""
    lengths = np.sqrt(np.einsum("...i,...i", vectors, vectors))
    return vectors / np.maximum(lengths, 1e-12)[..., None]
