"""Keypoints in OpenPose's form: what was written is read back by the reader that fits bodies."""

import json
from pathlib import Path

import numpy as np
import pytest

from ief_jax.formats import detection_files, detections, keypoints
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError, OutputError


@pytest.fixture
def people() -> tuple[np.ndarray, np.ndarray]:
    """Two people's 14 joints of LSP, far from any plausible pose."""
    rng = np.random.default_rng(0)
    return rng.uniform(10, 300, (2, 14, 2)), rng.uniform(0.1, 1, (2, 14))


MARKED = np.array([[108.0, 98.5], [300.0, 90.0]])


def test_what_is_written_is_read_back(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    points, confidence = people
    path = tmp_path / "photo_keypoints.json"
    keypoints.write(path, points, confidence, skeletons.LSP_14, MARKED, "photo.jpg")
    found = detection_files.read(path)
    assert found.names == skeletons.LSP_14
    np.testing.assert_allclose(found.points, points, atol=1e-3)
    np.testing.assert_allclose(found.confidence, confidence, atol=1e-3)
    assert found.frame_names == ("photo",)
    assert found.person.tolist() == [0, 1]


def test_people_s_numbers_are_read_back(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    path = tmp_path / "frame_keypoints.json"
    keypoints.write(path, *people, skeletons.LSP_14, MARKED, "frame.jpg", [4, 9])
    assert detection_files.read(path).identity.tolist() == [4, 9]
    keypoints.write(path, *people, skeletons.LSP_14, MARKED, "frame.jpg")
    assert detection_files.read(path).identity.tolist() == [-1, -1]


def test_openpose_s_readers_find_body_25(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    points, confidence = people
    path = tmp_path / "photo_keypoints.json"
    keypoints.write(path, points, confidence, skeletons.LSP_14, MARKED, "photo.jpg")
    path.write_text(path.read_text().replace("keypoint_names", "of_ours"))
    found = detection_files.read(path)
    assert (found.skeleton, found.evidence) == ("BODY_25", "as stated")
    seen = set()
    for row, name in enumerate(skeletons.LSP_14):
        if name in found.names:
            place = found.names.index(name)
            np.testing.assert_allclose(found.points[:, place], points[:, row], atol=1e-3)
            np.testing.assert_allclose(found.confidence[:, place], confidence[:, row], atol=1e-3)
            seen.add(name)
    assert len(seen) == 12, "all but the upper neck and the top of the head"
    # OpenPose's neck and mid-hip lie between shoulders and hips, and are as sure as the less sure.
    for name, part in (("neck", "shoulder"), ("mid_hip", "hip")):
        rows = [skeletons.LSP_14.index(f"{side}_{part}") for side in ("left", "right")]
        place = found.names.index(name)
        np.testing.assert_allclose(found.points[:, place], points[:, rows].mean(1), atol=1e-3)
        np.testing.assert_allclose(
            found.confidence[:, place], confidence[:, rows].min(1), atol=1e-3
        )
    other = [i for i, name in enumerate(found.names) if name not in {*seen, "neck", "mid_hip"}]
    assert len(other) == 25 - 14
    assert not found.confidence[:, other].any() and not found.points[:, other].any()


def test_nothing_is_lost_that_body_25_has_no_place_for(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    points, confidence = people
    path = tmp_path / "photo_keypoints.json"
    keypoints.write(path, points, confidence, skeletons.LSP_14, MARKED, "photo.jpg")
    content = json.loads(path.read_text())
    assert content["image"] == "photo.jpg"
    assert content["keypoint_names"] == list(skeletons.LSP_14)
    own = np.array([person["keypoints_2d"] for person in content["people"]]).reshape(2, 14, 3)
    np.testing.assert_allclose(own[..., :2], points, atol=1e-3)
    np.testing.assert_allclose(own[..., 2], confidence, atol=1e-3)
    assert [person["marked_point"] for person in content["people"]] == MARKED.tolist()


def test_face_neck_and_head_reach_the_fit(tmp_path: Path) -> None:
    names = (*skeletons.LSP_14, *skeletons.COCO_17[:5])
    rng = np.random.default_rng(1)
    points, confidence = rng.uniform(10, 300, (1, 19, 2)), rng.uniform(0.1, 1, (1, 19))
    path = tmp_path / "photo_keypoints.json"
    keypoints.write(path, points, confidence, names, MARKED[:1], "photo.jpg")
    found = detection_files.read(path)
    union, sure = skeletons.convert(found.points, found.confidence, found.names, skeletons.UNION_27)
    for row, name in enumerate(names):
        place = skeletons.UNION_27.index(name)
        np.testing.assert_allclose(union[0, place], points[0, row], atol=1e-3)
        np.testing.assert_allclose(sure[0, place], confidence[0, row], atol=1e-3)
    # And the neck and mid-hip; of the 27 only the feet are lacking.
    assert (sure > 0).sum() == 21
    # OpenPose's own readers get the face as well.
    body = json.loads(path.read_text())["people"][0]["pose_keypoints_2d"]
    nose = points[0, names.index("nose")]
    np.testing.assert_allclose(body[:2], nose, atol=1e-3)


def test_an_estimate_without_confidence_is_still_there(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    path = tmp_path / "photo_keypoints.json"
    keypoints.write(path, people[0], 0 * people[1], skeletons.LSP_14, MARKED, "photo.jpg")
    found = detections.usable(detections.to_union(detection_files.read(path)))[0]
    assert (found.confidence > 0).sum(1).tolist() == [14, 14]
    assert json.loads(path.read_text())["confidence_estimated"] is True


def test_confidences_that_nobody_estimated_are_one_and_said_to_be(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    path = tmp_path / "photo_keypoints.json"
    keypoints.write(path, people[0], None, skeletons.LSP_14, MARKED, "photo.jpg")
    content = json.loads(path.read_text())
    assert content["confidence_estimated"] is False
    own = np.array([person["keypoints_2d"] for person in content["people"]]).reshape(2, 14, 3)
    np.testing.assert_array_equal(own[..., 2], 1)
    np.testing.assert_allclose(own[..., :2], people[0], atol=1e-3)
    found = detection_files.read(path)
    assert set(found.confidence.flat) == {1.0}


def test_nobody_in_a_photograph(tmp_path: Path) -> None:
    path = tmp_path / "photo_keypoints.json"
    none = np.zeros((0, 14))
    keypoints.write(path, np.zeros((0, 14, 2)), none, skeletons.LSP_14, np.zeros((0, 2)), "a.jpg")
    assert json.loads(path.read_text())["people"] == []


def test_a_folder_that_is_missing(tmp_path: Path, people: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        keypoints.write(tmp_path / "none" / "a.json", *people, skeletons.LSP_14, MARKED, "a.jpg")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (["BODY_99"], "'skeleton' is 'BODY_99', expected COCO_17"),
        (["BODY_25", "BODY_25B"], "the files name BODY_25, BODY_25B"),
    ],
)
def test_a_skeleton_that_the_file_misstates(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray], stated: list[str], message: str
) -> None:
    for number, name in enumerate(stated):
        path = tmp_path / f"{number}.json"
        keypoints.write(path, *people, skeletons.LSP_14, MARKED, "a.jpg")
        path.write_text(path.read_text().replace('"BODY_25"', f'"{name}"'))
        path.write_text(path.read_text().replace("keypoint_names", "of_ours"))
    with pytest.raises(InputError, match=message):
        detection_files.read(tmp_path)
    # The user's word counts more.
    assert detection_files.read(tmp_path, "BODY_25B").skeleton == "BODY_25B"
