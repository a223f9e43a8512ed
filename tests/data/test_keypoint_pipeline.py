"""The keypoint pipeline: joints stay on what they mark, and batches can be had again."""

import io
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grain
import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from data.keypoints import pipeline
from data.keypoints.people import Person, decode
from ief_jax.geometry import crops
from ief_jax.geometry.skeletons import LSP_14, opposite
from ief_jax.io.files import InputError

PLAIN = pipeline.Augmentation(rotation=0, scale=(1, 1), shift=0, mirror=0, colour=0)
RNG = np.random.default_rng


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=95)
    return file.getvalue()


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """A colour [14, 3] for each joint, far from each other."""
    corners = np.array(list(itertools.product([60, 150, 240], repeat=3)))
    return corners[np.linspace(1, 25, 14).astype(int)]


@pytest.fixture(scope="module")
def dotted(colours: np.ndarray) -> Person:
    """A person whose joints are discs on black, each of its own colour."""
    points = np.stack(np.meshgrid(np.linspace(60, 240, 5), np.linspace(50, 200, 3)), -1)
    points = points.reshape(-1, 2)[:14]
    image = Image.new("RGB", (300, 260))
    draw = ImageDraw.Draw(image)
    for (x, y), colour in zip(points, colours, strict=True):
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), tuple(colour.tolist()))
    return person(encoded(image), points, marked=np.array([150.0, 120.0]), height=200.0)


def person(image: bytes | Path, points: np.ndarray, **changes: object) -> Person:
    known = np.ones(len(points), bool)
    given: dict[str, Any] = {
        "name": "one",
        "image": image,
        "points": points.astype(np.float32),
        "annotated": known,
        "visible": known,
        "marked": points.mean(0),
        "height": 40.0,
        **changes,
    }
    return Person(**given)


def seen(example: pipeline.Example) -> np.ndarray:
    """The colour [K, 3] under each joint; -1 where it is outside of the crop."""
    image, points = example["image"], example["points"]
    at = np.round(points).astype(int)
    inside = ((at >= 0) & (at < image.shape[0])).all(1)
    at = at.clip(0, image.shape[0] - 1)
    return np.where(inside[:, None], image[at[:, 1], at[:, 0]].astype(int), -1)


def check_joints(example: pipeline.Example, colours: np.ndarray, mirrored: bool) -> None:
    """Each joint is on its own disc: in a mirror, the left wrist on that of the right one."""
    expected = colours[opposite(LSP_14)] if mirrored else colours
    found = seen(example)
    inside = found[:, 0] >= 0
    assert inside.sum() > 5
    np.testing.assert_allclose(found[inside], expected[inside], atol=12)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", [60, 128])
def test_augmented_joints_stay_on_what_they_mark(
    dotted: Person, colours: np.ndarray, size: int, mirrored: bool
) -> None:
    amount = pipeline.Augmentation(shift=0.1, mirror=float(mirrored), colour=0)
    example = pipeline.augmented(LSP_14, size, amount)
    for seed in range(6):
        made = example(dotted, RNG(seed))
        assert made["image"].shape == (size, size, 3)
        check_joints(made, colours, mirrored)
        # The crop is about the marked point.
        np.testing.assert_allclose(made["marked"], (size - 1) / 2, atol=1e-3)


def test_rotation_and_scale_reach_as_far_as_they_are_said_to(dotted: Person) -> None:
    plain = pipeline.central_points(dotted, 16) @ [1, 1j]
    example = pipeline.augmented(LSP_14, 16, pipeline.Augmentation(mirror=0))
    made = np.array([example(dotted, RNG(seed))["points"] @ [1, 1j] for seed in range(100)])
    change = (made[:, 4] - made[:, 0]) / (plain[4] - plain[0])
    scale, angle = 1 / np.abs(change), np.degrees(np.angle(change))
    assert 0.75 <= scale.min() < 0.78 < 1.25 < scale.max() <= 1.3
    assert -40 <= angle.min() < -35 < 35 < angle.max() <= 40


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("mirrored", [False, True])
def test_paper_crops(dotted: Person, colours: np.ndarray, rank: int, mirrored: bool) -> None:
    example = pipeline.paper(LSP_14, 112)
    made = example(pipeline.PaperCrop(dotted, rank, mirrored), RNG(0))
    check_joints(made, colours, mirrored)
    # Of the sides 364, 328.25, ... 78, closest to 1.2 x 200 are
    side = [256.75, 221, 292.5][rank] * 7 / 8
    span = np.ptp(made["points"][:, 0])
    assert span == pytest.approx(180 * 112 / side, rel=1e-5)
    plain = example(pipeline.PaperCrop(dotted, rank, False), RNG(0))
    if mirrored:
        np.testing.assert_array_equal(made["image"], plain["image"][:, ::-1])
        swapped = plain["points"][opposite(LSP_14)]
        np.testing.assert_allclose(made["points"], [111, 0] + swapped * [-1, 1], atol=1e-4)
    # A random window: the marked point is up to 1/16 of the box off the middle.
    off = made["marked"] - 55.5
    assert 0 < np.abs(off).max() <= 112 / 14 + 1e-3


