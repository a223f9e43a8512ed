"""Pictures of meshes, insides in red, for looking at them without a GPU."""

from __future__ import annotations

import numpy as np

from data.assets.body.arrays import FloatArray, IntArray
from ief_jax.geometry.triangles import unit, vertex_normals
from ief_jax.viz import raster

LIGHT_DIRECTION = np.array([0.35, 0.55, 0.75])


def view_rotation(azimuth_degrees: float, elevation_degrees: float = 0.0) -> FloatArray:
    """Rotation [3, 3] from world to view axes (x right, y up, z towards the viewer).

    Azimuth 0 looks at the face (+z) of the body, 90 at its left side (+x).
    """
    a, e = np.radians([azimuth_degrees, elevation_degrees])
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    return about_x @ about_y


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
    light = unit(LIGHT_DIRECTION)
    if colours is None:
        colours = np.broadcast_to(np.array([0.78, 0.72, 0.66]), vertices.shape)

    # Pixel centres are integers here, halves in the z-buffer.
    canvas = np.full((height, width, 6), np.nan)
    known = np.concatenate([normals, colours], 1)
    raster.draw(canvas, screen + [0.5, 0.5, 0.0], faces, known)
    visible = ~np.isnan(canvas[..., 0])
    normal, colour = unit(canvas[visible, :3]), canvas[visible, 3:]
    back = normal[:, 2] < 0  # inside of the surface seen: paint it red
    shade = 0.25 + 0.75 * np.clip(normal @ light, 0, 1)
    red = np.array([0.9, 0.2, 0.2])
    image = np.ones((height, width, 3))
    image[visible] = shade[:, None] * np.where(back[:, None], red, colour)
    return image
