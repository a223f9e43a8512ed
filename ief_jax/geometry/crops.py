"""Square crops of an image, and the maps between its pixels and theirs.

Integer coordinates are pixel centres, x right, y down, in the image and in the crop. A `Box` of
side s about c covers c - s/2 to c + s/2; cut out at n x n pixels it maps

    u = (p - c) n / s + (n - 1) / 2
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from ief_jax import checks

BOXES = 9
LENGTHS = {"smaller": min, "larger": max}
"""What boxes may be measured by, of an image's sides."""
LARGEST, SMALLEST = 1.4, 0.3
"""Sides of the first and the last of the boxes, in units of the image's smaller side."""
PERSON = 1.2
"""Side of the box that fits a person, in units of the person's height."""
WINDOW = 7 / 8
"""Side of the part of a box that the network sees: 224 pixels of 256."""


class Box(NamedTuple):
    """A square in an image: its centre (x, y) and its side, in pixels."""

    x: float
    y: float
    side: float


def candidate_boxes(
    marked: Sequence[float] | np.ndarray, length: float, count: int = BOXES
) -> list[Box]:
    """The squares about a marked point, one of which is to fit the person (Carreira et al., 3).

    Args:
      marked: [2] px, a point on the person.
      length: px; the image's smaller side, in the paper.
      count: how many.

    Returns:
      Boxes from 1.4 to 0.3 times `length`, the largest first, their sides evenly spaced.
    """
    checks.arrays(("marked", marked, "[2] a point on the person, pixels"), ("length", length, "[]"))
    checks.count("count", count, least=1)
    x, y = (float(value) for value in marked)
    return [Box(x, y, float(side)) for side in np.linspace(LARGEST, SMALLEST, count) * length]


def fitting_boxes(candidates: Sequence[Box], height: float, count: int = 3) -> list[Box]:
    """The `count` boxes whose side is closest to 1.2 times a person's height, the closest first.

    Args:
      candidates: from `candidate_boxes`.
      height: the person's height, px.
      count: how many; 3 in the paper's training set, 1 when testing.
    """
    return sorted(candidates, key=lambda box: abs(box.side - PERSON * height))[:count]


def window(box: Box, offset: Sequence[float] | np.ndarray = (0.0, 0.0)) -> Box:
    """The part of a box that the network sees: the paper's 224 x 224 of 256 x 256.

    Args:
      box: the whole box.
      offset: [2]; (-1, -1) for the window at the top left, (1, 1) for that at the bottom right,
        zero for the central one.
    """
    checks.arrays(("offset", offset, "[2] -1 to 1"))
    slack = (1 - WINDOW) * box.side / 2
    return Box(box.x + slack * offset[0], box.y + slack * offset[1], WINDOW * box.side)


def to_crop(points: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Takes points [..., 2] from pixels of the image to pixels of the crop."""
    checks.arrays(("points", points, "[..., 2] pixels"))
    checks.count("size", size, least=1)
    # u = (p - c) n / s + (n - 1) / 2
    return (points - np.array([box.x, box.y])) * (size / box.side) + (size - 1) / 2


def to_image(points: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Takes points [..., 2] from pixels of the crop to pixels of the image."""
    checks.arrays(("points", points, "[..., 2] pixels"))
    checks.count("size", size, least=1)
    return (points - (size - 1) / 2) * (box.side / size) + np.array([box.x, box.y])


def crop(image: Image.Image, box: Box, size: int) -> np.ndarray:
    """Cuts a box out of an image; what lies outside the image is black.

    Args:
      image: in RGB.
      box: where; it may reach beyond the image, and need not touch it.
      size: side of the result, px.

    Returns:
      uint8 [size, size, 3], resampled bilinearly, smoothed where it is made smaller.
    """
    checks.count("size", size, least=1)
    # Pillow's coordinates are those of pixel edges: pixel i covers i to i + 1.
    start = box.x + 0.5 - box.side / 2, box.y + 0.5 - box.side / 2
    pixel = box.side / size
    # Only the part of the result that the image reaches into is resampled: a box can be far
    # larger than the image.
    ranges = [
        _reached(low, pixel, size, length) for low, length in zip(start, image.size, strict=True)
    ]
    result = np.zeros((size, size, 3), np.uint8)
    (left, right), (top, bottom) = ranges
    if left >= right or top >= bottom:
        return result
    # The filter reaches a little beyond the box.
    margin = 1 + round(pixel)
    edges = [
        (low + first * pixel, low + last * pixel)
        for low, (first, last) in zip(start, ranges, strict=True)
    ]
    corner = [int(np.floor(low)) - margin for low, _ in edges]
    far = [int(np.ceil(high)) + margin for _, high in edges]
    region = image.crop((corner[0], corner[1], far[0], far[1]))  # black outside the image
    inside = [
        edge - at
        for pair in zip(*edges, strict=True)
        for edge, at in zip(pair, corner, strict=True)
    ]
    part = region.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=tuple(inside))
    result[top:bottom, left:right] = np.asarray(part)
    return result


def _reached(start: float, pixel: float, size: int, length: int) -> tuple[int, int]:
    """First and last of the crop's pixels, along one axis, that an image of this length reaches."""
    # The filter reaches over a pixel of the image or of the crop, whichever is larger.
    reach = 2 + int(np.ceil(1 / pixel))
    first = int(np.floor(-start / pixel)) - reach
    last = int(np.ceil((length - start) / pixel)) + reach
    return min(max(first, 0), size), min(max(last, 0), size)
