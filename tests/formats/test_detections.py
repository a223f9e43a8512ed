"""Reading keypoint detections, and what is said about files that cannot be used."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ief_jax.formats import detection_files, detections
from ief_jax.formats.assembling import Options
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError

# A standing person, seen from the front: x right, y down, pixels.
STANDING = {
    "nose": (100, 40),
    "left_eye": (104, 36),
    "right_eye": (96, 36),
    "left_ear": (110, 38),
    "right_ear": (90, 38),
    "neck": (100, 70),
    "upper_neck": (100, 60),
    "head_top": (100, 15),
    "left_shoulder": (122, 70),
    "right_shoulder": (78, 70),
    "left_elbow": (135, 115),
    "right_elbow": (65, 115),
    "left_wrist": (140, 158),
    "right_wrist": (60, 158),
    "mid_hip": (100, 160),
    "left_hip": (114, 160),
    "right_hip": (86, 160),
    "left_knee": (116, 230),
    "right_knee": (84, 230),
    "left_ankle": (117, 300),
    "right_ankle": (83, 300),
    "left_heel": (116, 310),
    "right_heel": (84, 310),
    "left_big_toe": (122, 318),
    "right_big_toe": (78, 318),
    "left_small_toe": (128, 316),
    "right_small_toe": (72, 316),
}


def person(layout: str, confidence: float = 0.9, shift: float = 0.0) -> list[float]:
    """[x, y, confidence, ...] of the standing person, as JSON holds it."""
    rows = [(STANDING[name][0] + shift, STANDING[name][1]) for name in skeletons.LAYOUTS[layout]]
    return [number for x, y in rows for number in (x, y, confidence)]


def openpose(*people: list[Any]) -> dict[str, Any]:
    return {"version": 1.3, "people": [{"pose_keypoints_2d": numbers} for numbers in people]}


def coco(*people: list[Any], **changes: Any) -> dict[str, Any]:
    content = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 9, "file_name": "sub/b.jpg"}],
        "annotations": [
            {"image_id": 9, "category_id": 1, "keypoints": numbers, "id": i}
            for i, numbers in enumerate(people)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeletons.COCO_17)}],
    }
    if changes.pop("second_category", False):
        content["annotations"][1]["category_id"] = 2
    return {**content, **changes}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def named(found: detections.Detections, row: int) -> dict[str, tuple[float, float]]:
    return {
        name: (float(x), float(y))
        for name, (x, y) in zip(found.names, found.points[row], strict=True)
    }


@pytest.mark.parametrize("layout", ["COCO_17", "COCO_18", "BODY_25", "BODY_25B"])
def test_openpose_layouts_are_told_apart(tmp_path: Path, layout: str) -> None:
    found = detection_files.read(write(tmp_path / "f_keypoints.json", openpose(person(layout))))
    assert found.skeleton == layout
    assert found.frame_names == ("f",)
    np.testing.assert_allclose(found.confidence, 0.9, rtol=1e-6)
    assert all(named(found, 0)[name] == STANDING[name] for name in skeletons.LAYOUTS[layout])


@pytest.mark.parametrize("layout", ["BODY_25", "BODY_25B"])
def test_layouts_of_25_are_told_apart_with_keypoints_missing(tmp_path: Path, layout: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        numbers = np.array(person(layout)).reshape(25, 3)
        numbers[rng.permutation(25)[:10]] = 0
        path = write(tmp_path / "f.json", openpose(numbers.reshape(-1).tolist()))
        assert detection_files.read(path).skeleton == layout


def test_the_users_word_counts_before_the_limbs(tmp_path: Path) -> None:
    path = write(tmp_path / "f.json", openpose(person("BODY_25B")))
    assert detection_files.read(path, "BODY_25").names == skeletons.BODY_25


@pytest.mark.parametrize("layout", ["COCO_17", "COCO_18", "BODY_25", "BODY_25B"])
def test_every_layout_gives_its_keypoints_their_places(tmp_path: Path, layout: str) -> None:
    path = write(tmp_path / "f.json", openpose(person(layout)))
    found = detections.to_union(detection_files.read(path))
    known = np.isin(skeletons.UNION_27, skeletons.LAYOUTS[layout])
    expected = [STANDING.get(name, (0, 0)) for name in skeletons.UNION_27]
    np.testing.assert_allclose(found.points[0][known], np.array(expected)[known], atol=1e-4)
    np.testing.assert_allclose(found.confidence[0], 0.9 * known, rtol=1e-6)


def test_old_openpose_files(tmp_path: Path) -> None:
    content = {"version": 1.0, "people": [{"pose_keypoints": person("COCO_18")}]}
    assert detection_files.read(write(tmp_path / "f.json", content)).skeleton == "COCO_18"


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        people = [person("BODY_25", shift=number), person("BODY_25", shift=-number)]
        write(tmp_path / f"frame{number}_keypoints.json", openpose(*people[: 1 + number % 2]))
    write(tmp_path / "frame11_keypoints.json", openpose())
    (tmp_path / "notes.txt").write_text("not a frame")
    found = detection_files.read(tmp_path)
    assert found.frame_names == ("frame9", "frame10", "frame11", "frame100")
    assert found.frame.tolist() == [0, 0, 1, 3]
    assert found.person.tolist() == [0, 1, 0, 0]
    assert found.points[:, 0, 0].tolist() == [109, 91, 110, 200]


def test_a_person_without_body_keypoints_keeps_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "f.json", openpose([], person("BODY_25")))
    found = detection_files.read(path)
    assert found.person.tolist() == [0, 1]
    people, skipped = detections.usable(detections.to_union(found))
    assert people.person.tolist() == [1]
    assert skipped == [detections.Skipped(0, 0, "0 of 27 keypoints seen, 6 needed")]


def test_coco_annotations(tmp_path: Path) -> None:
    first, second = person("COCO_17", 2), person("COCO_17", 1)
    second[:3] = [0, 0, 0]
    found = detection_files.read(write(tmp_path / "c.json", coco(first, second)))
    assert found.names == skeletons.COCO_17
    assert (found.skeleton, found.evidence) == ("COCO_17", "names in the file")
    assert found.images == ("a.jpg", "sub/b.jpg")
    assert found.frame_names == ("a", "sub/b")
    assert found.frame.tolist() == [1, 1]
    assert found.person.tolist() == [0, 1]
    # Visibility 2 and 1 (labelled but hidden) both say where the keypoint is; 0 does not.
    assert found.confidence[0].tolist() == [1] * 17
    assert found.confidence[1].tolist() == [0] + [1] * 16


def test_coco_keypoints_go_by_their_names(tmp_path: Path) -> None:
    names = ["Head", *(n.replace("_", " ").title() for n in reversed(skeletons.COCO_17))]
    rows = [(0, 0, 2), *((*STANDING[name], 2) for name in reversed(skeletons.COCO_17))]
    numbers = [number for row in rows for number in row]
    category = {"id": 1, "name": "person", "keypoints": names}
    path = write(tmp_path / "c.json", coco(numbers, categories=[category]))
    found = detections.to_union(detection_files.read(path))
    assert found.skeleton == "of its own"
    known = np.isin(skeletons.UNION_27, skeletons.COCO_17)
    expected = [STANDING[name] for name in skeletons.COCO_17]
    np.testing.assert_allclose(found.points[0][known], expected)
    np.testing.assert_array_equal(found.confidence[0], known)


def test_coco_annotations_of_other_things_are_left_out(tmp_path: Path) -> None:
    content = coco(person("COCO_17", 2), person("COCO_17", 2))
    content["annotations"][0]["category_id"] = 2
    content["categories"].append({"id": 2, "name": "dog"})
    assert len(detection_files.read(write(tmp_path / "c.json", content)).points) == 1


def test_coco_results(tmp_path: Path) -> None:
    results = [
        {"image_id": image, "category_id": 1, "keypoints": person("COCO_17", 0.7), "score": 1.0}
        for image in (42, 8, 42)
    ]
    found = detection_files.read(write(tmp_path / "r.json", results))
    assert found.skeleton == "COCO_17"
    assert found.frame_names == ("42", "8")
    assert found.frame.tolist() == [0, 1, 0]
    assert found.person.tolist() == [0, 0, 1]
    np.testing.assert_allclose(found.confidence, 0.7, rtol=1e-6)


def test_npz_of_triples(tmp_path: Path) -> None:
    triples = np.array([person("COCO_18"), person("COCO_18", shift=5)]).reshape(2, 18, 3)
    np.savez(tmp_path / "k.npz", keypoints=triples)
    found = detection_files.read(tmp_path / "k.npz")
    np.testing.assert_array_equal(found.points, triples[..., :2])
    assert found.frame.tolist() == [0, 1]
    assert found.frame_names == ("0", "1")


def test_npz_with_everything_said(tmp_path: Path) -> None:
    triples = np.array([person("BODY_25B")] * 3).reshape(3, 25, 3)
    np.savez(
        tmp_path / "k.npz",
        points=triples[..., :2].astype(np.float32),
        confidence=triples[..., 2].astype(np.float16),
        skeleton="BODY_25B",
        frame=np.array([1, 1, 0]),
        frame_names=np.array(["a", "b"]),
        images=np.array(["", "b.png"]),
    )
    found = detection_files.read(tmp_path / "k.npz")
    assert found.skeleton == "BODY_25B"
    assert found.frame.tolist() == [1, 1, 0]
    assert found.person.tolist() == [0, 1, 0]
    assert found.frame_names == ("a", "b")
    assert found.images == (None, "b.png")


def test_people_who_cannot_be_fitted_are_named_with_the_reason() -> None:
    points = np.tile(np.array(person("COCO_18")).reshape(18, 3)[:, :2], (4, 1, 1))
    confidence = np.ones((4, 18))
    confidence[1, 5:] = 0
    confidence[2, 6:] = 0
    points[3] = 50
    found = detections.Detections(
        points,
        confidence,
        skeletons.COCO_18,
        "COCO_18",
        "",
        frame=np.array([0, 0, 1, 1]),
        person=np.array([0, 1, 0, 1]),
        frame_names=("a", "b"),
        images=(None, None),
        numbers=(0, 1),
        identity=np.full(4, -1),
    )
    people, skipped = detections.usable(found)
    assert people.frame.tolist() == [0, 1]
    assert people.person.tolist() == [0, 0]
    assert people.frame_names == ("a", "b")
    assert skipped == [
        (0, 1, "5 of 18 keypoints seen, 6 needed"),
        (1, 1, "all keypoints within one pixel"),
    ]


def changed(layout: str, at: int, value: Any) -> list[Any]:
    numbers: list[Any] = person(layout)
    numbers[at] = value
    return numbers


BAD_JSON = {
    "empty file": ("", "not JSON"),
    "not JSON": ("{'people': []}", "not JSON"),
    "cut short": ('{"people": [{"pose_keyp', "not JSON"),
    "too deep": ("[" * 100_000, "not JSON"),
    "another kind": ({"licences": []}, "not of keypoints: expected 'people'.*it has licences"),
    "a number": (5, "not of keypoints.*it is a number"),
    "people is no list": ({"people": 3}, "'people' is a number, expected a list"),
    "nobody": (openpose(), "'people' is empty: nobody was detected"),
    "person of another kind": (
        {"people": [{"face_keypoints_2d": []}]},
        r"people\[0\].pose_keypoints_2d is missing",
    ),
    "person is a number": ({"people": [5]}, r"people\[0\].*is missing.*it is a number"),
    "no triples": (openpose([1.0, 2.0]), r"is a list of 2, expected \[x, y, confidence"),
    "text": (openpose(changed("BODY_25", 4, "five")), "something that is not a number"),
    "a word": (openpose(changed("BODY_25", 4, True)), "something that is not a number"),
    "far away": (openpose(changed("BODY_25", 0, 1e30)), "keypoint 0 .*expected pixel"),
    "unseen": (openpose(person("BODY_25", 0)), "all confidences are zero"),
    "empty persons": (openpose([], []), "no keypoint was detected"),
    "unknown number": (openpose(person("BODY_25")[:36]), "unknown skeleton of 12 keypoints"),
    "not pixels": (
        openpose([v / 1000 if i % 3 < 2 else v for i, v in enumerate(person("BODY_25"))]),
        "expected pixels",
    ),
    "annotations is no list": ({"annotations": {}}, "'annotations' is an object"),
    "no annotation": (coco(), "'annotations' holds no person"),
    "boxes only": (
        {"annotations": [{"image_id": 1, "bbox": []}]},
        "1 annotation has no 'keypoints'.*it has image_id, bbox",
    ),
    "list of other things": ([1, 2], "JSON, but not of keypoints.*a list of 2; read are OpenPose"),
    "image unknown": (coco(person("COCO_17"), images=[{"id": 1}]), "image_id 9 is not in 'images'"),
    "image without an id": (coco(person("COCO_17"), images=[{"name": 9}]), r"images\[0\] lacks"),
    "no person category": (
        coco(
            person("COCO_17"),
            person("COCO_17"),
            categories=[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
            second_category=True,
        ),
        "no category named 'person'",
    ),
    "names of another number": (
        coco(person("COCO_17")[:-3]),
        "16 keypoints a person, but 17 names",
    ),
    "unknown names": (
        coco(
            person("COCO_17"),
            categories=[{"id": 1, "name": "person", "keypoints": list("abcdefghijkmnopqr")}],
        ),
        "unknown skeleton: too few of the file's keypoint names",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD_JSON.values(), ids=BAD_JSON.keys())
def test_bad_json_is_refused_with_its_name(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path / "bad.json", content)
    with pytest.raises(InputError, match=message) as caught:
        detection_files.read(path)
    assert str(caught.value).startswith(str(path))


def test_bad_paths_and_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none.json: No such file"):
        detection_files.read(tmp_path / "none.json")
    with pytest.raises(InputError, match="none.npz: No such file"):
        detection_files.read(tmp_path / "none.npz")
    with pytest.raises(InputError, match="no .json file in this folder"):
        detection_files.read(tmp_path)
    path = write(tmp_path / "f.json", openpose(person("BODY_25")))
    with pytest.raises(InputError, match="unknown skeleton 'BODY_136': expected COCO_17"):
        detection_files.read(path, "BODY_136")
    with pytest.raises(InputError, match="25 keypoints a person, but skeleton COCO_18 has 18"):
        detection_files.read(path, "COCO_18")
    (tmp_path / "binary.json").write_bytes(b"\x80\x04\xff")
    with pytest.raises(InputError, match="binary.json: not JSON"):
        detection_files.read(tmp_path / "binary.json")


def test_a_folder_names_the_file_that_is_not_a_frame(tmp_path: Path) -> None:
    write(tmp_path / "a.json", openpose(person("BODY_25")))
    write(tmp_path / "b.json", {"images": []})
    (passed,) = detection_files.read(tmp_path).passed_over
    assert passed.startswith(f"{tmp_path / 'b.json'}: JSON, but not of keypoints")
    with pytest.raises(InputError, match="b.json: JSON, but not of keypoints.*it has images"):
        detection_files.read(tmp_path, options=Options(strict=True))


def test_a_folder_of_empty_frames(tmp_path: Path) -> None:
    write(tmp_path / "a.json", openpose())
    write(tmp_path / "b.json", openpose())
    with pytest.raises(InputError, match="nobody was detected in any of 2 files"):
        detection_files.read(tmp_path)


TRIPLES = np.array([person("COCO_18")]).reshape(1, 18, 3)
BAD_NPZ = {
    "no keypoints": ({"poses": np.zeros(3)}, "has poses"),
    "nobody": ({"keypoints": np.zeros((0, 18, 3))}, "'keypoints' is empty: nobody was detected"),
    "shape": ({"keypoints": np.zeros((18, 5))}, r"shape \(18, 5\), expected \[N, K, 3\]"),
    "confidence": (
        {"points": TRIPLES[..., :2], "confidence": np.ones((2, 18))},
        r"'confidence' \(2, 18\), expected",
    ),
    "text": ({"keypoints": np.full((1, 18, 3), "a")}, "expected numbers"),
    "NaN": ({"keypoints": np.full((1, 18, 3), np.nan)}, "no keypoint was detected"),
    "unseen": ({"keypoints": TRIPLES * [1, 1, 0]}, "all confidences are zero"),
    "skeleton": ({"keypoints": TRIPLES, "skeleton": "MPII"}, "'skeleton' is 'MPII', expected"),
    "frames": ({"keypoints": TRIPLES, "frame": np.array([-1])}, "'frame' is not"),
    "too many frames": ({"keypoints": TRIPLES, "frame": np.array([10**12])}, "'frame' is not"),
    "names": ({"keypoints": TRIPLES, "frame_names": np.array([], str)}, "'frame_names' is not"),
    "pickle": (
        {"keypoints": np.array([{}], object)},
        "pickled objects are never loaded",
    ),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_NPZ.values(), ids=BAD_NPZ.keys())
def test_bad_npz_is_refused_with_its_name(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message) as caught:
        detection_files.read(path)
    assert str(caught.value).startswith(str(path))


def test_what_only_calls_itself_npz(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, keypoints=TRIPLES)
    content = path.read_bytes()
    for bad in (b"", b"text", content[: len(content) // 2]):
        path.write_bytes(bad)
        with pytest.raises(InputError, match="not an npz of plain arrays"):
            detection_files.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("keypoints.npy", b"not an array")
    with pytest.raises(InputError, match="not an npz of plain arrays"):
        detection_files.read(path)
    with open(path, "wb") as file:
        np.save(file, TRIPLES)
    with pytest.raises(InputError, match="not an npz of plain arrays"):
        detection_files.read(path)
