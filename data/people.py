"""One annotated person in one image: what the readers of all keypoint data sets give."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from ief_jax.files import InputError, read_bytes


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


# Shares of a standing person's height (Drillis & Contini 1966), measured between these keypoints;
# those of the second group are used where none of the first is to be had.
_SHARES = (
    {
        ("ankle", "knee"): 0.246,
        ("knee", "hip"): 0.245,
        ("hip", "upper_neck"): 0.31,
        ("upper_neck", "head_top"): 0.17,
    },
    {
        ("hip", "shoulder"): 0.288,
        ("shoulder", "elbow"): 0.186,
        ("elbow", "wrist"): 0.146,
    },
)


def height(points: np.ndarray, annotated: np.ndarray, names: tuple[str, ...]) -> float:
    """A person's height in pixels, from keypoints: for data sets that do not annotate it.

    The longer of the two sides of the keypoints' bounding box, or the height of a standing person
    whose legs, trunk and head are as long as those in the image, whichever is more: a crouching
    person still has legs, and arms may reach above the head.

    Args:
      points: [K, 2] px.
      annotated: [K] which of them count; one at least.
      names: the K keypoints' names.
    """
    known = points[annotated]
    extent = float((known.max(0) - known.min(0)).max())
    by_name = dict(zip(np.array(names)[annotated].tolist(), known, strict=True))
    for shares in _SHARES:
        length = share = 0.0
        for ends, part in shares.items():
            for side in ("left_", "right_"):
                found = [by_name.get(side + end, by_name.get(end)) for end in ends]
                if found[0] is not None and found[1] is not None:
                    length += float(np.linalg.norm(found[0] - found[1]))
                    share += part
        if share:
            return max(extent, length / share)
    return extent


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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        where = name if isinstance(image, bytes) else image
        raise InputError(f"{where}: not an image that can be read ({error})") from error
