"""What detectors and annotation tools write, each in a file of its form: read right, or refused."""

import gzip
import json
import os
import re
import threading
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ief_jax.formats import detection_files, detections
from ief_jax.formats.assembling import Options
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError
from tests.helpers import detector_files as files
from tests.helpers.detector_files import KICKING, SIZE, annotations, layout, openpose, results

COCO = skeletons.COCO_17
LIMBS = [f"{side}_{part}" for side in ("left", "right") for part in (
    "shoulder", "elbow", "wrist", "hip", "knee", "ankle")]  # fmt: skip


def assert_the_person(found: detections.Detections, row: int = 0, shift: float = 0.0) -> None:
    """All twelve joints of the limbs are where they are, and nothing that is known is elsewhere."""
    each = zip(found.points[row], found.confidence[row], strict=True)
    seen = dict(zip(found.names, each, strict=True))
    for name in LIMBS:
        point, confidence = seen[name]
        np.testing.assert_allclose(point, np.add(KICKING[name], (shift, 0)), atol=0.2)
        assert confidence > 0
    for name, (point, confidence) in seen.items():
        if name in KICKING and confidence > 0:
            np.testing.assert_allclose(point, np.add(KICKING[name], (shift, 0)), atol=0.2)


def titles(names: tuple[str, ...]) -> list[str]:
    return [name.replace("_", " ").title() for name in names]


def sides_last(names: tuple[str, ...]) -> list[str]:
    return ["-".join(reversed(name.split("_", 1))) for name in names]


def short(names: tuple[str, ...], style: str) -> list[str]:
    """lshoulder, L_Shoulder or leftShoulder."""
    result = []
    for name in names:
        side, _, part = name.partition("_")
        if side not in ("left", "right"):
            result.append(name)
        elif style == "l":
            result.append(side[0] + part)
        elif style == "L_":
            result.append(f"{side[0].upper()}_{part.title()}")
        else:
            result.append(side + part.title().replace("_", ""))
    return result


def nested(name: str) -> list[list[float]]:
    return files.array(skeletons.LAYOUTS[name]).tolist()


def mmpose_person(name: str = "COCO_17") -> dict[str, Any]:
    keypoints = files.array(skeletons.LAYOUTS[name])
    return {
        "keypoints": keypoints[:, :2].tolist(),
        "keypoint_scores": keypoints[:, 2].tolist(),
        "bbox": [[1, 1, 9, 9]],
        "bbox_score": 0.9,
    }


def ultralytics_person() -> dict[str, Any]:
    x, y, visible = files.array(COCO).T.tolist()
    return {
        "name": "person",
        "class": 0,
        "confidence": 0.9,
        "box": {"x1": 1, "y1": 1, "x2": 9, "y2": 9},
        "track_id": 3,
        "keypoints": {"x": x, "y": y, "visible": visible},
    }


def landmarks(scale: tuple[float, float] = SIZE) -> list[dict[str, float]]:
    return [
        {"x": x / scale[0], "y": y / scale[1], "z": 0.0, "visibility": c}
        for x, y, c in files.array(skeletons.MEDIAPIPE_33)
    ]


ALPHAPOSE = {"version": 0.1, "people": [{"pose_keypoints_2d": layout("COCO_18"), "idx": [4.0]}]}
CMU = {"version": "AlphaPose v0.3", "bodies": [{"joints": layout("COCO_18")}]}
EASYMOCAP = {
    "filename": "images/1/000003.jpg",
    "height": 480,
    "width": 640,
    "annots": [{"bbox": [1, 1, 9, 9, 1], "personID": 2, "keypoints": nested("BODY_25")}],
}
MEDIAPIPE = {
    **{"width": 640, "height": 480, "fps": 25},
    "frames": [{"frame": 3, "landmarks": landmarks()}],
}
META = {"keypoint_id2name": {str(i): name for i, name in enumerate(COCO)}}
BOX_ONLY = {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "iscrowd": 0}
AIC_NAMES = ["Right Shoulder", "Right Elbow", "Right Wrist", "Left Shoulder", "Left Elbow",
    "Left Wrist", "Right Hip", "Right Knee", "Right Ankle", "Left Hip", "Left Knee",
    "Left Ankle", "Head top", "Neck"]  # fmt: skip
HUMAN_ART = [*COCO, "left_finger", "right_finger", "left_toe", "right_toe"]


def with_category(**category: Any) -> dict[str, Any]:
    content = annotations(layout("COCO_17"))
    content["categories"] = [{"id": 0, "name": "objects"}, {"id": 1, **category}]
    return content


