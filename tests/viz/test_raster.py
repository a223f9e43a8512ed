"""The rasteriser against closed forms and trimesh's own solids."""

import numpy as np
import pytest
import trimesh
from PIL import Image

from ief_jax.geometry.triangles import unit, vertex_normals
from ief_jax.viz import raster

GREY = (0.5, 0.5, 0.5)


def flipped(mesh: trimesh.Trimesh) -> np.ndarray:
    """Vertices with y down, as images have it."""
    return np.asarray(mesh.vertices) * [1, -1, 1]


def square(x: float, y: float, side: float, depth: float) -> np.ndarray:
    """Corners, the outside towards the viewer with `FACES`; y down."""
    return np.array(
        [[x, y, depth], [x, y + side, depth], [x + side, y + side, depth], [x + side, y, depth]]
    )


FACES = np.array([[0, 1, 2], [0, 2, 3]])


def seen(
    vertices: np.ndarray,
    faces: np.ndarray,
    values: np.ndarray,
    size: tuple[int, int],
    at_once: int = 10**6,
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels [n] of an image (width, height) that a mesh covers, and values [n, D] there."""
    canvas = np.full((size[1], size[0], values.shape[1]), np.nan)
    raster.draw(canvas, vertices, faces, values, at_once)
    pixels = canvas.reshape(-1, values.shape[1])
    covered = np.flatnonzero(~np.isnan(pixels[:, 0]))
    return covered, pixels[covered]


def normals_seen(
    vertices: np.ndarray, faces: np.ndarray, side: int, at_once: int = 10**6
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels [n] of a square image that a mesh covers, and the unit normals [n, 3] there."""
    normals = -vertex_normals(vertices, faces)
    covered, found = seen(vertices, faces, normals, (side, side), at_once)
    return covered, unit(found)


def test_a_sphere_covers_its_disc() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=40.0)
    layer = raster.shade(flipped(ball) + [50, 60, 0], ball.faces, (110, 120), GREY)
    assert layer.shape == (120, 110, 4)
    coverage = layer[..., 3]
    # pi r^2, to the flatness of the facets
    assert coverage.sum() == pytest.approx(np.pi * 40**2, rel=0.005)
    # Centre of the disc; pixel i covers i .. i + 1.
    rows, columns = np.mgrid[:120, :110] + 0.5
    assert (coverage * columns).sum() / coverage.sum() == pytest.approx(50, abs=0.05)
    assert (coverage * rows).sum() / coverage.sum() == pytest.approx(60, abs=0.05)
    assert ((coverage > 0) & (coverage < 1)).any(), "no antialiasing"


def test_normals_of_a_sphere_point_outwards() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=40.0)
    vertices = flipped(ball)
    visible, seen = normals_seen(vertices + [50, 50, 0], ball.faces, 100)
    y, x = np.divmod(visible, 100)
    expected = np.stack([x + 0.5 - 50, y + 0.5 - 50, np.zeros(len(x))], -1) / 40
    inner = np.hypot(*expected.T[:2]) < 0.95
    expected[:, 2] = np.sqrt(np.maximum(1 - (expected**2).sum(1), 0))
    np.testing.assert_allclose(seen[inner], expected[inner], atol=0.03)


