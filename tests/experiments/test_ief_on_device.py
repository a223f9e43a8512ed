"""Training on the accelerator: pictures and points go the same way, labels are what can be seen."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.ief.on_device import augmentation, pictures, teacher
from experiments.ief.on_device.augmentation import Labels
from experiments.ief.on_device.pictures import CANVAS, Pictures
from ief_jax.geometry import crops
from ief_jax.geometry.skeletons import COCO_17, LSP_14, opposite

SIZE = 64
WIDTH, HEIGHT = 180, 140
SPOTS = np.array([[60.0, 50.0], [120.0, 50.0], [90.0, 95.0]], np.float32)
"""Red, green and blue; the person's left, right and middle."""
MIRROR = jnp.array([1, 0, 2])


@pytest.fixture(autouse=True)
def promoted() -> Iterator[None]:
    """What is trained with broadcasts as NumPy does."""
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="module")
def person() -> Pictures:
    """Three spots on grey, of which the marked point is the middle."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.zeros((CANVAS, CANVAS, 3), np.float32)
    image[:HEIGHT, :WIDTH] = 60
    for channel, (x, y) in enumerate(SPOTS):
        spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2 / 5**2)
        image[:HEIGHT, :WIDTH, channel] += 190 * spot
    parts = (image.astype(np.uint8), [WIDTH, HEIGHT], [90, 65], 130.0)
    first, *others = (jnp.asarray(part) for part in parts)
    return Pictures(first, *(part.astype(jnp.float32) for part in others))


def labels() -> Labels:
    return Labels(jnp.asarray(SPOTS), jnp.ones(3), jnp.ones(3), jnp.ones(3))


def peak(image: np.ndarray, channel: int) -> np.ndarray:
    """Where a colour is strongest beside the others."""
    strength = np.clip(2 * image[..., channel] - image.sum(-1) / 1.5, 0, None) ** 4
    rows, columns = np.mgrid[: len(image), : len(image)]
    return np.array([(strength * part).sum() for part in (columns, rows)]) / strength.sum()


def test_points_and_pictures_go_the_same_way(person: Pictures) -> None:
    for angle, scale, mirrored in ((0.0, 1.0, False), (0.7, 1.2, True), (-2.5, 1.4, False)):
        view = pictures.view(
            person, SIZE, *map(jnp.asarray, (angle, scale, mirrored, (0.05, -0.03)))
        )
        image = np.asarray(pictures.crop(person, view, SIZE))
        there = pictures.to_crop(view, jnp.asarray(SPOTS), SIZE)
        for channel in range(3):
            np.testing.assert_allclose(peak(image, channel), there[channel], atol=0.6)
        back = pictures.to_picture(view, there, SIZE)
        np.testing.assert_allclose(back, SPOTS, atol=1e-3)


def test_the_central_crop_is_that_of_the_package(person: Pictures) -> None:
    size = 130  # pixel for pixel
    view = pictures.view(person, size, *map(jnp.asarray, (0.0, 1.0, False, (0.0, 0.0))))
    picture = Image.fromarray(np.asarray(person.image)[:HEIGHT, :WIDTH])
    expected = crops.crop(picture, crops.Box(90, 65, 130), size)
    np.testing.assert_allclose(pictures.crop(person, view, size), expected, atol=1)


def test_labels_follow_a_random_crop_and_change_sides_in_the_mirror(person: Pictures) -> None:
    make = jax.jit(lambda key: augmentation.example(key, person, labels(), MIRROR, SIZE))
    seen = set()
    for number in range(12):
        image, found = make(jax.random.key(number))
        present = np.asarray(found.present) > 0
        inside = (np.asarray(found.points) >= 6).all(-1) & (np.asarray(found.points) <= 57).all(-1)
        # The spot of a row's own colour, or in the mirror of the other side's; without a turn
        # it is the left one that lies on the left.
        for order in (np.arange(3), np.asarray(MIRROR)):
            spots = np.stack([peak(np.asarray(image), int(channel)) for channel in order])
            close = np.linalg.norm(spots - found.points, axis=-1) < 4
            if inside.all() and close.all():
                seen.add(tuple(order.tolist()))
        off = (np.asarray(found.points) < 0).any(-1) | (np.asarray(found.points) > SIZE - 1).any(-1)
        np.testing.assert_array_equal(present, ~off)
        np.testing.assert_allclose(found.weight[off], augmentation.OUTSIDE_WEIGHT)
    assert seen == {(0, 1, 2), (1, 0, 2)}


def test_what_is_covered_or_cut_off_is_not_present() -> None:
    image, other = jnp.full((SIZE, SIZE, 3), 100.0), jnp.full((SIZE, SIZE, 3), 200.0)
    points = jax.random.uniform(jax.random.key(0), (40, 2), minval=2, maxval=SIZE - 3)
    given = Labels(points, jnp.ones(40), jnp.ones(40), jnp.zeros(40))
    disturb = jax.jit(augmentation.disturb)
    changed = 0
    for number in range(10):
        after, found = disturb(jax.random.key(number), image, given, other)
        at = np.round(np.asarray(points)).astype(int)
        touched = np.abs(np.asarray(after)[at[:, 1], at[:, 0]] - 100).max(-1) > 0
        # But for a pixel at a border.
        assert (touched != (np.asarray(found.present) == 0)).mean() < 0.1
        np.testing.assert_array_equal(found.known, found.present == 0)
        changed += int(touched.sum())
    assert 20 < changed < 300


def test_half_of_the_states_are_disturbed() -> None:
    y = jax.random.uniform(jax.random.key(1), (400, 14, 2), maxval=256)
    found = augmentation.moved_states(
        jax.random.key(2), y, jnp.asarray(opposite(LSP_14)), unit=20.0
    )
    same = np.isclose(found, y).all((1, 2))
    assert 0.4 < same.mean() < 0.6
    assert np.abs(found - y)[~same].max() > 40


def test_the_teacher_repairs_what_it_is_sure_of() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (14, 2)).astype(np.float32)
    points, annotated = np.stack([truth, truth]), np.ones((2, 14), bool)
    answer = np.zeros((2, 17, 2), np.float32)
    answer[:, [COCO_17.index(name) for name in LSP_14[:12]]] = truth[:12]
    score = np.full((2, 17), 0.9, np.float32)
    points[:, 0] += 40  # a right ankle annotated elsewhere
    points[:, 7], annotated[:, 7] = 0, False
    score[:, COCO_17.index("nose")] = 0.05
    found = teacher.repaired(
        teacher.Answer(answer, score),
        np.ones((2, 17), bool),
        points,
        annotated,
        annotated,
        np.array([False, True]),
        np.array([100.0, 100.0], np.float32),
    )
    np.testing.assert_allclose(found.points[0, :12], truth[:12], atol=1e-4)
    np.testing.assert_allclose(found.weight[0, [0, 1, 7]], [0.9, 1, 0.6])
    # An annotation that is trusted stands.
    np.testing.assert_allclose(found.points[1, :14], points[1])
    np.testing.assert_allclose(found.weight[1, [0, 1, 7]], [1, 1, 0])
    nose, eye = (teacher.JOINTS.index(name) for name in ("nose", "left_eye"))
    np.testing.assert_allclose(found.present[0, [nose, eye]], [0, 1])
    np.testing.assert_allclose(found.weight[0, [nose, eye]], [0, 0.5])