# The content of a JSON file, and the skeleton that it is of.
JSON: dict[str, tuple[Any, str]] = {
    **{
        f"openpose {name}": (openpose(layout(name)), name)
        for name in ("COCO_18", "BODY_19", "BODY_25", "BODY_25B", "MPI_15", "BODY_135")
    },
    **{
        f"results {name}": ([results(layout(name))], name)
        for name in skeletons.LAYOUTS
        if name != "MEDIAPIPE_33"
    },
    "person_id": (openpose({"person_id": [-1], "pose_keypoints_2d": layout("BODY_25")}), "BODY_25"),
    "a list of frames": ([openpose(layout("COCO_18"), canvas_width=640)], "COCO_18"),
    "null beside": (
        openpose({"pose_keypoints_2d": layout("COCO_18"), "face_keypoints_2d": None}),
        "COCO_18",
    ),
    "3D beside": (
        openpose({"pose_keypoints_2d": layout("BODY_25"), "pose_keypoints_3d": [1.0] * 100}),
        "BODY_25",
    ),
    "shares of the canvas": (
        openpose(
            [v / (640, 480, 1)[i % 3] for i, v in enumerate(layout("COCO_18"))],
            canvas_width=640,
            canvas_height=480,
        ),
        "COCO_18",
    ),
    "shares from -1 to 1": (
        openpose(
            [v / (320, 240, 1)[i % 3] - (1, 1, 0)[i % 3] for i, v in enumerate(layout("COCO_18"))],
            canvas_width=640,
            canvas_height=480,
        ),
        "COCO_18",
    ),
    "nested triples": ([results(nested("COCO_17"))], "COCO_17"),
    "numbers as text": ([results([str(v) for v in layout("COCO_17")])], "COCO_17"),
    "no confidence": ([results([row[:2] for row in nested("COCO_17")])], "COCO_17"),
    "names with spaces": (annotations(layout("COCO_17"), titles(COCO)), "COCO_17"),
    "names such as lshoulder": (annotations(layout("COCO_17"), short(COCO, "l")), "COCO_17"),
    "names such as L_Shoulder": (annotations(layout("COCO_17"), short(COCO, "L_")), "COCO_17"),
    "names such as leftShoulder": (annotations(layout("COCO_17"), short(COCO, "c")), "COCO_17"),
    "names such as shoulder-left": (annotations(layout("COCO_17"), sides_last(COCO)), "COCO_17"),
    "no names": (annotations(layout("COCO_17"), None), "COCO_17"),
    "empty names of 136": (annotations(layout("HALPE_136"), []), "HALPE_136"),
    "17 names of 133": (annotations(layout("WHOLEBODY_133")), "WHOLEBODY_133"),
    "21 names of 17": (annotations(layout("COCO_17"), HUMAN_ART), "COCO_17"),
    "AI Challenger's names": (annotations(layout("AIC_14"), AIC_NAMES), "AIC_14"),
    "CrowdPose's names": (
        annotations(
            layout("CROWDPOSE_14"), [*skeletons.CROWDPOSE_14[:-2], "head", "neck"]
        ),
        "CROWDPOSE_14",
    ),
    "Halpe's names": (
        annotations(
            layout("HALPE_26"), [*COCO, "Head", "Neck", "Hip", "LBigToe", "RBigToe", "LSmallToe",
            "RSmallToe", "LHeel", "RHeel"]
        ),
        "HALPE_26",
    ),
    "a category of another name": (with_category(name="human", keypoints=list(COCO)), "COCO_17"),
    "an unusual category": (with_category(name="skier", keypoints=list(COCO)), "COCO_17"),
    "boxes beside": (
        annotations(layout("COCO_17"))
        | {"annotations": [BOX_ONLY, results(layout("COCO_17"), 1)]},
        "COCO_17",
    ),
    "no file_name": (annotations(layout("COCO_17")) | {"images": [{"id": 1}]}, "COCO_17"),
    "ids as text": (
        annotations(layout("COCO_17"))
        | {"annotations": [results(layout("COCO_17"), "1") | {"category_id": "1"}]},
        "COCO_17",
    ),
    "feet beside": (
        annotations(layout("COCO_17"))
        | {"annotations": [results(layout("COCO_17"), 1, foot_kpts=files.flat(skeletons.FEET))]},
        "of its own",
    ),
    "pairs in a row": (
        [results([v for row in nested("COCO_17") for v in row[:2]])],
        "COCO_17",
    ),
    "no image_id": ([{"keypoints": layout("COCO_17"), "score": 0.9}], "COCO_17"),
    "MMPose inferencer": ({"predictions": [[mmpose_person()]]}, "COCO_17"),
    "MMPose image": ([mmpose_person()], "COCO_17"),
    "MMPose video": ([{"frame_id": 0, "instances": [mmpose_person()]}], "COCO_17"),
    "MMPose with names": (
        {"meta_info": META, "instance_info": [{"frame_id": 1, "instances": [mmpose_person()]}]},
        "COCO_17",
    ),
    "MMPose 0.x": ([[{"bbox": [1, 1, 9, 9, 0.9], "keypoints": nested("COCO_17")}]], "COCO_17"),
    "PoseFlow": ({"1.jpg": [{"keypoints": layout("COCO_17"), "idx": 1}]}, "COCO_17"),
    "one person": ({"keypoints": nested("COCO_17"), "score": 0.9}, "COCO_17"),
    "frames within": ({"fps": 25, "frames": [openpose(layout("BODY_25"))]}, "BODY_25"),
    "JSON within JSON": (json.dumps(json.dumps([ultralytics_person()])), "COCO_17"),
    "lines of JSON": (
        "\n".join(json.dumps(results(layout("COCO_17"), i)) for i in range(2)),
        "COCO_17",
    ),
    "bare lists": ([nested("COCO_17"), nested("COCO_17")], "COCO_17"),
    "names that only count": (
        annotations(layout("COCO_17"), [f"point-{i}" for i in range(17)]),
        "COCO_17",
    ),
    "no images": (annotations(layout("COCO_17"), images=[]), "COCO_17"),
    "AlphaPose open": ({"1.jpg": ALPHAPOSE, "2.jpg": ALPHAPOSE}, "COCO_18"),
    "AlphaPose cmu": ({"1.jpg": CMU}, "COCO_18"),
    "Ultralytics": ([ultralytics_person(), {"name": "dog", "class": 16}], "COCO_17"),
    "EasyMocap": (EASYMOCAP, "BODY_25"),
    "MediaPipe pixels": ({"pose_landmarks": [landmarks((1, 1))]}, "MEDIAPIPE_33"),
    "MediaPipe shares": (
        MEDIAPIPE,
        "MEDIAPIPE_33",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "skeleton"), JSON.values(), ids=JSON.keys())
