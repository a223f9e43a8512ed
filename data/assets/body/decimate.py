"""Mirror-symmetric mesh decimation that keeps a subset of the original vertices.

Half-edge collapses (u moves onto its neighbour v) ordered by quadric error (Garland & Heckbert
1997), summed over several shapes and poses of the same mesh. Because the vertices that stay are
original ones, every attribute of a vertex carries over exactly. Only the half x >= 0 is worked
on, the other one is its mirror image; vertices on the plane x = 0 stay on it.
"""

from __future__ import annotations

import heapq

import numpy as np

from data.assets.body.arrays import BoolArray, FloatArray, IntArray

MAX_VALENCE = 11
MIN_NORMAL_COSINE = 0.35  # a face may turn by at most 70 degrees in a collapse
MIN_SHAPE = 0.06  # least twice-area over longest edge squared (0.87 for an equilateral face)
EDGE_LENGTH_PENALTY = 2e-7  # breaks ties on flat parts in favour of short edges


def quadrics(shapes: FloatArray, faces: IntArray) -> FloatArray:
    """Area-weighted plane quadrics [K, V, 4, 4] of a mesh with `shapes` [K, V, 3]."""
    shape_count, vertex_count = shapes.shape[:2]
    total = np.zeros((shape_count, vertex_count, 4, 4))
    for k in range(shape_count):
        a, b, c = (shapes[k, faces[:, i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        twice_area = np.linalg.norm(normal, axis=1)
        normal = normal / np.maximum(twice_area, 1e-15)[:, None]
        plane = np.concatenate([normal, -(normal * a).sum(axis=1, keepdims=True)], axis=1)
        quadric = (twice_area / 2)[:, None, None] * plane[:, :, None] * plane[:, None, :]
        for corner in range(3):
            np.add.at(total[k], faces[:, corner], quadric)
    return total


class _HalfMesh:
    """The half x >= 0 of a mesh under decimation."""

    def __init__(
        self, shapes: FloatArray, faces: IntArray, middle: BoolArray, importance: FloatArray
    ) -> None:
        left = (shapes[0, :, 0] > 0) | middle
        half = faces[left[faces].all(axis=1)]
        if 2 * len(half) != len(faces):
            raise ValueError("a face crosses the plane x = 0 or lies on it")
        vertex_count = shapes.shape[1]
        self.shapes = shapes
        self.homogeneous = np.concatenate([shapes, np.ones((*shapes.shape[:2], 1))], axis=2)
        self.middle = middle
        self.importance = importance
        # Quadrics of the whole mesh, so that the middle line sees the faces of both sides.
        self.quadrics = quadrics(shapes, faces) * importance[None, :, None, None]
        self.faces: dict[int, tuple[int, ...]] = {
            i: tuple(int(v) for v in face) for i, face in enumerate(half)
        }
        self.faces_of: list[set[int]] = [set() for _ in range(vertex_count)]
        for i, face in self.faces.items():
            for v in face:
                self.faces_of[v].add(i)
        self.alive = np.zeros(vertex_count, dtype=bool)
        self.alive[half.ravel()] = True

    def whole_count(self) -> int:
        """Number of vertices of the whole mesh, both halves."""
        return 2 * int((self.alive & ~self.middle).sum()) + int((self.alive & self.middle).sum())

    def neighbours(self, u: int) -> set[int]:
        around = {v for i in self.faces_of[u] for v in self.faces[i]}
        around.discard(u)
        return around

    def on_border(self, u: int, v: int) -> bool:
        """Whether the edge u-v lies on the middle line, where the half mesh ends."""
        return len(self.faces_of[u] & self.faces_of[v]) == 1

    def costs(self, u: int, targets: list[int]) -> FloatArray:
        """Mean quadric error [n] over the shapes of moving `u` onto each of `targets`."""
        points = self.homogeneous[:, targets]
        error = ((points @ self.quadrics[:, u]) * points).sum(axis=(0, 2)) / len(points)
        edge = self.shapes[0, targets] - self.shapes[0, u]
        return error + EDGE_LENGTH_PENALTY * self.importance[u] * (edge * edge).sum(axis=1)

    def allowed(self, u: int, v: int) -> bool:
        """Whether moving `u` onto `v` keeps the surface closed, unfolded and well shaped."""
        around_u, around_v = self.neighbours(u), self.neighbours(v)
        shared = self.faces_of[u] & self.faces_of[v]
        if len(around_u & around_v) != len(shared):  # the link condition
            return False
        if len(around_u | around_v) - 2 > MAX_VALENCE:
            return False
        if self.middle[u]:
            if not self.on_border(u, v):
                return False
        elif self.middle[v]:
            inner = (w for w in around_u if self.middle[w] and w != v)
            if any(not self.on_border(w, v) for w in inner):
                return False
        before = [self.faces[i] for i in self.faces_of[u] - shared]
        if not before:
            return False
        after = [tuple(v if w == u else w for w in face) for face in before]
        if self.middle[np.array(after)].all(axis=1).any():
            return False
        old, new = self.shapes[:, before], self.shapes[:, after]  # [K, n, 3, 3]
        old_normal = np.cross(old[:, :, 1] - old[:, :, 0], old[:, :, 2] - old[:, :, 0])
        new_normal = np.cross(new[:, :, 1] - new[:, :, 0], new[:, :, 2] - new[:, :, 0])
        new_size = np.linalg.norm(new_normal, axis=-1)
        lengths = np.linalg.norm(old_normal, axis=-1) * new_size
        if ((old_normal * new_normal).sum(axis=-1) < MIN_NORMAL_COSINE * lengths).any():
            return False
        edges = new[0] - np.roll(new[0], 1, axis=1)
        longest_squared = (edges * edges).sum(axis=-1).max(axis=-1)
        return bool((new_size[0] >= MIN_SHAPE * longest_squared).all())

    def collapse(self, u: int, v: int) -> None:
        """Moves `u` onto `v`."""
        for i in list(self.faces_of[u]):
            face = self.faces[i]
            for w in face:
                self.faces_of[w].discard(i)
            if v in face:
                del self.faces[i]
                continue
            moved = tuple(v if w == u else w for w in face)
            self.faces[i] = moved
            for w in moved:
                self.faces_of[w].add(i)
        self.alive[u] = False
        self.quadrics[:, v] += self.quadrics[:, u]


def decimate_symmetrically(
    shapes: FloatArray,
    faces: IntArray,
    mirror: IntArray,
    target: int,
    importance: FloatArray | None = None,
) -> tuple[IntArray, IntArray]:
    """Reduces a closed, mirror-symmetric mesh to `target` vertices.

    shapes: [K, V, 3] the mesh in K shapes and poses; shapes[0] is symmetric.
    faces: [F, 3] with symmetric connectivity and no face across the plane x = 0.
    mirror: [V] index of each vertex's mirror image, itself on the plane x = 0.
    importance: [V] factors on the error of removing a vertex.

    Returns the vertices kept, [target] or one more, and the new faces, in the new numbering.
    """
    vertex_count = shapes.shape[1]
    middle = mirror == np.arange(vertex_count)
    if importance is None:
        importance = np.ones(vertex_count)
    mesh = _HalfMesh(shapes, faces, middle, importance)
    version = np.zeros(vertex_count, dtype=int)
    queue: list[tuple[float, int, int, int, int]] = []

    def push(u: int) -> None:
        targets = sorted(mesh.neighbours(u))
        if middle[u]:
            targets = [v for v in targets if middle[v] and mesh.on_border(u, v)]
        if not targets:
            return
        for cost, v in zip(mesh.costs(u, targets), targets, strict=True):
            heapq.heappush(queue, (float(cost), u, v, int(version[u]), int(version[v])))

    for start in np.nonzero(mesh.alive)[0]:
        push(int(start))
    count = mesh.whole_count()
    while count > target and queue:
        _, u, v, version_u, version_v = heapq.heappop(queue)
        stale = version[u] != version_u or version[v] != version_v
        if stale or not (mesh.alive[u] and mesh.alive[v]):
            continue
        removed = 1 if middle[u] else 2
        if count - removed < target or not mesh.allowed(u, v):
            continue
        mesh.collapse(u, v)
        count -= removed
        changed = [v, *sorted(mesh.neighbours(v))]
        version[changed] += 1
        for w in changed:
            push(w)

    half = np.array(list(mesh.faces.values()))
    whole = np.concatenate([half, mirror[half][:, ::-1]])
    kept = np.unique(whole)
    renumbered = np.full(vertex_count, -1)
    renumbered[kept] = np.arange(len(kept))
    return kept, renumbered[whole]
