"""Triangles, edges and visibility of closed meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.assets.body.arrays import BoolArray, FloatArray, IntArray


def triangulate_symmetrically(quads: IntArray, vertices: FloatArray, mirror: IntArray) -> IntArray:
    """Triangles [2 Q, 3]: quads on the left (x > 0) cut along the shorter diagonal, then mirrored.

    No quad may cross the plane x = 0.
    """
    left = quads[vertices[quads][:, :, 0].sum(axis=1) > 0]
    corners = vertices[left]
    first = np.linalg.norm(corners[:, 0] - corners[:, 2], axis=1)
    second = np.linalg.norm(corners[:, 1] - corners[:, 3], axis=1)
    a, b = left[first <= second], left[first > second]
    half = np.concatenate([a[:, [0, 1, 2]], a[:, [0, 2, 3]], b[:, [0, 1, 3]], b[:, [1, 2, 3]]])
    return np.concatenate([half, mirror[half][:, ::-1]])


def directed_edges(faces: IntArray) -> IntArray:
    """Both ends of every triangle's three sides, [3 F, 2], in the triangle's direction."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def unique_edges(faces: IntArray) -> tuple[IntArray, IntArray]:
    """Edges [E, 2], smaller vertex first, and the number of triangles [E] at each."""
    return np.unique(np.sort(directed_edges(faces), axis=1), axis=0, return_counts=True)


@dataclass(frozen=True)
class Topology:
    """Counts that tell whether a mesh is a closed surface."""

    vertices: int
    faces: int
    euler: int
    boundary_edges: int
    crowded_edges: int
    largest_valence: int


def topology(faces: IntArray, vertex_count: int) -> Topology:
    """Counts of a mesh; watertight means no boundary edges and none with over two faces."""
    edges, counts = unique_edges(faces)
    return Topology(
        vertices=vertex_count,
        faces=len(faces),
        euler=vertex_count - len(edges) + len(faces),
        boundary_edges=int((counts == 1).sum()),
        crowded_edges=int((counts > 2).sum()),
        largest_valence=int(np.bincount(edges.ravel()).max()),
    )


def volume(vertices: FloatArray, faces: IntArray) -> float:
    """Volume in cubic metres enclosed by a mesh whose normals point outwards."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def face_samples(vertices: FloatArray, faces: IntArray, steps: int) -> FloatArray:
    """Points [n, 3] on a barycentric grid over every face, `steps` intervals along an edge."""
    grid = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.einsum("bk,fkd->fbd", np.array(grid) / steps, vertices[faces]).reshape(-1, 3)


def visible_vertices(
    vertices: FloatArray, faces: IntArray, directions: FloatArray, cell: float = 1 / 350
) -> BoolArray:
    """Which vertices [V] are seen from outside along at least one of `directions` [D, 3].

    Samples of the faces are sorted into square cells of `cell` metres across each direction; a
    vertex counts as seen if it lies at most 4 mm behind the nearest sample of its cell.
    """
    points = face_samples(vertices, faces, 5)
    seen = np.zeros(len(vertices), dtype=bool)
    for direction in directions:
        forward = direction / np.linalg.norm(direction)
        right = np.cross(forward, [0.3, 0.9, 0.2])
        right /= np.linalg.norm(right)
        plane = np.stack([right, np.cross(forward, right)], axis=1)
        cells = np.floor(points @ plane / cell).astype(int)
        low, size = cells.min(axis=0), np.ptp(cells, axis=0) + 1
        nearest = np.full(size[0] * size[1], -np.inf)
        np.maximum.at(
            nearest, (cells[:, 0] - low[0]) * size[1] + cells[:, 1] - low[1], points @ forward
        )
        own = np.clip(np.floor(vertices @ plane / cell).astype(int) - low, 0, size - 1)
        seen |= vertices @ forward >= nearest[own[:, 0] * size[1] + own[:, 1]] - 0.004
    return seen
