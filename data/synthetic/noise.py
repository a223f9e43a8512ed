"""Smooth random fields."""

import numpy as np
from PIL import Image
from scipy import ndimage

_CELLS, _FINE = 16, 4


def field(
    rng: np.random.Generator, size: tuple[int, int], cell: float, octaves: int = 3
) -> np.ndarray:
    """A random field [height, width] in [0, 1].

    Args:
      rng: randomness.
      size: width and height, px.
      cell: size of its largest features, px; each octave is half as large and half as strong.
      octaves: how many sizes of features.
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        grid = [int(np.ceil(side / max(cell / 2**octave, 1))) + 3 for side in (height, width)]
        coarse = Image.fromarray(rng.random(grid, np.float32))
        total += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) / 2**octave
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def volume(rng: np.random.Generator) -> np.ndarray:
    """Vectors with coordinates in [-1, 1], smooth and periodic, for `at`: [64, 64, 64, 3]."""
    coarse = rng.uniform(-1, 1, (3, _CELLS, _CELLS, _CELLS))
    fine = [ndimage.zoom(c, _FINE, order=1, mode="grid-wrap", grid_mode=True) for c in coarse]
    return np.stack(fine, -1).astype(np.float32)


def at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A `volume` at places [n, 3], in units of its features' size: [n, 3]."""
    x, y, z = np.floor(places * _FINE).astype(np.int64).T % (_CELLS * _FINE)
    return values[x, y, z]
