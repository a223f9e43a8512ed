"""Closes the eye sockets and the mouth of MakeHuman's base mesh.

The skin runs on behind the eyelids as a spherical pocket (the eyeball is a mesh of its own, which
we do not use) and behind the lips down to the throat. Seen from outside both are dark holes, and
decimation ruins them. Each pocket is replaced by the membrane spanned by a loop of edges on its
rim (the discrete harmonic function with the rim as its boundary); the membrane in the eye is then
pushed out to the surface of the eyeball. Vertices and faces stay the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from data.assets.body.arrays import FloatArray, IntArray
from data.assets.body.assets import BaseMesh

EYE_RING = 14  # loop of edges just behind the eyelids, counted from the pocket's deepest point
MOUTH_RING = 13  # loop of edges where the lips meet
# Vertices of the base mesh at the bottom of the pockets.
LEFT_EYE_SEED = 11915
MOUTH_SEED = 710


@dataclass(frozen=True)
class Pocket:
    """Vertices inside a pocket, those of its rim, and the matrix [inside, rim] of the membrane.

    The matrix' rows are non-negative and sum to one. `eye` is 'l', 'r' or '' for the mouth.
    """

    inside: IntArray
    rim: IntArray
    membrane: FloatArray
    eye: str = ""


def adjacency(faces: IntArray, vertex_count: int) -> sparse.csr_matrix:
    """Symmetric 0/1 matrix [V, V] of the edges of `faces` [F, 3 or 4]."""
    start = faces.ravel()
    end = np.roll(faces, -1, axis=1).ravel()
    ones = np.ones(len(start))
    matrix = sparse.coo_matrix((ones, (start, end)), shape=(vertex_count, vertex_count))
    both_ways = (matrix + matrix.T).tocsr()
    both_ways.data[:] = 1
    return both_ways


def rings(neighbours: sparse.csr_matrix, seed: int, count: int) -> list[IntArray]:
    """The vertices at 0, 1, ... `count` edges from `seed`."""
    distance = np.full(neighbours.shape[0], -1)
    distance[seed] = 0
    for step in range(1, count + 1):
        reached = neighbours @ (distance == step - 1).astype(float) > 0
        distance[reached & (distance < 0)] = step
    return [np.nonzero(distance == step)[0] for step in range(count + 1)]


def find_pocket(neighbours: sparse.csr_matrix, seed: int, rim_ring: int, eye: str = "") -> Pocket:
    """The pocket whose bottom is `seed` and whose rim lies `rim_ring` edges away."""
    loops = rings(neighbours, seed, rim_ring)
    inside, rim = np.concatenate(loops[:-1]), loops[-1]
    # Laplace's equation: degree_i x_i - sum_j x_j = 0 for each vertex i inside.
    degrees = np.asarray(neighbours[inside].sum(axis=1)).ravel()
    system = sparse.diags(degrees) - neighbours[inside][:, inside]
    membrane = spsolve(system.tocsc(), neighbours[inside][:, rim].tocsc())
    return Pocket(inside, rim, np.asarray(membrane.todense()), eye)


def find_pockets(mesh: BaseMesh) -> tuple[Pocket, ...]:
    """The two eye sockets and the mouth of the base mesh."""
    neighbours = adjacency(mesh.quads, mesh.body_count)
    right_eye_seed = int(mesh.mirror[LEFT_EYE_SEED])
    return (
        find_pocket(neighbours, LEFT_EYE_SEED, EYE_RING, "l"),
        find_pocket(neighbours, right_eye_seed, EYE_RING, "r"),
        find_pocket(neighbours, MOUTH_SEED, MOUTH_RING),
    )


def fill_pockets(vertices: FloatArray, mesh: BaseMesh, pockets: tuple[Pocket, ...]) -> FloatArray:
    """`vertices` [N, 3] of a whole body with the pockets closed."""
    filled = vertices.copy()
    for pocket in pockets:
        membrane = pocket.membrane @ vertices[pocket.rim]
        if pocket.eye:
            centre = mesh.centre(f"joint-{pocket.eye}-eye", vertices)
            eyeball = vertices[mesh.groups[f"helper-{pocket.eye}-eye"]]
            radius = np.linalg.norm(eyeball - centre, axis=1).mean()
            outward = membrane - centre
            membrane = centre + radius * outward / np.linalg.norm(outward, axis=1, keepdims=True)
        filled[pocket.inside] = membrane
    return filled


def fill_pocket_weights(weights: FloatArray, pockets: tuple[Pocket, ...]) -> FloatArray:
    """Skinning weights [N, B] with those inside the pockets interpolated from the rims."""
    filled = weights.copy()
    for pocket in pockets:
        filled[pocket.inside] = pocket.membrane @ weights[pocket.rim]
    return filled
