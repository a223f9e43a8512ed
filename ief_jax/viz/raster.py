"""A shaded triangle mesh seen by an orthographic camera, in numpy: no display, no GPU."""

from typing import NamedTuple

import numpy as np

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
      corners: [n, 3] the vertices of the face there.
      weights: [n, 3] barycentric coordinates of the pixel's centre in the face; their sum is one.
    """

    pixel: np.ndarray
    corners: np.ndarray
    weights: np.ndarray

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        """Values at the vertices [V, D] to the pixels: [n, D]."""
        return (self.weights[..., None] * values[self.corners]).sum(1)


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
    normal = unit(seen.interpolate(normals).astype(np.float32))
    # Colour times coverage, so that the mean over samples is right.
    layer = np.zeros((height * width, 4), np.float32)
    layer[seen.pixel, :3] = _lit(normal, np.asarray(colour))
    layer[seen.pixel, 3] = 1
    shifts = range(supersampling)
    samples = layer.reshape(height, width, 4)
    picture = sum(
        (samples[i::supersampling, j::supersampling] for i in shifts for j in shifts),
        np.zeros((size[1], size[0], 4), np.float32),
    ) / np.float32(supersampling**2)
    picture[..., :3] /= np.maximum(picture[..., 3:], 1e-6)
    return picture


def visible_surface(
    vertices: np.ndarray, faces: np.ndarray, width: int, height: int, at_once: int = 1_000_000
) -> Surface:
    """What is nearest to the viewer at each pixel's centre (a z-buffer); both sides of a face.

    Args:
      vertices: [V, 3] x right and y down in pixels, z towards the viewer.
      faces: [F, 3].
      width: of the image, pixels.
      height: likewise.
      at_once: about how many pairs of a triangle and a pixel in its box to look at together.
    """
    corners = vertices[faces]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = _area(vertices, faces)
    low = np.maximum(np.ceil(corners[..., :2].min(1) - 0.5), 0).astype(np.int64)
    high = np.minimum(np.floor(corners[..., :2].max(1) - 0.5), [width - 1, height - 1])
    span = np.maximum(high.astype(np.int64) - low + 1, 0)
    pairs = np.where(np.abs(area) > _SLIVER, span[:, 0] * span[:, 1], 0)
    depth = np.full(width * height, -np.inf)
    face = np.zeros(width * height, np.int64)
    weights = np.zeros((width * height, 3))
    ends = np.cumsum(pairs)
    start = 0
    while start < len(faces):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + at_once, "right")), start + 1)
        chosen = start + np.flatnonzero(pairs[start:stop])
        start = stop
        # Every pixel of every triangle's box.
        triangle = np.repeat(chosen, pairs[chosen])
        within = np.arange(len(triangle)) - np.repeat(
            np.cumsum(pairs[chosen]) - pairs[chosen], pairs[chosen]
        )
        x = low[triangle, 0] + within % span[triangle, 0]
        y = low[triangle, 1] + within // span[triangle, 0]
        centre = np.stack([x, y], -1) + 0.5
        # Barycentric coordinates: areas opposite to each corner over the whole.
        u = _cross(c[triangle, :2] - b[triangle, :2], centre - b[triangle, :2]) / area[triangle]
        v = _cross(a[triangle, :2] - c[triangle, :2], centre - c[triangle, :2]) / area[triangle]
        inside = (u >= 0) & (v >= 0) & (u + v <= 1)
        triangle, u, v = triangle[inside], u[inside], v[inside]
        pixel = (y * width + x)[inside]
        z = u * a[triangle, 2] + v * b[triangle, 2] + (1 - u - v) * c[triangle, 2]
        np.maximum.at(depth, pixel, z)
        front = z == depth[pixel]
        weights[pixel[front]] = np.stack([u, v, 1 - u - v], -1)[front]
        face[pixel[front]] = triangle[front]
    visible = np.flatnonzero(np.isfinite(depth))
    return Surface(visible, faces[face[visible]], weights[visible])


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
