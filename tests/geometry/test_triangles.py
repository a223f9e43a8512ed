"""Triangle meshes against closed forms and trimesh's own solids."""

import numpy as np
import pytest
import trimesh

from ief_jax.geometry import triangles


def test_normals_of_a_sphere_point_outwards() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=40.0)
    normals = triangles.vertex_normals(np.asarray(ball.vertices), ball.faces)
    np.testing.assert_allclose(normals, ball.vertices / 40, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)


def test_large_faces_count_for_more() -> None:
    # Two faces at a right angle share an edge; one is three times as large as the other.
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 3, 0], [0, 0, 1.0], [9, 9, 9]])
    faces = np.array([[0, 1, 2], [1, 0, 3]])
    normals = triangles.vertex_normals(vertices, faces)
    # Sums of the cross products (0, 0, 3) and (0, 1, 0).
    np.testing.assert_allclose(normals[0], np.array([0, 1, 3]) / np.sqrt(10))
    np.testing.assert_allclose(normals[:3], normals[[0, 0, 2]])
    np.testing.assert_allclose(normals[2], [0, 0, 1])
    np.testing.assert_array_equal(normals[4], 0, "a vertex of no face")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unit(dtype: type) -> None:
    vectors: np.ndarray = np.array([[[3, 4]], [[0, 0]], [[0, -2]]], dtype)
    found = triangles.unit(vectors)
    expected = np.array([[[0.6, 0.8]], [[0, 0]], [[0, -1]]])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == dtype