def test_the_papers_views() -> None:
    people = [person(b"", np.zeros((14, 2)), name=name) for name in "ab"]
    found = pipeline.paper_crops(people)
    assert len(found) == 12
    expected = itertools.product("ab", range(3), (False, True))
    assert [(v.person.name, v.rank, v.mirrored) for v in found] == list(expected)
    plain = pipeline.paper_crops(people, mirror=False)
    assert len(plain) == 6
    expected = itertools.product("ab", range(3), (False,))
    assert [(v.person.name, v.rank, v.mirrored) for v in plain] == list(expected)


def test_the_central_crop_is_the_one_that_inference_makes(dotted: Person) -> None:
    made = pipeline.central(90)(dotted, RNG(0))
    window = crops.window(crops.Box(150, 120, 240))
    image = decode(dotted.image, dotted.name)
    np.testing.assert_array_equal(made["image"], crops.crop(image, window, 90))
    np.testing.assert_allclose(made["points"], pipeline.central_points(dotted, 90), rtol=1e-5)
    np.testing.assert_allclose(made["points"], crops.to_crop(dotted.points, window, 90), rtol=1e-5)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_warp_is_bilinear(kind: str) -> None:
    """Against scipy."""
    image = Image.open(io.BytesIO(encoded(smooth(), kind)))
    one = person(encoded(smooth(), kind), np.array([[30.0, 20.0]] * 14), height=40.0)
    amount = pipeline.Augmentation(shift=0, mirror=0, colour=0)
    made = pipeline.augmented(LSP_14, 48, amount)(one, RNG(3))
    turned = RNG(3)
    angle = np.radians(turned.uniform(-40, 40))
    side = 7 / 8 * 1.2 * 40 * np.exp(turned.uniform(np.log(0.75), np.log(1.3)))
    v, u = np.mgrid[:48, :48] - 23.5
    x = 30 + (u * np.cos(angle) + v * np.sin(angle)) * side / 48
    y = 20 + (-u * np.sin(angle) + v * np.cos(angle)) * side / 48
    pixels = np.asarray(image).astype(float)
    expected = np.stack(
        [ndimage.map_coordinates(pixels[..., c], [y, x], order=1) for c in range(3)], -1
    )
    # At the border what is taken for covered may differ by a pixel.
    covered = (x > 1) & (x < 62) & (y > 1) & (y < 46)
    assert covered.mean() > 0.7
    np.testing.assert_allclose(made["image"][covered], expected[covered], atol=2)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("factor", [3, 5])
def test_large_photographs_are_reduced_first(kind: str, factor: int) -> None:
    """A ramp stays where it is, to a small part of a pixel of the crop."""
    y, x = np.mgrid[: 48 * factor, : 64 * factor] / factor
    ramp = Image.fromarray(np.stack([3 * x, 4 * y, x + 2 * y], -1).astype(np.uint8))
    marked = np.array([[30.0 * factor, 25.0 * factor]] * 14)
    one = person(encoded(ramp, kind), marked, height=40.0 * factor)
    made = pipeline.augmented(LSP_14, 48, PLAIN)(one, RNG(0))["image"]
    x, y = marked[0].tolist()
    expected = crops.crop(ramp, crops.window(crops.Box(x, y, 48.0 * factor)), 48)
    difference = (made.astype(int) - expected)[1:-1, 1:-1]
    assert np.abs(difference).max() <= 4
    np.testing.assert_allclose(difference.mean((0, 1)), 0, atol=0.7)


def test_colours_change_but_not_the_black_around() -> None:
    one = person(encoded(smooth()), np.array([[60.0, 44.0]] * 14), height=60.0)
    plain = pipeline.augmented(LSP_14, 32, PLAIN)(one, RNG(0))["image"]
    amount = pipeline.Augmentation(rotation=0, scale=(1, 1), shift=0, mirror=0, colour=0.4)
    for seed in range(5):
        made = pipeline.augmented(LSP_14, 32, amount)(one, RNG(seed))["image"]
        np.testing.assert_array_equal(made.any(-1), plain.any(-1))
        assert np.abs(made.astype(int) - plain).max() > 5
    assert not plain[-4:].any()
    assert not plain[:, -4:].any()