def test_json(tmp_path: Path, content: Any, skeleton: str) -> None:
    found = detection_files.read(files.write(tmp_path / "a.json", content))
    assert found.skeleton == skeleton
    assert_the_person(found)
    assert_the_person(detections.to_union(found))


def test_an_older_encoding(tmp_path: Path) -> None:
    content = annotations(layout("COCO_17"), images=[{"id": 1, "file_name": "Müller.jpg"}])
    (tmp_path / "a.json").write_bytes(json.dumps(content, ensure_ascii=False).encode("latin-1"))
    assert detection_files.read(tmp_path / "a.json").images == ("Müller.jpg",)


def test_bom_and_line_ends(tmp_path: Path) -> None:
    text = json.dumps(openpose(layout("BODY_25")), indent=1).replace("\n", "\r\n")
    path = tmp_path / "a.json"
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        path.write_bytes(text.encode(encoding))
        assert_the_person(detection_files.read(path))


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    content = gzip.compress(json.dumps(openpose(layout("BODY_25"))).encode())
    path.write_bytes(content)
    assert_the_person(detection_files.read(path))
    for data, message in (
        (content[:-20], "gzip that is cut off"),
        (content[:20] + b"x" + content[21:], "gzip that cannot be unpacked"),
        (gzip.compress(bytes(2**26 + 1)), "cut off, or of more than 67108864 bytes"),
        (gzip.compress(content), "gzip of another format: unpack it first"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=f"a.json.gz: .*{message}"):
            detection_files.read(path)


def test_a_zip_of_frames_is_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "frames.zip", "w") as archive:
        archive.writestr("a_keypoints.json", json.dumps(openpose(layout("BODY_25"))))
    with pytest.raises(InputError, match="it has a_keypoints.json.: unpack it first"):
        detection_files.read(tmp_path / "frames.zip")


@pytest.mark.parametrize(
    ("values", "skeleton"),
    [
        (files.array(COCO), "COCO_17"),
        (files.array(COCO)[None], "COCO_17"),
        (files.array(COCO)[None, :, :2], "COCO_17"),
        (np.stack([files.array(COCO), files.array(COCO)])[None], "COCO_17"),
        (files.array(COCO).round().astype(int), "COCO_17"),
        (files.array(skeletons.MEDIAPIPE_33)[None][..., [0, 1, 0, 2]], "MEDIAPIPE_33"),
    ],
)
def test_arrays(tmp_path: Path, values: np.ndarray, skeleton: str) -> None:
    if values.dtype.kind == "i":
        values[:, 2] = 1
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", keypoints=values)
    np.savez(tmp_path / "b.npz", whatever=values)
    for name in ("a.npy", "a.npz", "b.npz"):
        found = detection_files.read(tmp_path / name)
        assert found.skeleton == skeleton
        for row in range(len(found.points)):
            assert_the_person(found, row)


def test_arrays_by_other_names(tmp_path: Path) -> None:
    keypoints = np.stack([files.array(COCO)] * 2)
    np.savez(
        tmp_path / "a.npz",
        pred_kpts2d=keypoints[..., :2],
        pred_scores=keypoints[..., 2:],
        pred_boxes=np.zeros((2, 4)),
        frame_ids=np.array([5, 10]),
        track_ids=np.array([3, 3]),
        skeleton="coco17",
    )
    found = detection_files.read(tmp_path / "a.npz")
    assert found.numbers == (5, 10)
    assert found.identity.tolist() == [3, 3]
    assert found.skeleton == "COCO_17"
    np.testing.assert_allclose(found.confidence, 0.9, rtol=1e-6)
    assert_the_person(found, 1)


