"""Keypoints over photographs: in the right place, in the right colour."""

import numpy as np
import pytest
from PIL import Image

from ief_jax.geometry import skeletons
from ief_jax.viz import colours, keypoint_picture

NAMES = skeletons.LSP_14


@pytest.fixture
def person() -> keypoint_picture.DrawnPerson:
    """Somebody upright, facing us: their right is on our left."""
    points = np.zeros((14, 2))
    for name, at in {
        "head_top": (200, 30),
        "upper_neck": (200, 80),
        "shoulder": (50, 100),
        "elbow": (80, 160),
        "wrist": (90, 220),
        "hip": (30, 240),
        "knee": (35, 310),
        "ankle": (40, 380),
    }.items():
        if name in NAMES:
            points[NAMES.index(name)] = at
        else:
            points[NAMES.index(f"right_{name}")] = (200 - at[0], at[1])
            points[NAMES.index(f"left_{name}")] = (200 + at[0], at[1])
    return keypoint_picture.DrawnPerson(points, np.ones(14), np.array([200.0, 180.0]))


def pixel(image: Image.Image, x: float, y: float) -> np.ndarray:
    return np.asarray(image)[round(y), round(x)].astype(int)


@pytest.mark.parametrize("factor", [1, 2, 4, 0.25])
def test_keypoints_lie_on_the_joints_whatever_the_size(
    person: keypoint_picture.DrawnPerson, factor: float
) -> None:
    # The same scene at another number of pixels: u = (p + 1/2) f - 1/2.
    there = person._replace(
        points=(person.points + 0.5) * factor - 0.5, marked=(person.marked + 0.5) * factor - 0.5
    )
    size = (round(400 * factor), round(420 * factor))
    image = keypoint_picture.picture(Image.new("RGB", size, (250, 250, 250)), [there], NAMES)
    assert max(image.size) == min(
        max(420 * factor, keypoint_picture.SMALLEST), keypoint_picture.LARGEST
    )
    zoom = image.height / 420
    for name, point in zip(NAMES, person.points, strict=True):
        expected = {"left": colours.LEFT, "right": colours.RIGHT}.get(
            name.split("_")[0], colours.MIDDLE
        )
        found = pixel(image, *((point + 0.5) * zoom - 0.5))
        assert np.abs(found - expected).max() < 10, name
    # A forearm has its side's colour half-way along; the background stays as it was.
    wrist, elbow = (person.points[NAMES.index(f"left_{part}")] for part in ("wrist", "elbow"))
    middle = ((wrist + elbow) / 2 + 0.5) * zoom - 0.5
    assert np.abs(pixel(image, *middle) - colours.LEFT).max() < 60
    assert pixel(image, 20, 20).tolist() == [250, 250, 250]


def test_what_is_uncertain_is_faint_and_a_ring(person: keypoint_picture.DrawnPerson) -> None:
    canvas = Image.new("RGB", (640, 640), "black")
    sure = keypoint_picture.picture(canvas, [person], NAMES)
    unsure = keypoint_picture.picture(canvas, [person._replace(confidence=np.full(14, 0.2))], NAMES)
    assert np.asarray(unsure).sum() != np.asarray(sure).sum()
    wrist = person.points[NAMES.index("left_wrist")]
    assert pixel(unsure, *wrist).min() > 200, "white inside"
    assert np.abs(pixel(sure, *wrist) - colours.LEFT).max() < 10
    knee, ankle = (person.points[NAMES.index(f"left_{part}")] for part in ("knee", "ankle"))
    shin = (knee + ankle) / 2
    assert pixel(unsure, *shin).sum() < 0.7 * pixel(sure, *shin).sum()


def test_several_people_are_numbered(person: keypoint_picture.DrawnPerson) -> None:
    canvas = Image.new("RGB", (800, 640), "black")
    other = person._replace(points=person.points + [350, 0], marked=person.marked + [350, 0])
    image = np.asarray(keypoint_picture.picture(canvas, [person, other], NAMES)).astype(int)
    # The same but for the numbers.
    apart = np.abs(image[:, 10:350] - image[:, 360:700]).max(-1)
    rows, columns = np.nonzero(apart > 50)
    assert len(rows) > 20
    assert np.ptp(rows) < 60 and np.ptp(columns) < 60
    np.testing.assert_allclose([columns.mean() + 10, rows.mean()], person.marked, atol=60)
    alone = np.asarray(keypoint_picture.picture(canvas, [person], NAMES)).astype(int)
    assert np.abs(alone[:, 10:350] - image[:, 10:350]).max() > 50


def test_small_people_are_drawn_finely(person: keypoint_picture.DrawnPerson) -> None:
    small = person._replace(points=person.points / 10 + 200, marked=person.marked / 10 + 200)
    image = keypoint_picture.picture(Image.new("RGB", (640, 640), "black"), [small], NAMES)
    rows, columns = np.nonzero(np.asarray(image).max(-1) > 50)
    low, high = small.points.min(0), small.points.max(0)
    assert np.abs(np.array([columns.min(), rows.min()]) - low).max() < 4
    assert np.abs(np.array([columns.max(), rows.max()]) - high).max() < 4


def test_any_skeleton_is_connected() -> None:
    for names, least in ((skeletons.LSP_14, 14), (skeletons.MPII_16, 14), (skeletons.COCO_17, 16)):
        joined = keypoint_picture.limbs(names)
        assert len(joined) >= least
        assert len(set(joined)) == len(joined)
    assert keypoint_picture.limbs(("left_knee",)) == []


def test_colours_of_limbs() -> None:
    assert colours.limb_colour("upper_neck", "left_shoulder") == colours.LEFT
    assert colours.limb_colour("right_hip", "right_knee") == colours.RIGHT
    assert colours.limb_colour("left_hip", "right_hip") == colours.MIDDLE
    assert colours.limb_colour("head_top", "upper_neck") == colours.MIDDLE


def test_a_narrow_strip(person: keypoint_picture.DrawnPerson) -> None:
    image = keypoint_picture.picture(Image.new("RGB", (2, 4000)), [person], NAMES)
    assert image.size == (1, 1600)
