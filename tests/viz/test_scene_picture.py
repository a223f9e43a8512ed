"""Bodies over a photograph are where the camera sees them, and from the side where they are."""

import numpy as np
import pytest
from PIL import Image

from ief_jax.viz import scene_picture
from ief_jax.viz.scene_picture import Lens, seen_through

GREY = (90, 90, 90)
LENS = Lens(400.0, np.array([160.0, 120.0]))


def box(centre: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A cube of 0.4 m: vertices and faces, counter-clockwise from outside."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.2
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    return corners + centre, faces


def drawn(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle and size [2] (x, y) of what is blue, as the first person is."""
    rows, columns = np.nonzero(pixels[..., 2].astype(int) - pixels[..., 0] > 8)
    places = np.stack([columns, rows], 1)
    return (places.min(0) + places.max(0)) / 2, np.ptp(places, 0)


def painted(centre: tuple[float, float, float], height: int) -> np.ndarray:
    vertices, faces = box(centre)
    photograph = Image.new("RGB", (320, 240), GREY)
    side = scene_picture.extent(np.array([[0.0, -1, -2], [0, 1, -6]]))
    made = scene_picture.picture(photograph, [seen_through(LENS, 0, vertices)], faces, side, height)
    assert made.size == scene_picture.size((320, 240), height)
    return np.asarray(made)


@pytest.mark.parametrize("height", [240, 480])
def test_over_the_photograph_as_the_camera_sees_it(height: int) -> None:
    pixels = painted((0.5, -0.6, -4.0), height)[:, : height * 4 // 3]
    middle, size = drawn(pixels)
    zoom = height / 240
    # f X / Z + c
    expected = np.array([400 * 0.5 / 4 + 160, 400 * 0.6 / 4 + 120]) * zoom
    np.testing.assert_allclose(middle, expected, atol=5 * zoom)
    np.testing.assert_allclose(size, 400 * 0.4 / 3.9 * zoom, atol=8 * zoom)


def test_from_the_side_who_is_farther_away_is_farther_right() -> None:
    near = painted((0.0, 0.0, -3.0), 240)[:, 320:]
    far = painted((0.0, 0.0, -5.0), 240)[:, 320:]
    (near_x, near_y), size = drawn(near)
    (far_x, far_y), far_size = drawn(far)
    np.testing.assert_allclose(size, far_size, atol=1.5)
    # The cube is 0.4 m, and they are 2 m apart.
    np.testing.assert_allclose(far_x - near_x, 5 * size[0], rtol=0.1)
    assert near_y == far_y
    higher = drawn(painted((0.0, 0.4, -3.0), 240)[:, 320:])[0]
    np.testing.assert_allclose(near_y - higher[1], size[1], atol=2)


def test_the_nearer_covers_the_farther() -> None:
    near, faces = box((0.0, 0.0, -3.0))
    far, _ = box((0.05, 0.0, -5.0))
    photograph = Image.new("RGB", (320, 240), GREY)
    side = scene_picture.extent(near)
    first, second = [seen_through(LENS, 0, near)], [seen_through(LENS, 1, far)]
    alone, both, other = (
        np.asarray(scene_picture.picture(photograph, people, faces, side, 240))[120, 160]
        for people in (first, first + second, second)
    )
    # Bodies are a little transparent.
    np.testing.assert_allclose(alone.astype(int), both, atol=25)
    assert np.abs(both.astype(int) - other).max() > 40


def test_nobody_and_nobody_in_sight() -> None:
    vertices, faces = box((50.0, 0.0, -3.0))
    photograph = Image.new("RGB", (320, 240), GREY)
    side = scene_picture.extent(vertices - [50, 0, 0])
    for people in ([], [seen_through(LENS, 0, vertices)]):
        made = scene_picture.picture(photograph, people, faces, side, 240, "frame 0")
        assert (np.asarray(made)[:100, :320] == GREY).all()
