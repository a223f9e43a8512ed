"""One annotated person in one image: what the readers of all keypoint data sets give."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from ief_jax.io.files import InputError, read_bytes


@dataclass(frozen=True, eq=False)
class Person:
    """A person with K keypoints, in the layout of the data set; left and right are the person's.

    Attributes:
      name: which one, for messages and results.
      image: the encoded image, or the file that holds it.
      points: [K, 2] px, finite everywhere; integer coordinates are pixel centres.
      annotated: [K] whether the keypoint's place is known; the others' coordinates mean nothing.
      visible: [K] whether it can be seen; false where it is not annotated.
      marked: [2] px, a point on the person.
      height: the person's height, px.
      head_size: PCKh's unit of length, px; NaN where it is not annotated.
    """

    name: str
    image: Path | bytes
    points: np.ndarray
    annotated: np.ndarray
    visible: np.ndarray
    marked: np.ndarray
    height: float
    head_size: float = float("nan")


def middle(points: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """The middle [2] of the bounding box of the annotated ones of points [K, 2]."""
    known = points[annotated]
    return (known.min(0) + known.max(0)) / 2


def decode(image: Path | bytes, name: str = "an image") -> Image.Image:
    """The image of a person, RGB, in the pixels that its annotation counts in.

    Raises:
      InputError: it is missing, no image, or broken.
    """
    content = image if isinstance(image, bytes) else read_bytes(image)
    try:
        with Image.open(BytesIO(content)) as opened:
            return opened.convert("RGB")
    except Exception as error:  # Pillow has many of its own on what is broken
        where = name if isinstance(image, bytes) else image
        raise InputError(f"{where}: not an image that can be read ({error})") from error
