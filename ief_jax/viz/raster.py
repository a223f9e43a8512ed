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


class Surface(NamedTuple):
    """What of a mesh is seen in an image, at n of its pixels.

    Attributes:
      pixel: [n] row times width plus column.
      face: [n] which of the F faces is there.
      faces: [F, 3] vertices of the faces.
      places: [F, 3, 2] where these are, x and y in pixels.
      width: of the image, pixels.
    """

    pixel: np.ndarray
    face: np.ndarray
    faces: np.ndarray
    places: np.ndarray
    width: int

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        """Values at the vertices [V, D] to the pixels' centres: [n, D]."""
        # v = v_a + v_x (x - a_x) + v_y (y - a_y), linear in each face. What stays the same in a
        # face is worked out once, since the pixels are many more.
        a, b, c = (values[self.faces[:, corner]] for corner in range(3))
        to_b, to_c = self.places[:, 1] - self.places[:, 0], self.places[:, 2] - self.places[:, 0]
        whole = _cross(to_b, to_c)[:, None]
        by_x = ((b - a) * to_c[:, 1:] - (c - a) * to_b[:, 1:]) / whole
        by_y = ((c - a) * to_b[:, :1] - (b - a) * to_c[:, :1]) / whole
        row = self.pixel // self.width
        x = self.pixel - self.width * row + 0.5 - self.places[self.face, 0, 0]
        y = row + 0.5 - self.places[self.face, 0, 1]
        found = np.empty((len(self.pixel), values.shape[1]))
        for column, (start, along_x, along_y) in enumerate(zip(a.T, by_x.T, by_y.T, strict=True)):
            found[:, column] = start[self.face] + along_x[self.face] * x + along_y[self.face] * y
        return found


def shade(
    vertices: np.ndarray,
    faces: np.ndarray,
    size: tuple[int, int],
    colour: tuple[float, float, float],
    supersampling: int = 2,
) -> np.ndarray:
    """Renders a mesh with smooth shading and antialiased outlines.

    Args:
      vertices: [V, 3] x right and y down in pixels, z towards the viewer in pixels too.
      faces: [F, 3] counter-clockwise seen from outside (with y up); back faces are not drawn.
      size: width and height of the image, pixels.
      colour: red, green, blue of the surface in [0, 1].
      supersampling: samples along each side of a pixel.

    Returns:
      [height, width, 4] float32 in [0, 1]: colour and coverage (not premultiplied).
    """
    width, height = size[0] * supersampling, size[1] * supersampling
    scaled = np.asarray(vertices, np.float64) * supersampling
    # y runs down: the mesh is its mirror image, and what points outwards points inwards.
    normals = -vertex_normals(scaled, faces)
    seen = visible_surface(scaled, faces[_facing(scaled, faces)], width, height)
    layer = np.zeros((height * width, 4), np.uint8)
    lit = _lit(normals, np.asarray(colour))
    layer[seen.pixel, :3] = seen.interpolate(255 * lit + 0.5)
    layer[seen.pixel, 3] = 255
    # The mean over samples. Black where nothing is, colours are multiplied by the coverage (RGBa);
    # Pillow divides them again.
    samples = Image.frombuffer("RGBa", (width, height), layer, "raw", "RGBa", 0, 1)
    return np.asarray(samples.reduce(supersampling).convert("RGBA"), np.float32) / 255


def visible_surface(
    vertices: np.ndarray, faces: np.ndarray, width: int, height: int, at_once: int = 1_000_000
) -> Surface:
    """What is nearest to the viewer at each pixel's centre (a z-buffer); both sides of a face.

    Args:
      vertices: [V, 3] x right and y down in pixels, z towards the viewer.
      faces: [F, 3].
      width: of the image, pixels.
      height: likewise.
      at_once: about how many pixels of triangles to look at together.
    """
    faces = faces[np.abs(_area(vertices, faces)) > _SLIVER]
    spans = _spans(vertices, faces, width, height)
    slope, level = _planes(vertices[faces])
    depth = np.full(width * height, -np.inf)
    face = np.zeros(width * height, np.int64)
    ends = np.cumsum(spans.length)
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + at_once, "right")), start + 1)
        of, row, first, count = (part[start:stop] for part in spans)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        pixel = np.repeat(row * width + first, count) + within
        # z = z_0 + z_x x + z_y y, in the face's plane
        left = level[of] + slope[of, 0] * (first + 0.5) + slope[of, 1] * (row + 0.5)
        z = np.repeat(left, count) + np.repeat(slope[of, 0], count) * within
        np.maximum.at(depth, pixel, z)
        front = z == depth[pixel]
        face[pixel[front]] = np.repeat(of, count)[front]
        start = stop
    pixel = np.flatnonzero(depth > -np.inf)
    return Surface(pixel, face[pixel], faces, vertices[faces][..., :2], width)


class _Spans(NamedTuple):
    """Runs of pixels in a row whose centres lie in a face: which face, the row, the first pixel's
    column, and how many; [S] each."""

    face: np.ndarray
    row: np.ndarray
    first: np.ndarray
    length: np.ndarray


def _spans(vertices: np.ndarray, faces: np.ndarray, width: int, height: int) -> _Spans:
    """The pixels of every face; those of an edge belong to one of its faces alone."""
    y = vertices[faces, 1]
    top = np.maximum(np.ceil(y.min(1) - 0.5), 0).astype(np.int64)
    bottom = np.minimum(np.ceil(y.max(1) - 0.5), height).astype(np.int64)
    rows = np.maximum(bottom - top, 0)
    face = np.repeat(np.arange(len(faces)), rows)
    row = np.repeat(top - np.cumsum(rows) + rows, rows) + np.arange(len(face))
    centre = row + 0.5
    low, high = np.full(len(face), np.inf), np.full(len(face), -np.inf)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        # From the same end for both faces of an edge, so that they round alike.
        start = vertices[np.minimum(faces[:, one], faces[:, other]), :2]
        end = vertices[np.maximum(faces[:, one], faces[:, other]), :2]
        crossed = (start[:, 1][face] <= centre) != (end[:, 1][face] <= centre)
        which = face[crossed]
        with np.errstate(divide="ignore", invalid="ignore"):  # level edges cross no row
            slope = (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
        x = start[which, 0] + (centre[crossed] - start[which, 1]) * slope[which]
        low[crossed] = np.minimum(low[crossed], x)
        high[crossed] = np.maximum(high[crossed], x)
    first = np.ceil(np.clip(low - 0.5, 0, width)).astype(np.int64)
    count = np.ceil(np.clip(high - 0.5, 0, width)).astype(np.int64) - first
    kept = count > 0
    return _Spans(face[kept], row[kept], first[kept], count[kept])


def _planes(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(z_x, z_y) [F, 2] and z_0 [F] of the planes z = z_0 + z_x x + z_y y of [F, 3, 3] corners."""
    a = corners[:, 0]
    to_b, to_c = corners[:, 1] - a, corners[:, 2] - a
    normal = np.cross(to_b, to_c)
    slope = -normal[:, :2] / normal[:, 2:]
    return slope, a[:, 2] - (slope * a[:, :2]).sum(1)


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