def test_missing_joints_are_masked_and_those_outside_stay(dotted: Person) -> None:
    annotated = np.ones(14, bool)
    annotated[[0, 8]] = False  # right ankle, right shoulder
    points = np.where(annotated[:, None], dotted.points, 1e6).astype(np.float32)
    points[3] = 900, 700
    one = person(dotted.image, points, annotated=annotated, marked=dotted.marked, height=200.0)
    mirror = pipeline.Augmentation(mirror=1, colour=0)
    for made, missing, far in [
        (pipeline.central(64)(one, RNG(0)), [0, 8], 3),
        (pipeline.paper(LSP_14, 64)(pipeline.PaperCrop(one, 0, True), RNG(0)), [5, 9], 2),
        (pipeline.augmented(LSP_14, 64, PLAIN)(one, RNG(0)), [0, 8], 3),
        (pipeline.augmented(LSP_14, 64, mirror)(one, RNG(0)), [5, 9], 2),
    ]:
        np.testing.assert_array_equal(np.flatnonzero(~made["annotated"]), missing)
        assert not made["points"][missing].any()
        assert np.abs(made["points"][far]).max() > 100
        assert made["points"].dtype == made["marked"].dtype == np.float32


@pytest.fixture(scope="module")
def crowd() -> list[Person]:
    return [
        person(encoded(smooth(seed), "JPEG"), RNG(seed).uniform(5, 45, (14, 2)), name=str(seed))
        for seed in range(7)
    ]


def batches(crowd: list[Person], **changes: Any) -> grain.IterDataset:
    settings: dict[str, Any] = {"batch_size": 3, "seed": 0, **changes}
    return pipeline.batches(crowd, pipeline.augmented(LSP_14, 16), **settings)


def equal(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return all(np.array_equal(value, other[name]) for name, value in one.items())


def test_batches_are_the_same_again_and_go_on_where_they_ended(crowd: list[Person]) -> None:
    running = iter(batches(crowd))
    seven = [next(running) for _ in range(7)]
    assert {name: (value.shape, value.dtype.name) for name, value in seven[0].items()} == {
        "image": ((3, 16, 16, 3), "uint8"),
        "points": ((3, 14, 2), "float32"),
        "annotated": ((3, 14), "bool"),
        "marked": ((3, 2), "float32"),
    }
    again = iter(batches(crowd, threads=1))
    assert all(equal(next(again), batch) for batch in seven[:3])
    state = again.get_state()
    resumed = iter(batches(crowd))
    resumed.set_state(state)
    later = iter(batches(crowd, first=3))
    for batch in seven[3:]:
        assert equal(next(resumed), batch)
        assert equal(next(later), batch)
    other = iter(batches(crowd, seed=1))
    assert not equal(next(other), seven[0])


def test_of_a_batch_some_rows_can_be_had_alone(crowd: list[Person]) -> None:
    """As each of several processes that train together does; the others are not prepared."""
    whole, some = iter(batches(crowd, first=1)), iter(batches(crowd, first=1, rows=[0, 2]))
    for _ in range(3):
        batch = next(whole)
        assert equal(next(some), {name: value[[0, 2]] for name, value in batch.items()})
    made = []

    def noted(one: Person, _: np.random.Generator) -> dict[str, np.ndarray]:
        made.append(one.name)
        return {"name": np.array(int(one.name))}

    names = [
        np.stack([batch["name"] for batch in pipeline.batches(crowd, noted, 3, 0, 2, rows=rows)])
        for rows in (None, [1])
    ]
    np.testing.assert_array_equal(names[1], names[0][:, [1]])
    assert len(made) == names[0].size + names[1].size


def test_an_epoch_shows_everyone_once(crowd: list[Person]) -> None:
    def marked(one: Person, _: np.random.Generator) -> dict[str, np.ndarray]:
        return {"name": np.array(int(one.name))}

    once = pipeline.batches(crowd, marked, batch_size=3, seed=0, epochs=3)
    names = np.concatenate([batch["name"] for batch in once])
    assert names.size == 21
    epochs = names.reshape(3, 7)
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) > 1


@pytest.mark.parametrize(
    "content", [b"", b"no image", encoded(Image.new("RGB", (40, 40)), "JPEG")[:200]]
)
def test_a_broken_image_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "im0001.jpg"
    sources: list[tuple[bytes | Path, str]] = [(content, "one"), (path, "im0001.jpg")]
    for source, name in sources:
        path.write_bytes(content)
        one = person(source, np.zeros((14, 2)))
        for example in (pipeline.augmented(LSP_14, 16), pipeline.central(16)):
            with pytest.raises(InputError, match=f"{name}: not an image that can be read"):
                example(one, RNG(0))
    path.unlink()
    one = person(path, np.zeros((14, 2)))
    with pytest.raises(InputError, match=r"cannot read .*im0001\.jpg"):
        next(iter(batches([one] * 3)))


def test_too_few_people_for_a_batch(crowd: list[Person]) -> None:
    with pytest.raises(InputError, match="7 examples do not make a batch of 8"):
        batches(crowd, batch_size=8, epochs=1)
    with pytest.raises(InputError, match="0 examples"):
        batches([])


def smooth(seed: int = 0) -> Image.Image:
    """A photograph without fine detail, 64 x 48 pixels, nowhere black."""
    coarse = RNG(seed).integers(60, 200, (5, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)
