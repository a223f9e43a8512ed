"""People in small pictures: what is packed is read back, with points where they were."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from data.keypoints import packed
from data.keypoints.people import decode
from ief_jax.geometry.crops import PERSON, WINDOW
from ief_jax.geometry.skeletons import LSP_14
from tests.helpers import dots

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="pillow cannot write AVIF")


def test_what_is_packed_is_read_back(tmp_path: Path) -> None:
    people = [dots.person(number) for number in range(3)]
    small = [packed.shrunk(person, 120, 80) for person in people]
    splits = ("train", "train", "validation")
    path = tmp_path / "people.npz"
    packed.write(path, [("dots", *each) for each in zip(splits, small, strict=True)])
    found = packed.read(path)
    assert list(found.images) == [person.image for person in small]
    assert found.split.tolist() == list(splits) and found.dataset.tolist() == ["dots"] * 3
    assert found.annotated.all() and found.visible.all()
    for row, person in enumerate(people):
        picture = Image.open(io.BytesIO(found.images[row]))
        # The box that the network sees has 120 pixels.
        share = 120 / (WINDOW * PERSON * person.height)
        assert found.height[row] == pytest.approx(share * person.height, rel=0.02)
        assert max(picture.size) < 1.4 * 120
        # Whatever is where: distances keep, and each dot has its colour at its point.
        apart = np.linalg.norm(found.points[row] - found.marked[row], axis=-1)
        before = np.linalg.norm(person.points - person.marked, axis=-1)
        np.testing.assert_allclose(apart, share * before, atol=1)
        knee = LSP_14.index("left_knee")
        for image, point in (
            (picture.convert("RGB"), found.points[row, knee]),
            (decode(person.image), person.points[knee]),
        ):
            x, y = np.round(point).astype(int).tolist()
            colour = np.array(image.getpixel((x, y)), float)
            assert np.abs(colour - dots.COLOURS[dots.PARTS.index("knee")]).max() < 90


def test_people_are_not_made_larger() -> None:
    person = dots.person(0)
    small = packed.shrunk(person, 10_000, 50)
    assert small.height == pytest.approx(person.height)
