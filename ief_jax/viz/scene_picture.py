"""Photographs with the bodies of all people: over the photograph, and from the side."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ief_jax.viz import raster
from ief_jax.viz.colours import INK, PAPER, SKINS

_CANVAS = (244, 244, 242)
_OPACITY = 0.88
_SIDE = 0.75
"""Width of the side view, of the picture's height."""
_NEAREST = 0.1
"""Metres from the camera at which what is nearer is drawn."""
_MARGIN = 0.06
"""Of the side view, on each side."""


class Person(NamedTuple):
    """Somebody to be drawn.

    Attributes:
      number: of the person; chooses the colour.
      vertices: [V, 3] metres from the camera, which looks along -z; y up.
      seen: [V, 2] where the camera sees them, pixels of the photograph.
      scale: of the photograph where the person is, pixels a metre.
    """

    number: int
    vertices: np.ndarray
    seen: np.ndarray
    scale: float


class Lens(NamedTuple):
    """How the camera sees: focal length and principal point [2], pixels of the photograph."""

    focal: float
    principal: np.ndarray


class Extent(NamedTuple):
    """What the side view shows: from low to high [2], metres away from the camera and upwards."""

    low: np.ndarray
    high: np.ndarray


def seen_through(lens: Lens, number: int, vertices: np.ndarray) -> Person:
    """Somebody with vertices [V, 3], metres from the camera, as it sees them."""
    depth = np.maximum(-vertices[:, 2:], _NEAREST)
    # x = f X / Z + c
    seen = lens.focal * vertices[:, :2] * [1, -1] / depth + lens.principal
    return Person(number, vertices, seen, lens.focal / float(np.median(depth)))


def extent(points: np.ndarray) -> Extent:
    """Of points [N, 3], metres from the camera: all but the farthest hundredth at each end."""
    seen = np.stack([-points[:, 2], points[:, 1]], 1)
    low, high = np.quantile(seen, [0.01, 0.99], axis=0)
    return Extent(low - 0.3, high + 0.3)


def size(photograph: tuple[int, int], height: int) -> tuple[int, int]:
    """Width and height of `picture` of a photograph of this size."""
    return round(photograph[0] * height / photograph[1]) + round(_SIDE * height), height


def plain(size: tuple[int, int]) -> Image.Image:
    """What is drawn on where there is no photograph of this width and height."""
    return Image.new("RGB", size, _CANVAS)


def picture(
    photograph: Image.Image,
    people: Sequence[Person],
    faces: np.ndarray,
    side: Extent,
    height: int,
    text: str = "",
) -> Image.Image:
    """The photograph with the bodies, and the bodies alone as seen from the image's right.

    Whoever faces the camera faces left in the side view.

    Args:
      photograph: or a frame of a video.
      people: whom to draw.
      faces: [F, 3] of the bodies' mesh.
      side: of the side view; one for all frames of a video.
      height: of the picture, pixels.
      text: what to write into the lower left corner.
    """
    zoom = height / photograph.height
    whole = plain(size(photograph.size, height))
    width = whole.width - round(_SIDE * height)
    front = photograph.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    behind = sorted(people, key=lambda person: float(person.vertices[:, 2].mean()))
    for person in behind:
        # What is nearer has the larger z.
        near = person.vertices[:, 2:] * person.scale
        place = np.concatenate([(person.seen + 0.5) * zoom, near * zoom], 1)
        raster.paint(front, place, faces, _skin(person), _OPACITY, supersampling=1)
    beside = plain((whole.width - width, height))
    scale, shift = _fit(side, *beside.size)
    for person in people:
        x, y, z = person.vertices.T
        place = scale * np.stack([-z, -y, x], 1) + np.append(shift, 0)
        raster.paint(beside, place, faces, _skin(person), supersampling=1)
    whole.paste(front)
    whole.paste(beside, (width, 0))
    _label(whole, people, zoom, text)
    return whole


def _fit(side: Extent, width: int, height: int) -> tuple[float, np.ndarray]:
    """Pixels a metre, and where the camera would be in the side view."""
    room = np.array([width, height]) * (1 - 2 * _MARGIN)
    scale = float((room / np.maximum(side.high - side.low, 0.1)).min())
    middle = (side.low + side.high) / 2 * [1, -1]
    return scale, np.array([width, height]) / 2 - scale * middle


def _skin(person: Person) -> tuple[float, float, float]:
    return SKINS[person.number % len(SKINS)]


def _label(image: Image.Image, people: Sequence[Person], zoom: float, text: str) -> None:
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(10, image.height // 32))
    for person in people:
        x, y = person.seen[person.vertices[:, 1].argmax()]
        place = (float(x * zoom), float(y * zoom) - 4)
        pen.text(place, str(person.number), PAPER, font, "mb", stroke_width=2, stroke_fill=INK)
    if text:
        place = (6.0, image.height - 6.0)
        pen.text(place, text, PAPER, font, "lb", stroke_width=2, stroke_fill=INK)