# Metres about the hip, millimetres before a camera, and MediaPipe's z: none is a confidence.
@pytest.mark.parametrize(
    "depth",
    [np.linspace(-200, 250, 17), np.linspace(4000, 4500, 17), np.linspace(-0.4, 0.1, 17)],
)
def test_depths_are_no_confidences(tmp_path: Path, depth: np.ndarray) -> None:
    keypoints = files.array(COCO)
    keypoints[:, 2] = depth
    path = files.write(tmp_path / "a.json", [results(keypoints.reshape(-1).tolist())])
    with pytest.raises(InputError, match="third number of a keypoint.*as depths do"):
        detection_files.read(path)
    instance = mmpose_person() | {"keypoints": keypoints.tolist()}
    with pytest.raises(InputError, match=r"are \[\[x, y, z\]"):
        detection_files.read(files.write(tmp_path / "b.json", [instance]))


def test_the_largest_of_a_heat_map_can_be_a_little_negative(tmp_path: Path) -> None:
    keypoints = files.array(COCO)
    keypoints[:3, 2] = -0.004
    np.save(tmp_path / "a.npy", keypoints)
    assert_the_person(detection_files.read(tmp_path / "a.npy"))


def test_shares_of_an_image_may_lie_far_outside(tmp_path: Path) -> None:
    guessed = landmarks()
    guessed[22] |= {"y": 3.4, "visibility": 0.3}
    path = files.write(tmp_path / "a.json", [guessed])
    assert_the_person(detection_files.read(path, options=Options(size=SIZE)))
    with pytest.raises(InputError, match="--image-size"):
        detection_files.read(path)


def test_frames_and_people_of_an_array(tmp_path: Path) -> None:
    one, two = files.array(COCO), files.array(COCO, shift=200.0)
    gone = np.full_like(one, np.nan)
    np.savez(tmp_path / "a.npz", keypoints=np.stack([[one, two], [gone, two], [one, two]]))
    found = detection_files.read(tmp_path / "a.npz")
    assert found.frame.tolist() == [0, 0, 1, 2, 2]
    assert found.identity.tolist() == [0, 1, 1, 0, 1]
    for row, shift in enumerate((0.0, 200.0, 200.0, 0.0, 200.0)):
        assert_the_person(found, row, shift)


def yolo(width: int = 3, tail: str = "") -> str:
    numbers = files.array(COCO)[:, :width] / np.array([*SIZE, 1])[:width]
    return f"0 0.5 0.5 0.3 0.8 {' '.join(f'{v:.6f}' for v in numbers.reshape(-1))}{tail}\n"


@pytest.mark.parametrize(
    "text", [yolo(), yolo(2), yolo(3, " 0.9"), yolo(3, " 0.9 7"), "\n" + yolo()]
)
def test_yolo(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="YOLO gives shares of the image.*--image-size"):
        detection_files.read(path)
    assert_the_person(detection_files.read(path, options=Options(size=SIZE)))
    found = detection_files.read(path, options=Options(sizes=lambda frame, image, number: SIZE))
    assert_the_person(found)
    assert found.identity.tolist() == [7 if text.endswith(" 7\n") else -1]


@pytest.mark.parametrize("name", ["COCO_17", "COCO_18", "SMPL_24", "HALPE_26"])
@pytest.mark.parametrize("each", [2, 3])
@pytest.mark.parametrize("tail", ["", " 0.9", " 7", " 0.9 7"])
def test_numbers_of_a_yolo_line(tmp_path: Path, name: str, each: int, tail: str) -> None:
    # 52 numbers are 17 keypoints of 3 and a confidence, or 26 of 2.
    shares = files.array(skeletons.LAYOUTS[name])[:, :each] / (*SIZE, 1)[:each]
    numbers = " ".join(f"{value:.6g}" for value in shares.reshape(-1))
    (tmp_path / "a.txt").write_text(f"0 0.48 0.56 0.32 0.8 {numbers}{tail}\n")
    found = detection_files.read(tmp_path / "a.txt", options=Options(size=SIZE))
    assert found.skeleton == name
    assert_the_person(found)
    assert found.identity.tolist() == [7 if tail.endswith("7") else -1]


def test_yolo_labels_in_pixels_are_refused(tmp_path: Path) -> None:
    numbers = " ".join(f"{x} {y} 2" for x, y, _ in files.array(COCO))
    (tmp_path / "a.txt").write_text(f"0 300 250 200 400 {numbers}\n")
    with pytest.raises(InputError, match="shares of the image, from 0 to 1, but.*428"):
        detection_files.read(tmp_path / "a.txt", options=Options(size=SIZE))


