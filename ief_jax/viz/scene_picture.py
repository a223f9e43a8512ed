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
    whole = Image.new("RGB", size(photograph.size, height), _CANVAS)
    width = whole.width - round(_SIDE * height)
    front = photograph.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    behind = sorted(people, key=lambda person: float(person.vertices[:, 2].mean()))
    canvas = np.asarray(front, np.float32) / 255
    for person in behind:
        # What is nearer has the larger z.
        near = person.vertices[:, 2:] * person.scale
        place = np.concatenate([(person.seen + 0.5) * zoom, near * zoom], 1)
        _paint(canvas, place, faces, person.number, _OPACITY)
    whole.paste(Image.fromarray((canvas * 255 + 0.5).astype(np.uint8)))
    canvas = np.full((height, whole.width - width, 3), _CANVAS, np.float32) / 255
    scale, shift = _fit(side, canvas.shape[1], height)
    for person in people:
        x, y, z = person.vertices.T
        place = scale * np.stack([-z, -y, x], 1) + np.append(shift, 0)
        _paint(canvas, place, faces, person.number, 1.0)
    whole.paste(Image.fromarray((canvas * 255 + 0.5).astype(np.uint8)), (width, 0))
    _label(whole, people, zoom, text)
    return whole


def _fit(side: Extent, width: int, height: int) -> tuple[float, np.ndarray]:
    """Pixels a metre, and where the camera would be in the side view."""
    room = np.array([width, height]) * (1 - 2 * _MARGIN)
    scale = float((room / np.maximum(side.high - side.low, 0.1)).min())
    middle = (side.low + side.high) / 2 * [1, -1]
    return scale, np.array([width, height]) / 2 - scale * middle


def _paint(
    canvas: np.ndarray, place: np.ndarray, faces: np.ndarray, number: int, opacity: float
) -> None:
    """Draws a mesh of vertices [V, 3] in pixels into the canvas [H, W, 3]: in place."""
    low = np.maximum(np.floor(place[:, :2].min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(place[:, :2].max(0)).astype(int) + 1, canvas.shape[1::-1])
    if (high <= low).any():
        return
    part = (int(high[0] - low[0]), int(high[1] - low[1]))
    layer = raster.shade(place - np.append(low, 0), faces, part, SKINS[number % len(SKINS)], 1)
    under = canvas[low[1] : high[1], low[0] : high[0]]
    alpha = layer[..., 3:] * opacity
    under[:] = under * (1 - alpha) + layer[..., :3] * alpha


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
