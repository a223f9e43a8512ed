"""Finding people: MultiPose against TensorFlow.js's answer, and what is made of its answer.

`multipose_answer.json` is what TensorFlow.js (4.22, wasm) makes of the released graph for
`multipose_picture.png`, a synthetic person twice, once smaller and mirrored: the outputs of its two
surest people; `confidence` is the largest of each person's own products within the graph, of which
the graph puts out the largest over all people.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from ief_jax.geometry.skeletons import COCO_17
from ief_jax.ief import keypoint_similarity, people, person_detector
from ief_jax.ief.confidence import Estimate
from ief_jax.ief.person_detector import Detector, DetectorConfig, Found
from ief_jax.io.files import InputError

PICTURE = Path(__file__).with_name("multipose_picture.png")
ANSWER = Path(__file__).with_name("multipose_answer.json")
ONE_LOOK = DetectorConfig((256,), threshold=0.1, hint=0.02, small=0.25)


@pytest.fixture(scope="module")
def two_people() -> Image.Image:
    """256 x 192 pixels."""
    with Image.open(PICTURE) as opened:
        return opened.convert("RGB")


@pytest.fixture(scope="module")
def detector() -> Detector:
    """The released one, which looks at 256 x 192 pixels only: one program."""
    released = person_detector.load()
    person_detector.check(released, "released")
    return released._replace(configuration=ONE_LOOK)


def test_gives_what_the_released_graph_gives(two_people: Image.Image, detector: Detector) -> None:
    wanted = {key: np.array(value) for key, value in json.loads(ANSWER.read_text()).items()}
    found = person_detector._people(detector.weights, np.asarray(two_people))
    for key, tolerance in (("boxes", 1e-3), ("points", 1e-3), ("confidence", 2e-3)):
        given = np.asarray(getattr(found, key))[:2]
        np.testing.assert_allclose(given, wanted[key], rtol=0, atol=tolerance)
    # The graph's scores are of the confidences that it puts out.
    np.testing.assert_allclose(found.score[:2], wanted["score"], rtol=0, atol=0.05)
    assert (np.asarray(found.score[2:]) < 0.1).all()


def test_people_are_found_in_the_photographs_own_pixels(
    two_people: Image.Image, detector: Detector
) -> None:
    large = two_people.resize((1024, 768), Image.Resampling.BICUBIC)
    found = person_detector.find_people(detector, large)
    assert len(found.score) == 2 and (np.diff(found.score) <= 0).all()
    same = person_detector.find_people(detector, two_people)
    # A pixel of the small picture is four by four: its middle, x, is 4 x + 1.5.
    np.testing.assert_allclose(found.points, 4 * same.points + 1.5, atol=12)
    np.testing.assert_allclose(found.boxes, 4 * same.boxes + 1.5, atol=24)
    # Each keypoint is in its person's picture.
    left = same.points[:, :, 0].mean(1) < 150
    assert sorted(left) == [False, True]
    assert (same.points[left, :, 0] < 150).all() and (same.points[~left, :, 0] > 150).all()


def test_who_is_not_there_or_there_twice_is_left_out() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (1, 17, 2))
    sure, unsure = np.full(17, 0.8), np.full(17, 0.4)
    face = np.where(np.arange(17) < 5, 0.5, 0.05)
    estimates = [
        Estimate(points + 1, sure),  # the third again, less sure
        Estimate(points + 300, unsure),
        Estimate(points, sure),
        Estimate(points + 600, None),
        Estimate(points + 900, face),
    ]
    rows = people.different_people(estimates, np.array([0.4, 0.9, 0.5, 0.3, 0.2]), COCO_17)
    assert rows.tolist() == [2, 3, 4]


def test_who_is_small_or_nobody_calls_for_a_further_look() -> None:
    configuration = DetectorConfig((256, 640), threshold=0.1, hint=0.02, small=0.25)

    def calls(*people: tuple[float, float]) -> bool:
        """Of people of some height and score, in a photograph 400 pixels wide."""
        boxes = np.array([[10, 300 - height, 30, 300] for height, _ in people]).reshape(-1, 4)
        points, score = np.zeros((len(people), 17, 2)), np.array([score for _, score in people])
        found = Found(boxes, points, points[..., 0], score)
        return person_detector._calls_for_more(found, (400, 300), configuration)

    assert not calls((200, 0.5))
    assert not calls((200, 0.5), (150, 0.05)), "large, and nobody as it seems"
    assert not calls((200, 0.5), (90, 0.01))
    assert calls((200, 0.5), (90, 0.03))
    assert calls((200, 0.5), (90, 0.6))
    assert calls((200, 0.05))
    assert calls()


def test_nobody_in_an_empty_picture(detector: Detector) -> None:
    found = person_detector.find_people(detector, Image.new("RGB", (256, 192), "grey"))
    assert found.boxes.shape == (0, 4) and found.points.shape == (0, 17, 2)
    assert people.person_boxes(found, (256, 192)) == []


def test_a_detector_is_read_back_and_checked(tmp_path: Path) -> None:
    weights = jax.tree.map(
        lambda shape: np.zeros(shape.shape, np.float32),
        jax.eval_shape(person_detector.initial_weights, jax.random.key(0)),
    )
    configuration = DetectorConfig((256, 128), 0.25, 0.1, 0.5)
    path = tmp_path / "detector.npz"
    person_detector.write(path, Detector(configuration, weights), np.float16)
    assert person_detector.load(path).configuration == configuration
    weights.pop("size")
    person_detector.write(path, Detector(configuration, weights), np.float16)
    with pytest.raises(InputError, match="'size/final/bias' is missing"):
        person_detector.load(path)
    wrong: tuple[tuple[str, Any], ...] = (
        ("sides", ()),
        ("sides", (200,)),
        ("threshold", 2),
        ("small", -1),
    )
    for field, value in wrong:
        with pytest.raises(ValueError, match=f"configuration field '{field}'"):
            dataclasses.replace(ONE_LOOK, **{field: value}).check()


def test_similarity_is_cocos() -> None:
    points = np.zeros((17, 2))
    moved = points.copy()
    moved[COCO_17.index("left_hip"), 0] = 21.4
    counts = np.ones(17, bool)
    # At two sigmas of the hip (2 * 0.107) times the root of the area: exp(-1/2).
    alike = keypoint_similarity.similarity(points, moved, counts, 100.0**2, COCO_17)
    np.testing.assert_allclose(alike, (16 + np.exp(-0.5)) / 17, rtol=1e-6)
    counts[COCO_17.index("left_hip")] = False
    assert keypoint_similarity.similarity(points, moved, counts, 100.0**2, COCO_17) == 1
    names = ("head_top", "left_hip")  # the first has no sigma
    alike = keypoint_similarity.similarity(
        np.zeros((2, 2)), np.array([[900, 0], [21.4, 0]]), np.ones(2, bool), 100.0**2, names
    )
    np.testing.assert_allclose(alike, np.exp(-0.5), rtol=1e-6)


def test_of_one_person_found_twice_the_surer_stays() -> None:
    generator = np.random.default_rng(0)
    one = generator.uniform(0, 100, (17, 2))
    points = np.stack([one, one + 2, one + [300, 0], one + [10, 0]])
    boxes = np.concatenate([points.min(1), points.max(1)], 1)
    counts = np.ones((4, 17), bool)
    score = np.array([0.5, 0.6, 0.4, 0.3])

    def rows(alike: float, overlap: float) -> list[int]:
        found = keypoint_similarity.distinct(boxes, points, counts, score, COCO_17, alike, overlap)
        return found.tolist()

    assert rows(0.9, 1.1) == [1, 2, 3], "by keypoints"
    assert rows(1.1, 0.8) == [1, 2], "by boxes"
    assert rows(1.1, 1.1) == [1, 0, 2, 3]


def test_boxes_reach_beyond_what_is_seen_of_a_person() -> None:
    standing = np.zeros((17, 2))
    place = {"hip": 100, "knee": 150, "ankle": 200}
    for part, y in place.items():
        for side, x in (("left", 60), ("right", 40)):
            standing[COCO_17.index(f"{side}_{part}")] = x, y
    sure = np.array([name.endswith(("hip", "knee", "ankle")) for name in COCO_17]).astype(float)
    found = Found(np.array([[20.0, 90, 80, 210]]), standing[None], sure[None], np.ones(1))
    (box,) = people.person_boxes(found, (100, 220))
    # Shins and thighs of 50 pixels are 0.491 of 203.7 pixels; the box is 120 high.
    np.testing.assert_allclose(box, (50, 150, 1.2 * np.sqrt(120 * 100 / 0.491)), rtol=1e-6)
    # Only the part within the photograph counts for the box.
    (cut,) = people.person_boxes(found, (100, 151))
    np.testing.assert_allclose(cut.y, (90 + 150.5) / 2)