def dlc(names: list[str], people: int) -> str:
    width = 3 * len(names) * people
    owners = [f"mouse{p}" for p in range(people) for _ in range(3 * len(names))]
    parts = [name for _ in range(people) for name in names for _ in range(3)]
    coords = ["x", "y", "likelihood"] * (len(names) * people)
    rows = [["scorer", *["m"] * width], ["bodyparts", *parts], ["coords", *coords]]
    if people > 1:
        rows.insert(1, ["individuals", *owners])
    for frame in (0, 5):
        numbers = np.concatenate([files.array(COCO, shift=200.0 * p) for p in range(people)])
        rows.append([str(frame), *(f"{v:.3f}" for v in numbers.reshape(-1))])
    return "\n".join(",".join(row) for row in rows)


@pytest.mark.parametrize("people", [1, 2])
def test_deeplabcut(tmp_path: Path, people: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text(dlc(short(COCO, "c"), people))
    found = detection_files.read(path)
    assert found.numbers == (0, 5)
    assert found.frame.tolist() == sorted([0, 1] * people)
    for row in range(len(found.points)):
        assert_the_person(found, row, 200.0 * (row % people))


def test_decimal_commas(tmp_path: Path) -> None:
    text = dlc(short(COCO, "c"), 1)
    (tmp_path / "a.csv").write_text(text.replace(",", ";").replace(".", ","))
    assert_the_person(detection_files.read(tmp_path / "a.csv"))


@pytest.mark.parametrize(("low", "said"), [(0, "0 to 1 .*: wrong if they are -1"), (-1, "-1 to 1")])
def test_the_range_of_openpose_shares_is_said(tmp_path: Path, low: int, said: str) -> None:
    values = np.reshape(layout("COCO_18"), (-1, 3)) / (*SIZE, 1)
    values[:, :2] = values[:, :2] * (1 - low) + low
    frame = openpose(list(values.reshape(-1)), canvas_width=SIZE[0], canvas_height=SIZE[1])
    found = detection_files.read(files.write(tmp_path / "a.json", frame))
    assert re.search(f"; coordinates taken as {said}", found.evidence)
    pixels = detection_files.read(files.write(tmp_path / "b.json", openpose(layout("COCO_18"))))
    assert "taken as" not in pixels.evidence


def test_names_that_are_not_used_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(dlc(["left_hand", "Tail", *COCO[2:]], 1))
    found = detection_files.read(tmp_path / "a.csv")
    assert found.evidence == "names in the file; not used: left_hand, Tail"


def test_names_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(dlc([f"part{i}" for i in range(17)], 1))
    with pytest.raises(InputError, match="too few of the file's keypoint names.*--names.*read are"):
        detection_files.read(path)
    names = {f"part{i}": name for i, name in enumerate(COCO)}
    assert_the_person(detection_files.read(path, options=Options(names=names)))


def test_sleap_csv(tmp_path: Path) -> None:
    header = ["track", "frame_idx", "instance.score"]
    header += [f"{name}.{c}" for name in COCO for c in ("x", "y", "score")]
    lines = [",".join(header)]
    for frame, track, shift in ((5, "b", 200.0), (5, "a", 0.0), (6, "a", 0.0), (6, "b", 200.0)):
        numbers = files.array(COCO, shift=shift).reshape(-1)
        lines.append(",".join([track, str(frame), "0.9", *(f"{v:.3f}" for v in numbers)]))
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines))
    found = detection_files.read(path)
    assert found.numbers == (5, 6)
    for row, shift in enumerate((200.0, 0.0, 200.0, 0.0)):
        assert_the_person(found, row, shift)


def test_sleap_hdf5(tmp_path: Path) -> None:
    one = files.array(COCO)
    tracks = np.full((2, 2, 17, 3), np.nan)
    tracks[0, :, :, 0] = tracks[0, :, :, 2] = one[:, :2].T
    tracks[1, :, :, 2] = one[:, :2].T + [[200], [0]]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["tracks"] = tracks
        file["node_names"] = [name.encode() for name in COCO]
    found = detection_files.read(tmp_path / "a.h5")
    assert [found.numbers[i] for i in found.frame] == [0, 2, 2]
    assert found.identity.tolist() == [0, 0, 1]
    assert_the_person(found, 2, 200.0)


def test_sleap_io_hdf5(tmp_path: Path) -> None:
    # Two people in two frames: the shape alone does not tell this order from the other.
    one = files.array(COCO)[:, :2]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["tracks"] = np.stack([[one, one + [200, 0]]] * 2)
        file["tracks"].attrs["dims"] = json.dumps(["frame", "track", "node", "xy"])
        file["node_names"] = [name.encode() for name in COCO]
    found = detection_files.read(tmp_path / "a.h5")
    assert found.identity.tolist() == [0, 1, 0, 1]
    assert_the_person(found, 3, 200.0)


