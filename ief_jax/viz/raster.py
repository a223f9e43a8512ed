"""A shaded triangle mesh seen by an orthographic camera, in numpy: no display, no GPU."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from ief_jax.geometry.triangles import unit, vertex_normals

# Directions towards the lights, in image axes (x right, y down, z to the viewer), and strengths.
_LIGHTS = (
    (np.array([-0.45, -0.65, 0.62]), 0.70),
    (np.array([0.80, -0.10, 0.45]), 0.28),
    (np.array([0.0, 0.9, 0.3]), 0.08),
)
_AMBIENT = 0.27
_GLOSS = 0.12

_SLIVER = 1e-9
"""Twice the area, in square pixels, of faces that are seen from their edge and not drawn."""


def paint(
    image: Image.Image,
    vertices: np.ndarray,
    faces: np.ndarray,
    colour: tuple[float, float, float],
    opacity: float = 1.0,
    supersampling: int = 2,
) -> None:
    """Draws a mesh over an RGB image, in place.

    Args:
      image: changed in place.
      vertices: as of `picture`, in the image's pixels.
      faces: likewise.
      colour: likewise.
      opacity: of the mesh, in [0, 1].
      supersampling: as of `picture`.
    """
    # No more than the part that the mesh lies in
    low = np.maximum(np.floor(vertices[:, :2].min(0)).astype(int), 0)
    high = np.minimum(np.ceil(vertices[:, :2].max(0)).astype(int), image.size)
    if (high <= low).any():
        return
    (left, top), size = low.tolist(), (int(high[0] - low[0]), int(high[1] - low[1]))
    layer = picture(vertices - np.append(low, 0), faces, size, colour, supersampling)
    coverage = layer.getchannel("A").point([int(opacity * a + 0.5) for a in range(256)])
    image.paste(layer.convert("RGB"), (left, top), coverage)


def shade(
    vertices: np.ndarray,
    faces: np.ndarray,
    size: tuple[int, int],
    colour: tuple[float, float, float],
    supersampling: int = 2,
) -> np.ndarray:
    """`picture` as numbers: [height, width, 4] float32 in [0, 1], colour and coverage."""
    layer = picture(vertices, faces, size, colour, supersampling)
    return np.asarray(layer, np.float32) / 255


def picture(
    vertices: np.ndarray,
    faces: np.ndarray,
    size: tuple[int, int],
    colour: tuple[float, float, float],
    supersampling: int = 2,
) -> Image.Image:
    """Renders a mesh with smooth shading and antialiased outlines.

    Args:
      vertices: [V, 3] x right and y down in pixels, z towards the viewer in pixels too.
      faces: [F, 3] counter-clockwise seen from outside (with y up); back faces are not drawn.
      size: width and height of the image, pixels.
      colour: red, green, blue of the surface in [0, 1].
      supersampling: samples along each side of a pixel.

    Returns:
      An RGBA image: colour and coverage (not premultiplied).
    """
    width, height = size[0] * supersampling, size[1] * supersampling
    scaled = np.asarray(vertices, np.float64) * supersampling
    # y runs down: the mesh is its mirror image, and what points outwards points inwards.
    lit = _lit(-vertex_normals(scaled, faces), np.asarray(colour))
    values = (255 * lit + 0.5).astype(np.float32)
    layer = np.zeros((height, width, 4), np.uint8)
    draw(layer, scaled, faces[_facing(scaled, faces)], values)
    # The mean over samples. Black where nothing is, colours are multiplied by the coverage (RGBa);
    # Pillow divides them again. It takes an array as RGBX without a copy.
    samples = Image.frombuffer("RGBX", (width, height), layer, "raw", "RGBX", 0, 1)
    mean = samples.reduce(supersampling)
    return Image.frombytes("RGBa", mean.size, mean.tobytes()).convert("RGBA")


def draw(
    canvas: np.ndarray,
    vertices: np.ndarray,
    faces: np.ndarray,
    values: np.ndarray,
    at_once: int = 30_000,
) -> None:
    """Writes into a canvas what is nearest to the viewer at each pixel's centre (a z-buffer).

    Both sides of a face are seen; where nothing is, the canvas stays as it was.

    Args:
      canvas: [height, width, D] C-contiguous, changed in place; a channel more than the values have
        becomes 255 where a face is (coverage).
      vertices: [V, 3] x right and y down in pixels, z towards the viewer.
      faces: [F, 3].
      values: [V, D] at the vertices, linear in each face; their type is that in which the pixels'
        depths and values are worked out.
      at_once: about how many pixels of triangles to look at together.
    """
    height, width, channels = canvas.shape
    faces = faces[np.abs(_area(vertices, faces)) > _SLIVER]
    spans = _spans(vertices, faces, width, height)
    starts, steps = _along(spans, vertices, faces, values)
    depth = np.full(width * height, -np.inf, values.dtype)
    # A pixel's values as one item.
    item = np.dtype((np.void, channels * canvas.itemsize))
    pixels = canvas.reshape(-1, channels).view(item)[:, 0]
    ends = np.cumsum(spans.length)
    begin = 0
    while begin < len(ends):
        before = ends[begin - 1] if begin else 0
        stop = max(int(np.searchsorted(ends, before + at_once, "right")), begin + 1)
        count = spans.length[begin:stop]
        offset = ends[begin:stop] - count - before
        of = np.repeat(np.arange(len(count)), count)
        number = np.arange(len(of))
        first = spans.row[begin:stop] * width + spans.first[begin:stop] - offset
        pixel = first[of] + number
        within = (number - offset[of]).astype(values.dtype)
        z, *found = (
            start[of] + step[of] * within
            for start, step in zip(starts[:, begin:stop], steps[:, begin:stop], strict=True)
        )
        np.maximum.at(depth, pixel, z)
        front = np.flatnonzero(z == depth[pixel])
        new = np.full((len(z), channels), 255, canvas.dtype)
        for channel, value in enumerate(found):
            new[:, channel] = value
        pixels[pixel[front]] = new.view(item)[front, 0]
        begin = stop


class _Spans(NamedTuple):
    """Runs of pixels in a row whose centres lie in a face: which face, the row, the first pixel's
    column, and how many; [S] each."""

    face: np.ndarray
    row: np.ndarray
    first: np.ndarray
    length: np.ndarray


def _spans(vertices: np.ndarray, faces: np.ndarray, width: int, height: int) -> _Spans:
    """The pixels of every face; those of an edge belong to one of its faces alone."""
    # Corners from the top down [3, F]: both faces of an edge take it from the same end, so that
    # they round alike. The middle one divides the rows into an upper and a lower half; an edge
    # bounds each half, and the one from top to bottom both.
    order = np.argsort(vertices[:, 1][faces], 1).T
    x, y = (part[np.take_along_axis(faces.T, order, 0)] for part in vertices[:, :2].T)
    line = np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64)
    rows = np.diff(line, axis=0).T.reshape(-1)
    half = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(half)) + np.repeat(line[:2].T.reshape(-1) - np.cumsum(rows) + rows, rows)
    centre = row + 0.5
    with np.errstate(divide="ignore", invalid="ignore"):  # level edges bound no row
        short = (x[1:] - x[:2]) / (y[1:] - y[:2])
        long = (x[2] - x[0]) / (y[2] - y[0])
    face = half >> 1
    one = x[0][face] + (centre - y[0][face]) * long[face]
    start_x, start_y, short = (part.T.reshape(-1)[half] for part in (x[:2], y[:2], short))
    other = start_x + (centre - start_y) * short
    first = np.ceil(np.clip(np.minimum(one, other) - 0.5, 0, width)).astype(np.int64)
    count = np.ceil(np.clip(np.maximum(one, other) - 0.5, 0, width)).astype(np.int64) - first
    kept = np.flatnonzero(count > 0)
    return _Spans(face[kept], row[kept], first[kept], count[kept])


def _along(
    spans: _Spans, vertices: np.ndarray, faces: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Depth and values at each span's first pixel, and what they grow by from one pixel to the
    next: [1 + D, S] each, of the values' type."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    to_b, to_c = b - a, c - a
    whole = _cross(to_b, to_c)
    x = spans.first + 0.5 - a[:, 0][spans.face]
    y = spans.row + 0.5 - a[:, 1][spans.face]
    starts = np.empty((1 + values.shape[1], len(spans.face)), values.dtype)
    steps = np.empty_like(starts)
    for channel, known in enumerate((vertices[:, 2], *values.T)):
        # v = v_a + v_x (x - a_x) + v_y (y - a_y), linear in each face
        at_a, at_b, at_c = (known[faces[:, corner]].astype(np.float64) for corner in range(3))
        by_x = ((at_b - at_a) * to_c[:, 1] - (at_c - at_a) * to_b[:, 1]) / whole
        by_y = ((at_c - at_a) * to_b[:, 0] - (at_b - at_a) * to_c[:, 0]) / whole
        step = by_x[spans.face]
        starts[channel] = at_a[spans.face] + step * x + by_y[spans.face] * y
        steps[channel] = step
    return starts, steps


def _lit(normal: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Diffuse light from a few directions, and a soft highlight of the first (Blinn-Phong)."""
    brightness = np.full(len(normal), _AMBIENT)
    for direction, strength in _LIGHTS:
        # strength * max(0, n . l)
        brightness += strength * np.maximum(normal @ unit(direction), 0)
    half = unit(unit(_LIGHTS[0][0]) + np.array([0.0, 0.0, 1.0]))
    highlight = _GLOSS * np.maximum(normal @ half, 0) ** 24
    return np.clip(brightness[:, None] * colour + highlight[:, None], 0, 1)


def _facing(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which faces show their outside to the viewer."""
    return _area(vertices, faces) < -_SLIVER


def _area(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Twice the signed area [F]; negative when the outside faces the viewer, since y runs down."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return _cross(b - a, c - a)


def _cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]