def test_light_comes_from_above() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=40.0)
    layer = raster.shade(flipped(ball) + [50, 50, 0], ball.faces, (100, 100), GREY)
    assert layer[25, 50, 0] > 1.5 * layer[75, 50, 0]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearest_surface_is_seen(order: list[int]) -> None:
    # Two squares one behind the other; the near one is tilted and so has another normal.
    near = square(20, 20, 20, 5.0) + [[0, 0, 0], [0, 0, 0], [0, 0, 10], [0, 0, 10]]
    far = square(10, 10, 40, 0.0)
    solids = [near, far]
    vertices = np.concatenate([solids[i] for i in order])
    faces = np.concatenate([FACES, FACES + 4])
    visible, seen = normals_seen(vertices, faces, 60)
    assert len(visible) == 40 * 40
    inside = ((visible // 60) // 20 == 1) & ((visible % 60) // 20 == 1)
    assert inside.sum() == 400
    # The near square rises by 10 over 20: its normal is (-1, 0, 2) / sqrt 5.
    np.testing.assert_allclose(seen[inside], np.tile([-1, 0, 2], (400, 1)) / np.sqrt(5), atol=1e-6)
    np.testing.assert_allclose(seen[~inside], np.tile([0.0, 0, 1], (1200, 1)), atol=1e-6)


def test_neighbouring_triangles_leave_no_gap_and_do_not_overlap() -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(11), np.arange(11), indexing="ij"), -1) * 10.0
    grid[1:-1, 1:-1] += rng.uniform(-4, 4, (9, 9, 2))
    vertices = np.concatenate([grid.reshape(-1, 2), np.zeros((121, 1))], 1)
    corner = (np.arange(10)[:, None] * 11 + np.arange(10)).reshape(-1)
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 12], 1),
            np.stack([corner, corner + 12, corner + 11], 1),
        ]
    )
    assert len(normals_seen(vertices, faces, 100)[0]) == 100 * 100


def test_back_faces_and_what_lies_outside_are_not_drawn() -> None:
    assert not raster.shade(square(10, 10, 20, 0), FACES[:, ::-1], (50, 50), GREY).any()
    assert not raster.shade(square(100, 100, 20, 0), FACES, (50, 50), GREY).any()


def test_a_triangle_much_larger_than_the_image() -> None:
    layer = raster.shade(square(-1e4, -1e4, 3e4, 0), FACES, (50, 60), GREY)
    assert (layer[..., 3] == 1).all()


def test_looking_at_few_triangles_at_once_changes_nothing() -> None:
    knot = trimesh.creation.torus(major_radius=30.0, minor_radius=10.0)
    turn = trimesh.transformations.rotation_matrix(1.0, [1, 1, 0])[:3, :3]
    vertices = flipped(knot) @ turn.T + [50, 50, 0]
    visible, seen = normals_seen(vertices, knot.faces, 100)
    for at_once in (1, 500):
        few = normals_seen(vertices, knot.faces, 100, at_once)
        np.testing.assert_array_equal(few[0], visible)
        np.testing.assert_array_equal(few[1], seen)


def test_what_is_seen_of_a_plane_is_where_it_is() -> None:
    vertices = square(3.0, 5.0, 30.0, 0.0) + [[0, 0, 0], [2, 0, 4], [0, 7, 9], [0, 0, 5]]
    for faces in (FACES, FACES[:, ::-1]):
        pixel, places = seen(vertices, faces, vertices, (50, 40))
        y, x = np.divmod(pixel, 50)
        np.testing.assert_allclose(places[:, :2], np.stack([x, y], -1) + 0.5, atol=1e-9)
        weights = seen(vertices, faces, np.eye(len(vertices)), (50, 40))[1]
        np.testing.assert_allclose(weights.sum(1), 1)
        assert weights.min() >= -1e-12


def test_painting_over_an_image_changes_the_mesh_s_part_alone() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=30.0)
    backdrop = Image.new("RGB", (90, 80), (10, 200, 30))
    # In the middle; over the corner; outside.
    for centre in ([45, 40, 0], [85.5, 2.25, 0], [200, 40, 0]):
        vertices = flipped(ball) + centre
        image = backdrop.copy()
        raster.paint(image, vertices, ball.faces, GREY, 0.5)
        layer = raster.shade(vertices, ball.faces, backdrop.size, GREY)
        alpha = 0.5 * layer[..., 3:]
        expected = np.asarray(backdrop) * (1 - alpha) + 255 * layer[..., :3] * alpha
        np.testing.assert_allclose(np.asarray(image), expected, atol=1.5)


def test_degenerate_triangles_and_loose_vertices() -> None:
    vertices = np.concatenate([square(10, 10, 20, 0), [[5, 5, 5]]])
    faces = np.concatenate([FACES, [[0, 0, 1], [2, 2, 2]]])
    layer = raster.shade(vertices, faces, (40, 40), GREY)
    assert np.isfinite(layer).all()
    assert layer[..., 3].sum() == pytest.approx(400)
