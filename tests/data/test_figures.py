"""Stick figures: what is drawn is where the joints are, and the set in its file."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2", reason="needs the extra 'data'")

from data.figures import drawings, reader
from data.keypoints.people import Person
from ief_jax.geometry.skeletons import MPII_16
from ief_jax.io.files import InputError


@pytest.fixture(scope="module")
def few() -> list[Person]:
    return list(reader.figures(5, seed=4))


def test_limbs_are_drawn_between_their_ends_in_their_colours() -> None:
    points = np.random.default_rng(1).uniform(5, 90, (16, 2))
    middles = {
        ends: points[[MPII_16.index(end) for end in ends]].mean(0) for ends in drawings.LIMBS
    }
    shown = []
    for seed in range(40):
        picture = drawings.draw(np.random.default_rng(seed), points, MPII_16)
        assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
        shown.append(picture)
    # Another line may cover one in some of the pictures, not in most.
    usual = np.median(shown, 0)
    near = []
    for ends, colour in drawings.LIMBS.items():
        column, row = np.round(middles[ends]).astype(int)
        near.append(np.abs(usual[row, column] - colour).max() < 25)
    assert np.mean(near) > 0.7
    # Background: no colour of its own
    blank = [
        drawings.draw(np.random.default_rng(s), np.full((16, 2), -50.0), MPII_16) for s in (0, 1)
    ]
    assert np.abs(blank[0].astype(int) - blank[1]).mean() > 20


def test_left_and_right_have_colours_of_their_own() -> None:
    colours = {frozenset(ends): colour for ends, colour in drawings.LIMBS.items()}
    swap = {"left": "right", "right": "left"}
    for ends, colour in drawings.LIMBS.items():
        sides = [end.partition("_") for end in ends]
        other = frozenset(f"{swap.get(side, side)}_{part}" for side, _, part in sides)
        if other != frozenset(ends):
            assert np.abs(np.subtract(colours[other], colour)).max() > 100


def test_figures_are_functions_of_their_number(few: list[Person]) -> None:
    again = list(reader.figures(3, seed=4))
    for one, other in zip(few, again, strict=False):
        assert one.name == other.name and one.image == other.image
        np.testing.assert_array_equal(one.points, other.points)
    assert len({person.image for person in few}) == 5
    other = next(iter(reader.figures(1, seed=5)))
    assert other.image != few[0].image
    assert np.abs(other.points - few[0].points).max() > 1


def test_figures_are_as_they_say(few: list[Person]) -> None:
    for person in few:
        assert isinstance(person.image, bytes)
        with Image.open(BytesIO(person.image)) as image:
            assert image.size == (96, 96)
        assert person.points.shape == (16, 2) and person.points.dtype == np.float32
        assert person.annotated.all() and person.visible.all()
        lower, upper = person.points.min(0), person.points.max(0)
        np.testing.assert_allclose((upper - lower).max(), drawings.TALL, rtol=1e-4)
        np.testing.assert_allclose((upper + lower) / 2, 47.5, atol=1e-3)
        assert person.height >= drawings.TALL * (1 - 1e-4)
        assert np.abs(person.marked - 47.5).max() < 0.2 * person.height
        neck, top = (person.points[MPII_16.index(name)] for name in ("upper_neck", "head_top"))
        np.testing.assert_allclose(person.head_size, np.hypot(*(neck - top)), rtol=1e-5)


def test_a_set_is_made_once_and_read_back(
    tmp_path: Path, few: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(reader.COUNTS, "test", 3)
    monkeypatch.setitem(reader.SEEDS, "test", 4)
    made = reader.read(tmp_path, "test")
    path = tmp_path / "figures" / "test.npz"
    before = path.stat().st_mtime_ns
    found = reader.read(tmp_path, "test")
    assert path.stat().st_mtime_ns == before
    for one, other, expected in zip(made, found, few, strict=False):
        assert one.image == other.image == expected.image
        for field in ("points", "annotated", "marked", "height", "head_size", "name"):
            np.testing.assert_array_equal(getattr(other, field), getattr(expected, field))
    with pytest.raises(InputError, match="no split 'all'"):
        reader.read(tmp_path, "all")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="truncated"):
        reader.read(tmp_path, "test")
    np.savez(path, format="ief_jax-synthetic-1")
    with pytest.raises(InputError, match="made by another version"):
        reader.read(tmp_path, "test")


def test_splits_differ() -> None:
    assert len(set(reader.SEEDS.values())) == len(reader.SPLITS)