@pytest.mark.parametrize("people", [1, 2])
def test_deeplabcut_hdf5(tmp_path: Path, people: int) -> None:
    import pickle

    columns = [
        ("m", *([f"i{p}"] if people > 1 else []), name, c)
        for p in range(people)
        for name in COCO
        for c in ("x", "y", "likelihood")
    ]
    row = np.concatenate([files.array(COCO, shift=200.0 * p).reshape(-1) for p in range(people)])
    table = np.zeros(2, [("index", "i8"), ("values_block_0", "f8", (len(row),))])
    table["index"] = [0, 1]
    table["values_block_0"] = row
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["df_with_missing/table"] = table
        kind = np.void(pickle.dumps(columns, protocol=0))
        file["df_with_missing/table"].attrs["values_block_0_kind"] = kind
    found = detection_files.read(tmp_path / "a.h5")
    assert len(found.points) == 2 * people
    assert_the_person(found, people - 1, 200.0 * (people - 1))


# What counts as unseen


def missing(path: Path, **options: Any) -> set[str]:
    found = detection_files.read(path, options=Options(**options))
    return {name for name, c in zip(found.names, found.confidence[0], strict=True) if c == 0}


@pytest.mark.parametrize(
    "mark",
    [
        (np.nan, np.nan, 0.9),
        (np.nan, 5.0, 0.9),
        (np.inf, 5.0, 0.9),
        (0.0, 0.0, 0.3),
        (-1.0, -1.0, 1.0),
        (50.0, 50.0, 0.0),
        (50.0, 50.0, -1.0),
        (50.0, 50.0, np.nan),
        (50.0, 50.0, 0.05),
    ],
)
def test_marks_of_a_missing_keypoint(tmp_path: Path, mark: tuple[float, float, float]) -> None:
    keypoints = files.array(COCO)
    keypoints[[4, 10]] = mark
    np.savez(tmp_path / "a.npz", keypoints=keypoints[None])
    path = files.write(tmp_path / "a.json", [results(keypoints.reshape(-1).tolist())])
    for one in (tmp_path / "a.npz", path):
        assert missing(one) == {"right_ear", "right_wrist"}


def test_keypoints_that_were_filled_in_with_one_place(tmp_path: Path) -> None:
    keypoints = files.array(skeletons.WHOLEBODY_133)
    keypoints[17:, :2] = 300, 300
    path = files.write(tmp_path / "a.json", [results(keypoints.reshape(-1).tolist())])
    assert missing(path) == set(skeletons.WHOLEBODY_133[17:])
    # Of somebody very small, several can be in one pixel.
    keypoints[:, :2] = (keypoints[:, :2] / 40).round()
    path = files.write(tmp_path / "a.json", [results(keypoints.reshape(-1).tolist())])
    assert missing(path) == set()


def test_null_is_missing(tmp_path: Path) -> None:
    keypoints: list[Any] = layout("COCO_18")
    keypoints[9:12] = [None] * 3
    path = files.write(tmp_path / "a.json", openpose(keypoints))
    assert missing(path) == {skeletons.COCO_18[3]}


def test_small_confidences(tmp_path: Path) -> None:
    keypoints = files.array(skeletons.COCO_18)
    keypoints[3, 2], keypoints[4, 2] = 0.05, 0.4
    numbers = keypoints.reshape(-1).tolist()
    # OpenPose leaves out what it does not find: all that it writes counts.
    path = files.write(tmp_path / "a.json", openpose(numbers))
    assert missing(path) == set()
    assert missing(path, minimum=0.1) == {skeletons.COCO_18[3]}
    assert missing(path, minimum=0.5) == {skeletons.COCO_18[3], skeletons.COCO_18[4]}
    # Others have a place for every keypoint, and scores that may all be small.
    for scale in (1.0, 0.1):
        scaled = (keypoints * [1, 1, scale]).reshape(-1).tolist()
        other = files.write(tmp_path / "b.json", [results(scaled)])
        assert missing(other) == {skeletons.COCO_18[3]}


# One bad item


@pytest.mark.parametrize("strict", [False, True])
def test_bad_files_among_frames(tmp_path: Path, strict: bool) -> None:
    good = openpose(layout("BODY_25"))
    for number in (0, 5, 10):
        files.write(tmp_path / f"v_{number:012d}_keypoints.json", good)
    cut = files.write(tmp_path / "v_000000000006_keypoints.json", json.dumps(good)[:90])
    empty = files.write(tmp_path / "v_000000000007_keypoints.json", "")
    other = files.write(tmp_path / "v_000000000008_keypoints.json", {"licences": []})
    dot = files.write(tmp_path / "._v_000000000009_keypoints.json", "\0\0")
    if strict:
        with pytest.raises(InputError, match="a hidden file"):
            detection_files.read(tmp_path, options=Options(strict=True))
        return
    found = detection_files.read(tmp_path)
    assert found.numbers == (0, 5, 10)
    assert found.frame.tolist() == [0, 1, 2]
    assert len(found.passed_over) == 4
    for path in (cut, empty, other, dot):
        assert any(str(path) in one for one in found.passed_over)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_among_frames_is_not_waited_for(tmp_path: Path) -> None:
    files.write(tmp_path / "v_0_keypoints.json", openpose(layout("BODY_25")))
    pipe = tmp_path / "v_1_keypoints.json"
    os.mkfifo(pipe)
    # Somebody writes nothing into it, so that a reader sees its end instead of hanging the tests.
    writer = threading.Timer(1, lambda: os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK)))
    writer.start()
    found = detection_files.read(tmp_path)
    writer.cancel()
    assert found.passed_over == (f"{pipe}: a pipe, not a file",)


