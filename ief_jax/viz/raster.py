"""A shaded triangle mesh seen by an orthographic camera, in numpy: no display, no GPU."""

import numpy as np

# Directions towards the lights, in image axes (x right, y down, z to the viewer), and strengths.
_LIGHTS = (
    (np.array([-0.45, -0.65, 0.62]), 0.70),
    (np.array([0.80, -0.10, 0.45]), 0.28),
    (np.array([0.0, 0.9, 0.3]), 0.08),
)
_AMBIENT = 0.27
_GLOSS = 0.12


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
    normals = _vertex_normals(scaled, faces)
    visible, normal = _nearest(scaled, faces, normals, width, height)
    # Colour times coverage, so that the mean over samples is right.
    layer = np.zeros((height * width, 4), np.float32)
    layer[visible, :3] = _lit(normal, np.asarray(colour))
    layer[visible, 3] = 1
    shifts = range(supersampling)
    samples = layer.reshape(height, width, 4)
    picture = sum(
        (samples[i::supersampling, j::supersampling] for i in shifts for j in shifts),
        np.zeros((size[1], size[0], 4), np.float32),
    ) / np.float32(supersampling**2)
    picture[..., :3] /= np.maximum(picture[..., 3:], 1e-6)
    return picture


def _nearest(
    vertices: np.ndarray,
    faces: np.ndarray,
    normals: np.ndarray,
    width: int,
    height: int,
    at_once: int = 1_000_000,
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels [n] that the mesh covers, and the unit normal [n, 3] of the nearest surface.

    Pairs of a triangle and a pixel in its box are looked at about `at_once` at a time.
    """
    corners = vertices[faces]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    # Twice the signed area; negative when the outside faces the viewer, since y runs down.
    area = _cross(b - a, c - a)
    low = np.maximum(np.ceil(corners[..., :2].min(1) - 0.5), 0).astype(np.int64)
    high = np.minimum(np.floor(corners[..., :2].max(1) - 0.5), [width - 1, height - 1])
    span = np.maximum(high.astype(np.int64) - low + 1, 0)
    pairs = np.where(area < -1e-9, span[:, 0] * span[:, 1], 0)
    depth = np.full(width * height, -np.inf)
    normal = np.zeros((width * height, 3), np.float32)
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
        weights = np.stack([u, v, 1 - u - v], -1)[front]
        normal[pixel[front]] = (weights[..., None] * normals[faces[triangle[front]]]).sum(1)
    visible = np.flatnonzero(np.isfinite(depth))
    return visible, _unit(normal[visible])


def _lit(normal: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Diffuse light from a few directions, and a soft highlight of the first (Blinn-Phong)."""
    brightness = np.full(len(normal), _AMBIENT)
    for direction, strength in _LIGHTS:
        # strength * max(0, n . l)
        brightness += strength * np.maximum(normal @ _unit(direction), 0)
    half = _unit(_unit(_LIGHTS[0][0]) + np.array([0.0, 0.0, 1.0]))
    highlight = _GLOSS * np.maximum(normal @ half, 0) ** 24
    return np.clip(brightness[:, None] * colour + highlight[:, None], 0, 1)


def _vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [V, 3] in image axes, pointing outwards."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    # y runs down: the cross product of (b - a, c - a) points inwards.
    face = -np.cross(b - a, c - a)
    index = faces.T.reshape(-1)
    return _unit(
        np.stack(
            [
                np.bincount(index, np.tile(face[:, axis], 3), minlength=len(vertices))
                for axis in range(3)
            ],
            -1,
        )
    )


def _cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
