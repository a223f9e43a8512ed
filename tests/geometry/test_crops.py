"""Crops: the paper's boxes, and pixels that are where the maps say."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ief_jax.geometry import crops
from ief_jax.geometry.crops import Box

BOX = Box(30.25, 17.5, 21.0)


def test_the_boxes_are_the_papers() -> None:
    found = crops.candidate_boxes([40, 30], 100)
    assert len(found) == 9
    assert {(box.x, box.y) for box in found} == {(40, 30)}
    np.testing.assert_allclose(found[0].side, 140)
    np.testing.assert_allclose(found[-1].side, 30)
    np.testing.assert_allclose(np.diff([box.side for box in found]), -110 / 8)


def test_the_fitting_boxes_are_closest_to_a_little_more_than_the_person() -> None:
    # sides 140, 126.25, 112.5, 98.75, ...; 1.2 x 90 = 108
    found = crops.fitting_boxes(crops.candidate_boxes([0, 0], 100), 90)
    np.testing.assert_allclose([box.side for box in found], [112.5, 98.75, 126.25])


def test_the_window_is_224_pixels_of_256() -> None:
    points = np.random.default_rng(0).uniform(0, 50, (5, 2))
    whole = crops.to_crop(points, BOX, 256)
    for offset, shift in [((0, 0), (16, 16)), ((-1, -1), (0, 0)), ((1, 0.5), (32, 24))]:
        seen = crops.to_crop(points, crops.window(BOX, offset), 224)
        np.testing.assert_allclose(seen, whole - np.array([shift]), atol=1e-9)


@pytest.mark.parametrize("size", [1, 8, 224])
def test_the_maps_are_each_others_inverse(size: int) -> None:
    points = np.random.default_rng(0).normal(0, 100, (4, 3, 2))
    there = crops.to_crop(points, BOX, size)
    np.testing.assert_allclose(crops.to_image(there, BOX, size), points, atol=1e-9)


def test_a_crop_of_the_whole_image_is_the_image_resized() -> None:
    # x -> (x + 1/2) f - 1/2
    points = np.array([[0.0, 0.0], [9.0, 3.0]])
    found = crops.to_crop(points, Box(4.5, 4.5, 10), 25)
    np.testing.assert_allclose(found, (points + 0.5) * 2.5 - 0.5)


@pytest.mark.parametrize("size", [7, 21, 60])
def test_pixels_are_where_the_map_says(size: int) -> None:
    """A ramp stays a ramp under any symmetric filter, whether the crop is smaller or larger."""
    y, x = np.mgrid[:48, :64]
    ramp = np.stack([3 * x, 4 * y, x + 2 * y], -1).astype(np.uint8)
    found = crops.crop(Image.fromarray(ramp), BOX, size)
    v, u = np.mgrid[:size, :size]
    at = crops.to_image(np.stack([u, v], -1), BOX, size)
    expected = np.stack([3 * at[..., 0], 4 * at[..., 1], at[..., 0] + 2 * at[..., 1]], -1)
    assert found.dtype == np.uint8
    # Pillow rounds twice: across, then down.
    np.testing.assert_allclose(found, expected, atol=1.1)
    np.testing.assert_allclose((found - expected).mean((0, 1)), 0, atol=0.3)


def test_enlarging_is_bilinear_and_black_outside() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    box = Box(27.7, 4.0, 16.0)  # reaches out of the image at the right and the top
    found = crops.crop(Image.fromarray(image), box, 40)
    v, u = np.mgrid[:40, :40]
    at = crops.to_image(np.stack([u, v], -1), box, 40)
    for channel in range(3):
        expected = ndimage.map_coordinates(
            image[..., channel].astype(float),
            [at[..., 1], at[..., 0]],
            order=1,
            mode="grid-constant",
        )
        np.testing.assert_allclose(found[..., channel], expected, atol=1.5)
    assert not found[:, -8:].any()


def test_a_box_beside_the_image_is_black() -> None:
    white = Image.new("RGB", (20, 20), "white")
    assert not crops.crop(white, Box(-100, 300, 50), 8).any()


def test_making_it_smaller_does_not_alias() -> None:
    checkers = np.indices((128, 128)).sum(0) % 2 * 255
    image = Image.fromarray(np.repeat(checkers[..., None], 3, 2).astype(np.uint8))
    found = crops.crop(image, Box(63.5, 63.5, 100), 16)
    np.testing.assert_allclose(found, 127.5, atol=4)


@pytest.mark.parametrize("side", [30.0, 300.0, 3000.0])
@pytest.mark.parametrize("centre", [(10.0, 20.0), (-40.0, 50.0), (70.0, 90.0), (500.0, 0.0)])
def test_a_crop_is_that_of_the_image_with_black_round_it(
    side: float, centre: tuple[float, float]
) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    margin = 2000
    large = Image.new("RGB", (80 + 2 * margin, 60 + 2 * margin))
    large.paste(image, (margin, margin))
    inside = crops.Box(centre[0] + margin, centre[1] + margin, side)
    difference = crops.crop(image, crops.Box(*centre, side), 40).astype(int) - crops.crop(
        large, inside, 40
    )
    assert np.abs(difference).max() <= 1


def test_a_box_far_larger_than_a_panorama_takes_no_more_than_the_image() -> None:
    panorama = Image.new("RGB", (20_000, 10), "white")
    found = crops.crop(panorama, crops.Box(10_000, 5, 28_000), 224)
    assert found.shape == (224, 224, 3)
    # 10 of the 125 pixels that become one
    assert found[112, 40:180].min() >= 9 and found[0].max() == 0
