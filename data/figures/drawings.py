"""Stick figures: a line a limb, in colours that tell the limbs apart."""

import cv2
import numpy as np

SIZE = 96
"""Side of the square image, px."""
TALL = 52.0
"""The larger side of a figure's keypoints, px."""
LIMBS = {
    ("right_ankle", "right_knee"): (165, 45, 45),
    ("right_knee", "right_hip"): (220, 60, 60),
    ("left_hip", "left_knee"): (60, 60, 220),
    ("left_knee", "left_ankle"): (45, 45, 165),
    ("right_hip", "left_hip"): (70, 135, 60),
    ("right_wrist", "right_elbow"): (165, 105, 30),
    ("right_elbow", "right_shoulder"): (220, 140, 40),
    ("left_shoulder", "left_elbow"): (40, 140, 220),
    ("left_elbow", "left_wrist"): (30, 105, 165),
    ("right_shoulder", "left_shoulder"): (90, 180, 80),
    ("upper_neck", "head_top"): (205, 180, 150),
}
"""The ends of every limb, and its colour (red, green, blue) before it is varied."""
_FRACTION = 4
"""Bits of a pixel that lines are placed by."""


def draw(rng: np.random.Generator, points: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """A figure before a blurred background, among a few lines that belong to nobody.

    Args:
      rng: all that is random: colours, background, which limb is in front.
      points: [K, 2] px.
      names: of the K keypoints.

    Returns:
      uint8 [SIZE, SIZE, 3] RGB.
    """
    picture = cv2.resize(
        rng.uniform(30, 220, (6, 6, 3)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC
    )
    picture = _pixels(picture + rng.normal(0, 6, picture.shape))
    for _ in range(rng.integers(0, 4)):
        _line(
            picture, rng.uniform(0, SIZE, (2, 2)), rng.uniform(0, 255, 3), int(rng.integers(2, 6))
        )
    limbs = list(LIMBS.items())
    for index in rng.permutation(len(limbs)):
        ends, colour = limbs[index]
        line = points[[names.index(end) for end in ends]]
        _line(picture, line, colour + rng.normal(0, 15, 3), 4)
    return picture


def _line(picture: np.ndarray, ends: np.ndarray, colour: np.ndarray, width: int) -> None:
    """Draws a line between ends [2, 2] px."""
    start, end = np.round(ends * 2**_FRACTION).astype(int).tolist()
    shade = _pixels(colour).tolist()
    cv2.line(picture, start, end, shade, int(width), cv2.LINE_AA, _FRACTION)


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