def test_bad_people_among_people(tmp_path: Path) -> None:
    good, short = layout("BODY_25"), layout("COCO_18")
    far = [*good[:3], 1e30, *good[4:]]
    people: list[Any] = [
        None,
        good,
        {"face_keypoints_2d": []},
        good,
        short,
        far,
        good[:-1],
        ["a"] * 75,
    ]
    path = files.write(tmp_path / "a.json", openpose(*people))
    found = detection_files.read(path)
    assert found.person[found.confidence.any(1)].tolist() == [1, 2]
    assert len(found.passed_over) == 5
    for place in (2, 4, 5, 6, 7):
        assert any(f"people[{place}]" in one for one in found.passed_over)
    with pytest.raises(InputError, match=r"people\[2\]"):
        detection_files.read(path, options=Options(strict=True))


@pytest.mark.parametrize("name", ["frame_{:04d}_cam1.json", "{:d}_keypoints_2d.json"])
def test_the_number_that_differs_is_the_frame_s(tmp_path: Path, name: str) -> None:
    for number in (0, 5, 10):
        files.write(tmp_path / name.format(number), openpose(layout("BODY_25")))
    assert detection_files.read(tmp_path).numbers == (0, 5, 10)


@pytest.mark.parametrize("name", ["keypoints", "pose"])
def test_frames_beside_other_folders(tmp_path: Path, name: str) -> None:
    files.write(tmp_path / name / "a_keypoints.json", openpose(layout("BODY_25")))
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "a.jpg").touch()
    if name == "keypoints":
        files.write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.3 0.8\n")
    assert_the_person(detection_files.read(tmp_path))


def test_frames_one_folder_deeper(tmp_path: Path) -> None:
    files.write(tmp_path / "keypoints" / "a_keypoints.json", openpose(layout("BODY_25")))
    (tmp_path / "images").mkdir()
    assert_the_person(detection_files.read(tmp_path))
    (tmp_path / "more" / "deep").mkdir(parents=True)
    with pytest.raises(InputError, match="no .json file in this folder"):
        detection_files.read(tmp_path / "more")


