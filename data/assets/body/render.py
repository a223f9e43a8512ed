"""A small orthographic z-buffer renderer in numpy, for looking at meshes without a GPU."""

from __future__ import annotations

import numpy as np

from data.assets.body.arrays import FloatArray, IntArray
from data.assets.body.mesh import vertex_normals

LIGHT_DIRECTION = np.array([0.35, 0.55, 0.75])


def view_rotation(azimuth_degrees: float, elevation_degrees: float = 0.0) -> FloatArray:
    """Rotation [3, 3] from world to view axes (x right, y up, z towards the viewer).

    Azimuth 0 looks at the face (+z) of the body, 90 at its left side (+x).
    """
    a, e = np.radians([azimuth_degrees, elevation_degrees])
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    return about_x @ about_y


def _cover(
    pixels: FloatArray, size: int, height: int, width: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pixels covered by triangles `pixels` [T, 3, 3] whose bounding boxes fit in size x size.

    Returns triangle index, flat pixel index and barycentric coordinates [n, 3] of each hit.
    """
    corner = np.floor(pixels[:, :, :2].min(axis=1)).astype(int)
    steps = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2)
    grid = corner[:, None] + steps[None]  # [T, size * size, 2]
    a, b, c = (pixels[:, None, i, :2] for i in range(3))

    def area(p: FloatArray, q: FloatArray, r: FloatArray) -> FloatArray:
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )

    whole = area(a, b, c)
    whole = np.where(np.abs(whole) < 1e-12, np.nan, whole)
    weights = np.stack([area(b, c, grid), area(c, a, grid), area(a, b, grid)], -1)
    weights = weights / whole[..., None]
    inside = (weights >= -1e-6).all(-1) & (grid >= 0).all(-1)
    inside &= (grid[..., 0] < width) & (grid[..., 1] < height)
    triangle, cell = np.nonzero(inside)
    chosen = grid[triangle, cell]
    return triangle, chosen[:, 1] * width + chosen[:, 0], weights[triangle, cell]


def render(
    vertices: FloatArray,
    faces: IntArray,
    centre: FloatArray,
    extent: float,
    azimuth: float = 0.0,
    elevation: float = 0.0,
    size: tuple[int, int] = (480, 360),
    colours: FloatArray | None = None,
) -> FloatArray:
    """Shaded image [height, width, 3] in 0..1.

    `extent` is the height of the picture in metres, `centre` [3] the point at its middle,
    `colours` [V, 3] the optional vertex colours.
    """
    height, width = size
    rotation = view_rotation(azimuth, elevation)
    seen = (vertices - centre) @ rotation.T
    scale = height / extent
    screen = np.stack(
        [seen[:, 0] * scale + width / 2, height / 2 - seen[:, 1] * scale, seen[:, 2]], axis=1
    )
    normals = vertex_normals(vertices, faces) @ rotation.T
    light = LIGHT_DIRECTION / np.linalg.norm(LIGHT_DIRECTION)
    if colours is None:
        colours = np.broadcast_to(np.array([0.78, 0.72, 0.66]), vertices.shape)

    triangles = screen[faces]
    low, high = triangles[:, :, :2].min(axis=1), triangles[:, :, :2].max(axis=1)
    in_picture = (high >= 0).all(axis=1) & (low < [width, height]).all(axis=1)
    spans = np.ceil((high - low).max(axis=1)).astype(int) + 2
    depth = np.full(height * width, -np.inf)
    image = np.ones((height * width, 3))
    hits = []
    for span in np.unique(2 ** np.ceil(np.log2(spans)).astype(int)):
        group = np.nonzero((spans <= span) & (spans > span // 2) & in_picture)[0]
        for part in np.array_split(group, 1 + len(group) * span * span // 4_000_000):
            if not len(part):
                continue
            triangle, pixel, weight = _cover(triangles[part], span, height, width)
            z = (triangles[part][triangle, :, 2] * weight).sum(1)
            np.maximum.at(depth, pixel, z)
            hits.append((part[triangle], pixel, weight, z))
    for triangle, pixel, weight, z in hits:
        front = z >= depth[pixel] - 1e-12
        triangle, pixel, weight = triangle[front], pixel[front], weight[front]
        normal = np.einsum("nk,nkc->nc", weight, normals[faces[triangle]])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        back = normal[:, 2] < 0  # inside of the surface seen: paint it red
        shade = 0.25 + 0.75 * np.clip(normal @ light, 0, 1)
        colour = np.einsum("nk,nkc->nc", weight, colours[faces[triangle]])
        image[pixel] = shade[:, None] * np.where(back[:, None], np.array([0.9, 0.2, 0.2]), colour)
    return image.reshape(height, width, 3)
