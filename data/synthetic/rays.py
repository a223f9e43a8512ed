"""Casting rays at a triangle mesh: a thin layer over Embree.

The camera is at the origin and looks along -z, x right and y up, as in `ief_jax.geometry.camera`.
"""

from typing import NamedTuple

import numpy as np

from ief_jax.io.files import InputError

try:
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene
except ImportError as error:
    raise InputError(
        f"the synthetic data set is made with the package embreex: pip install embreex ({error})"
    ) from error


class Hits(NamedTuple):
    """Where n rays meet the mesh first.

    Attributes:
      face: [n] int32 the triangle; -1 where there is none.
      weights: [n, 3] barycentric weights of its corners.
      distance: [n] along the ray, in lengths of its direction.
    """

    face: np.ndarray
    weights: np.ndarray
    distance: np.ndarray


class Mesh:
    """A triangle mesh that rays can be cast at.

    Args:
      vertices: [V, 3].
      faces: [F, 3].
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, _float(vertices), np.ascontiguousarray(faces, np.int32))

    def first(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """The first triangle that each of n rays meets; origins and directions are [n, 3]."""
        if not len(directions):
            return Hits(np.zeros(0, np.int32), np.zeros((0, 3), np.float32), np.zeros(0))
        found = self._scene.run(_float(origins), _float(directions), output=True)
        u, v = found["u"], found["v"]
        return Hits(found["primID"], np.stack([1 - u - v, u, v], -1), found["tfar"])

    def blocked(
        self, origins: np.ndarray, directions: np.ndarray, limit: float = 1e3
    ) -> np.ndarray:
        """Whether each of n rays meets anything within `limit` lengths of its direction: [n]."""
        if not len(directions):
            return np.zeros(0, bool)
        limits = np.full(len(directions), limit, np.float32)
        found = self._scene.run(_float(origins), _float(directions), dists=limits, query="OCCLUDED")
        return found != -1


class View(NamedTuple):
    """A camera at the origin, and the picture that it takes.

    Attributes:
      focal: length, px.
      centre: [2] the pixel that it looks at; in a picture cut out of a larger one it may be
        anywhere.
      size: width and height, px.
    """

    focal: float
    centre: np.ndarray
    size: tuple[int, int]


def directions(view: View, pixels: np.ndarray) -> np.ndarray:
    """Directions [..., 3] through places [..., 2] of a picture; their z is -1."""
    # ((x - c_x) / f, (c_y - y) / f, -1): the inverse of `camera.project_perspective`
    plane = (pixels - view.centre) / view.focal
    return np.stack([plane[..., 0], -plane[..., 1], np.full(plane.shape[:-1], -1.0)], -1)


def project(view: View, points: np.ndarray) -> np.ndarray:
    """Where points [..., 3] in front of the camera are in the picture: [..., 2] px."""
    # x = f (X / Z) + c
    return view.focal * points[..., :2] * [1, -1] / -points[..., 2:] + view.centre


def grid(size: tuple[int, int], step: int = 1) -> np.ndarray:
    """The centres of every `step`-th pixel: [height / step, width / step, 2]."""
    x, y = np.meshgrid(np.arange(0, size[0], step), np.arange(0, size[1], step))
    return np.stack([x, y], -1)


def _float(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
