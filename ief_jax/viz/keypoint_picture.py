"""Pictures of keypoints over the photograph that they were found in."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ief_jax.viz.colours import INK, PAPER, Colour, limb_colour, side_colour

_SIDES = ("left", "right")
LIMBS = (
    ("head_top", "upper_neck"),
    *(("upper_neck", f"{side}_shoulder") for side in _SIDES),
    ("left_shoulder", "right_shoulder"),
    *((f"{side}_shoulder", f"{side}_hip") for side in _SIDES),
    ("left_hip", "right_hip"),
    *((f"{side}_shoulder", f"{side}_elbow") for side in _SIDES),
    *((f"{side}_elbow", f"{side}_wrist") for side in _SIDES),
    *((f"{side}_hip", f"{side}_knee") for side in _SIDES),
    *((f"{side}_knee", f"{side}_ankle") for side in _SIDES),
    *(("nose", f"{side}_eye") for side in _SIDES),
    *((f"{side}_eye", f"{side}_ear") for side in _SIDES),
)
"""Pairs of keypoints to join with a line, where a skeleton has both."""

SMALLEST, LARGEST = 640, 1600
"""Bounds of the picture's longer side, pixels."""

_FAINTEST = 0.45
"""Opacity of what has no confidence at all."""
_THINNEST = 1.5
"""Unit of lines and dots of somebody very small, in half pixels."""
_SURE = 0.5
"""Confidence below which a dot becomes a ring."""


class DrawnPerson(NamedTuple):
    """One person to be drawn.

    Attributes:
      points: [K, 2] pixels of the photograph.
      confidence: [K] in [0, 1]; the less, the fainter, and below a half a ring instead of a dot.
      marked: [2] pixels, the point that told the person from others; a cross.
    """

    points: np.ndarray
    confidence: np.ndarray
    marked: np.ndarray


def limbs(names: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of rows of `names` to join with a line."""
    index = {name: i for i, name in enumerate(names)}
    return [(index[a], index[b]) for a, b in LIMBS if a in index and b in index]


def picture(
    photograph: Image.Image, people: Sequence[DrawnPerson], names: Sequence[str]
) -> Image.Image:
    """The photograph with everybody's skeleton: left blue, right orange, the middle green.

    Args:
      photograph: in RGB; what is larger or smaller than is good to look at is resized.
      people: to draw; where there are several, each has its number beside its marked point.
      names: of the K keypoints.
    """
    longer = max(photograph.size)
    zoom = min(max(longer, SMALLEST), LARGEST) / longer
    size = tuple(max(1, round(side * zoom)) for side in photograph.size)
    # Twice the size, for smooth edges.
    layer = Image.new("RGBA", (2 * size[0], 2 * size[1]))
    pen = ImageDraw.Draw(layer)
    for number, person in enumerate(people):
        # Pixel centres are integers here, halves for Pillow.
        place = DrawnPerson(
            (person.points + 0.5) * 2 * zoom, person.confidence, (person.marked + 0.5) * 2 * zoom
        )
        thick = min(max(layer.size) / 320, np.ptp(place.points, 0).max() / 60)
        thick = max(float(thick), _THINNEST)
        _skeleton(pen, place, names, thick)
        _marked(pen, place.marked, thick, str(number) if len(people) > 1 else "")
    seen = photograph.resize((size[0], size[1]), Image.Resampling.LANCZOS).convert("RGBA")
    # Averaged with its opacity as the weight, so that edges keep their colour.
    return Image.alpha_composite(seen, layer.resize(seen.size, Image.Resampling.BOX)).convert("RGB")


def _skeleton(
    pen: ImageDraw.ImageDraw, person: DrawnPerson, names: Sequence[str], thick: float
) -> None:
    for first, second in limbs(names):
        ends = [(float(x), float(y)) for x, y in person.points[[first, second]]]
        sure = float(min(person.confidence[first], person.confidence[second]))
        opacity = round(255 * (_FAINTEST + (1 - _FAINTEST) * sure))
        colour = (*limb_colour(names[first], names[second]), opacity)
        pen.line(ends, fill=colour, width=round(1.6 * thick))
    for name, point, sure in zip(names, person.points, person.confidence, strict=True):
        _disc(pen, point, 2.2 * thick, PAPER)
        _disc(pen, point, 1.8 * thick, side_colour(name))
        if sure < _SURE:
            _disc(pen, point, 1.1 * thick, PAPER)


def _marked(pen: ImageDraw.ImageDraw, point: np.ndarray, thick: float, label: str) -> None:
    x, y = (float(c) for c in point)
    for colour, reach, width in ((INK, 3.6, 1.8), (PAPER, 3.2, 0.9)):
        across, along = reach * thick, max(1, round(width * thick))
        pen.line([(x - across, y), (x + across, y)], fill=colour, width=along)
        pen.line([(x, y - across), (x, y + across)], fill=colour, width=along)
    if label:
        font = ImageFont.load_default(9 * thick)
        place = (x + 2 * thick, y - 2 * thick)
        pen.text(place, label, PAPER, font, anchor="lb", stroke_width=round(thick), stroke_fill=INK)


def _disc(pen: ImageDraw.ImageDraw, centre: np.ndarray, radius: float, colour: Colour) -> None:
    x, y = (float(c) for c in centre)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