REFUSED: dict[str, tuple[str, str]] = {
    "labelme": ('{"shapes": [], "imagePath": "a.jpg"}', "read are OpenPose.*numpy.savez"),
    "text": ("hello", "not of keypoints in a form that is known; read are OpenPose"),
    "a long line": ("0 " * 20000, "not of keypoints in a form that is known"),
    "a table": ("a,b,c\n1,2,3", "not of keypoints in a form that is known; read are OpenPose"),
    "empty": ("", "not of keypoints"),
    "boxes of YOLO": ("0 0.5 0.5 0.3 0.8\n", "YOLO labels, but not of keypoints"),
    "nobody": ('{"people": []}', "nobody was detected"),
    "empty list": ("[]", "it is empty"),
    "shares": (
        json.dumps({"pose_landmarks": [landmarks()]}),
        "multiply x by its width and y by its height",
    ),
    "too few known names": (
        "scorer,m,m,m\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1,2,0.9\n",
        "too few of the file's keypoint names.*read are OpenPose",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        detection_files.read(path)
    assert str(caught.value).startswith(str(path))


# Who and when


def test_people_keep_their_rows(tmp_path: Path) -> None:
    first = {"person_id": [7], "pose_keypoints_2d": layout("BODY_25")}
    second = {"person_id": [9], "pose_keypoints_2d": layout("BODY_25", shift=200.0)}
    files.write(tmp_path / "v_0.json", openpose(first, second))
    files.write(tmp_path / "v_1.json", openpose(second, first))
    found = detection_files.read(tmp_path)
    assert found.identity.tolist() == [7, 9, 7, 9]
    assert found.person.tolist() == [0, 1, 1, 0]
    for row, shift in enumerate((0.0, 200.0, 0.0, 200.0)):
        assert_the_person(found, row, shift)


def test_alphapose_tracks(tmp_path: Path) -> None:
    rows = [
        results(layout("COCO_17", shift=shift), f"{frame}.jpg", idx=idx)
        for frame, idx, shift in ((0, 1, 0.0), (0, 2, 200.0), (5, 2, 200.0), (5, 1, 0.0))
    ]
    found = detection_files.read(files.write(tmp_path / "a.json", rows))
    assert found.numbers == (0, 5)
    assert found.identity.tolist() == [1, 2, 1, 2]
    assert found.images == ("0.jpg", "5.jpg")
    assert_the_person(found, 3, 200.0)


@pytest.mark.parametrize(
    ("content", "number", "identity", "fps"),
    [
        ({"1.jpg": ALPHAPOSE}, 1, 4, None),
        (EASYMOCAP, 3, 2, None),
        ([ultralytics_person()], 12, 3, None),
        ([results(layout("COCO_17"), attributes={"track_id": 6})], 1, 6, None),
        ([results(layout("COCO_17"), idx=[[4.0]])], 1, 4, None),
        ([{"frame_id": 4, "instances": [mmpose_person()]}], 4, -1, None),
        (MEDIAPIPE, 3, -1, 25.0),
        (annotations(layout("COCO_17"), info={"fps": 30}), 1, -1, 30.0),
        ([openpose(layout("BODY_25"))], 0, -1, None),
        (openpose(layout("BODY_25")), 12, -1, None),
    ],
)  # fmt: skip
def test_numbers_identities_and_rates(
    tmp_path: Path, content: Any, number: int, identity: int, fps: float | None
) -> None:
    found = detection_files.read(files.write(tmp_path / "view2_000012_keypoints.json", content))
    assert found.numbers[found.frame[0]] == number
    assert found.identity[0] == identity
    assert found.fps == fps


def test_windows_paths(tmp_path: Path) -> None:
    content = annotations(layout("COCO_17"), images=[{"id": 1, "file_name": "train\\1.jpg"}])
    found = detection_files.read(files.write(tmp_path / "a.json", content))
    assert found.images == ("train/1.jpg",)
    rows = [results(layout("COCO_17"), "train\\1.jpg")]
    found = detection_files.read(files.write(tmp_path / "a.json", rows))
    assert found.images == ("train/1.jpg",) and found.frame_names == ("train/1",)


def test_several_files_are_one(tmp_path: Path) -> None:
    one = detection_files.read(files.write(tmp_path / "3.json", openpose(layout("BODY_25"))))
    two = detection_files.read(files.write(tmp_path / "8.json", [results(layout("COCO_17"))]))
    found = detections.joined([detections.to_union(part) for part in (one, two)])
    assert found.frame.tolist() == [0, 1]
    assert found.numbers == (3, 1)
    assert found.skeleton == "BODY_25, COCO_17"
    for row in (0, 1):
        assert_the_person(found, row)
    with pytest.raises(ValueError, match="same keypoints"):
        detections.joined([one, two])


# Which layout


SHARED = [
    name
    for name, names in skeletons.LAYOUTS.items()
    if sum(len(names) == len(other) for other in skeletons.LAYOUTS.values()) > 1
]


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_layouts_of_one_number_are_told_by_the_people(tmp_path: Path, name: str, turn: int) -> None:
    rng = np.random.default_rng(turn)
    keypoints = files.array(skeletons.LAYOUTS[name])
    keypoints[:, :2] += rng.normal(0, 4, (len(keypoints), 2))
    for _ in range(turn):
        keypoints[:, :2] = keypoints[:, [1, 0]] * [-1, 1] + [480, 0]
    keypoints[rng.permutation(len(keypoints))[:3], 2] = 0
    found = detection_files.read(
        files.write(tmp_path / "a.json", [results(keypoints.reshape(-1).tolist())])
    )
    assert found.skeleton == name
    assert "nats" in found.evidence
    other = next(o for o in SHARED if len(skeletons.LAYOUTS[o]) == len(keypoints) and o != name)
    assert detection_files.read(tmp_path / "a.json", other).skeleton == other


def test_a_draw_is_refused(tmp_path: Path) -> None:
    # A face only, six keypoints: any layout's.
    rng = np.random.default_rng(0)
    keypoints = np.concatenate([rng.normal(300, 30, (17, 2)), np.zeros((17, 1))], 1)
    keypoints[:6, 2] = 0.9
    keypoints[:6, :2] = 300 + np.arange(6)[:, None]
    path = files.write(tmp_path / "a.json", [results(keypoints.reshape(-1).tolist())])
    with pytest.raises(InputError, match="COCO_17 or H36M_17, and too little.*--skeleton"):
        detection_files.read(path)
    assert detection_files.read(path, "COCO_17").skeleton == "COCO_17"


def test_the_forms_own_layout_counts_where_people_do_not_tell(tmp_path: Path) -> None:
    keypoints = np.zeros((25, 3))
    keypoints[:7] = 300, 300, 0.9
    keypoints[:7, 0] += np.arange(7)
    path = files.write(tmp_path / "a.json", openpose(keypoints.reshape(-1).tolist()))
    assert detection_files.read(path).skeleton == "BODY_25"
    # The people count more.
    files.write(path, openpose(layout("BODY_25B")))
    assert detection_files.read(path).skeleton == "BODY_25B"


def test_one_made_up_person_does_not_decide(tmp_path: Path) -> None:
    wrong = files.array(skeletons.H36M_17, shift=300.0)
    people = [results(layout("COCO_17", shift=10.0 * i), i) for i in range(4)]
    people.append(results(wrong.reshape(-1).tolist(), 9))
    found = detection_files.read(files.write(tmp_path / "a.json", people))
    assert found.skeleton == "COCO_17"
