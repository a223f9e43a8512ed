"""Readers of the keypoint data sets, on files made up in the published layouts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from data.coco import reader as coco_reader
from data.keypoints import sets
from data.keypoints.people import Person
from data.lsp import reader as lsp_reader
from data.lspet import reader as lspet_reader
from data.mpii import reader as mpii_reader
from ief_jax.geometry.skeletons import COCO_17, LSP_14
from ief_jax.io.files import InputError
from tests.helpers import fabricated_keypoints as fabricated


@pytest.fixture(scope="module")
def leeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    """A folder with LSP and LSPET, and the joints [N, 14, 3] in each."""
    folder = tmp_path_factory.mktemp("leeds")
    return folder, fabricated.lsp(folder), fabricated.lspet(folder)


def numbers(found: list[Person]) -> np.ndarray:
    return np.array([int(person.name.rpartition("im")[2].removesuffix(".jpg")) for person in found])


def test_lsp_flags_what_is_occluded(leeds: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder, joints, _ = leeds
    found = lsp_reader.read(folder, "train")
    person, of = found[30], joints[numbers(found)[30] - 1]
    np.testing.assert_allclose(person.points, of[:, :2], rtol=1e-6)
    assert person.annotated.all()
    np.testing.assert_array_equal(person.visible, of[:, 2] == 0)
    np.testing.assert_allclose(person.marked, [19.5, 14.5])  # the middle of 40 x 30 pixels


def test_lspet_flags_what_is_annotated(leeds: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder, _, joints = leeds
    found = lspet_reader.read(folder, "validation")
    person, of = found[3], joints[numbers(found)[3] - 1]
    known = of[:, 2] == 1
    np.testing.assert_array_equal(person.annotated, known)
    np.testing.assert_allclose(person.points[known], of[known, :2], rtol=1e-6)
    assert not person.points[~known].any()
    lower, upper = of[known, :2].min(0), of[known, :2].max(0)
    np.testing.assert_allclose(person.marked, (lower + upper) / 2, rtol=1e-6)


def test_the_splits_are_fixed_and_lsp_keeps_its_test_set(
    leeds: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    for reader, sizes in [
        (lsp_reader, {"train": 900, "validation": 100, "test": 1000}),
        (lspet_reader, {"train": 9500, "validation": 500}),
    ]:
        splits = np.array([reader.split(number + 1) for number in range(reader.COUNT)])
        assert {split: int((splits == split).sum()) for split in reader.SPLITS} == sizes
        found = numbers(reader.read(leeds[0], "validation"))
        np.testing.assert_array_equal(found, 1 + np.flatnonzero(splits == "validation"))
    assert all(lsp_reader.split(number) == "test" for number in range(1001, 2001))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"poses": np.zeros(3)}, "'joints' 3 x 14 x 2000; is this the annotation of another"),
        ({"joints": np.zeros((14, 3, 10000))}, "14 x 3 x 10000 of .*another data set"),
        ({"joints": np.full((3, 14, 2000), np.nan)}, "not finite"),
    ],
)
def test_joints_of_another_data_set_or_with_nan(
    tmp_path: Path, content: dict[str, np.ndarray], message: str
) -> None:
    (tmp_path / "lsp" / "images").mkdir(parents=True)
    scipy.io.savemat(tmp_path / "lsp" / "joints.mat", content)
    with pytest.raises(InputError, match=rf"joints\.mat.*{message}"):
        lsp_reader.read(tmp_path, "train")


def test_lspet_of_nobody(tmp_path: Path) -> None:
    (tmp_path / "lspet" / "images").mkdir(parents=True)
    joints = np.ones((14, 3, 10000))
    joints[:, 2, 77] = 0
    scipy.io.savemat(tmp_path / "lspet" / "joints.mat", {"joints": joints})
    with pytest.raises(InputError, match=r"joints\.mat: no joint of image 78 is annotated"):
        lspet_reader.read(tmp_path, "train")


def test_what_is_no_matlab_file(tmp_path: Path) -> None:
    (tmp_path / "lsp" / "images").mkdir(parents=True)
    for content in [b"", b"text " * 100, b"MATLAB 5.0 MAT-file" + bytes(200)]:
        (tmp_path / "lsp" / "joints.mat").write_bytes(content)
        with pytest.raises(InputError, match=r"joints\.mat"):
            lsp_reader.read(tmp_path, "train")


def test_missing_images_are_named(tmp_path: Path) -> None:
    fabricated.lsp(tmp_path)
    for number in range(3, 11):
        (tmp_path / "lsp" / "images" / f"im{number:04d}.jpg").unlink()
    message = r"8 of 900 images are missing \(im0003.jpg, .*im0007.jpg, \.\.\..*download"
    with pytest.raises(InputError, match=message):
        lsp_reader.read(tmp_path, "train")


def test_missing_folders_say_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lspet: no such folder; make it and download lspet_d"):
        lspet_reader.read(tmp_path, "train")
    (tmp_path / "lspet").mkdir()
    with pytest.raises(InputError, match=r"has no joints\.mat and no images; download"):
        lspet_reader.read(tmp_path, "train")
    (tmp_path / "mpii" / "images").mkdir(parents=True)
    with pytest.raises(InputError, match=r"has neither .*u12_1\.mat nor annot/train\.json"):
        mpii_reader.read(tmp_path, "train")
    with pytest.raises(InputError, match=r"coco: no such folder; make it and download annot"):
        coco_reader.read(tmp_path, "train")


def test_mpii_release(tmp_path: Path) -> None:
    far = fabricated.mpii_person(1)
    nobody = fabricated.mpii_person(2, annopoints=fabricated.EMPTY)
    nowhere = fabricated.mpii_person(3, objpos=fabricated.EMPTY)
    text = fabricated.struct(x=3, y=4, id=9, is_visible="0")
    unsaid = fabricated.struct(x=5, y=6, id=8, is_visible=fabricated.EMPTY)
    two = fabricated.mpii_person(
        4, annopoints=fabricated.struct(point=fabricated.structs([text, unsaid]))
    )
    headless = {k: v for k, v in far.items() if k not in ("x1", "y1", "x2", "y2")}
    fabricated.mpii_mat(
        tmp_path,
        [
            ("a.jpg", 1, [far, nobody]),
            ("b.jpg", 2, [nowhere, two]),
            ("c.jpg", 9, [headless]),
            ("d.jpg", 3, []),
            ("e.jpg", 3, [far]),
        ],
    )
    found = mpii_reader.read(tmp_path, "train")
    assert [person.name for person in found] == ["mpii/a.jpg", "mpii/b.jpg"]
    first, second = found
    points = np.random.default_rng(1).uniform(1, 40, (16, 2))
    np.testing.assert_allclose(first.points, points - 1, atol=1e-5)
    np.testing.assert_allclose(first.marked, [20, 14])
    np.testing.assert_array_equal(first.visible, np.arange(16) % 2 == 1)
    assert first.annotated.all()
    assert first.height == 300
    assert first.head_size == pytest.approx(0.6 * 5)  # of a box of 3 x 4 pixels
    np.testing.assert_array_equal(np.flatnonzero(second.annotated), [8, 9])
    np.testing.assert_array_equal(np.flatnonzero(second.visible), [8])
    np.testing.assert_allclose(second.points[8:10], [[4, 5], [2, 3]])
    (last,) = mpii_reader.read(tmp_path, "validation")  # of the video whose number ends in 9
    assert last.name == "mpii/c.jpg"
    assert np.isnan(last.head_size)


def test_mpii_json_alone_and_with_the_release(tmp_path: Path) -> None:
    record = fabricated.mpii_json_person("a.jpg", 1)
    unknown = {**fabricated.mpii_json_person("a.jpg", 2), "scale": -1}
    fabricated.mpii_json(tmp_path, "valid", [record, unknown])
    (alone,) = mpii_reader.read(tmp_path, "validation")
    np.testing.assert_array_equal(np.flatnonzero(~alone.annotated), [14, 15])
    np.testing.assert_allclose(alone.points[:14], np.array(record["joints"])[:14] - 1, rtol=1e-5)
    np.testing.assert_allclose(alone.marked, [20, 14])
    assert alone.height == 300
    assert np.isnan(alone.head_size)
    fabricated.mpii_mat(
        tmp_path, [("a.jpg", 1, [fabricated.mpii_person(s) for s in (1, 5)]), ("e.jpg", 3, [])]
    )
    (both,) = mpii_reader.read(tmp_path, "validation")
    assert both.head_size == pytest.approx(3)
    np.testing.assert_array_equal(both.visible, (np.arange(16) % 2 == 1) & both.annotated)
    np.testing.assert_array_equal(both.points, alone.points)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": "tall"}, "person 0: not 16 joints"),
        ({"joints": [[1, 2]] * 14}, "person 0: not 16 joints"),
        ({"joints": [[float("nan"), 2]] * 16}, r"person 0 \(a.jpg\): a joint.* not finite"),
    ],
)
def test_bad_mpii_json(tmp_path: Path, change: dict[str, object], message: str) -> None:
    record = {**fabricated.mpii_json_person("a.jpg", 1), **change}
    fabricated.mpii_json(tmp_path, "train", [record])
    with pytest.raises(InputError, match=message):
        mpii_reader.read(tmp_path, "train")


def test_annotation_of_another_data_set(tmp_path: Path) -> None:
    path = fabricated.mpii_json(tmp_path, "train", [])
    for content in [{"images": [], "annotations": []}, [{"image": "a.jpg"}]]:
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"train\.json.*another data set"):
            mpii_reader.read(tmp_path, "train")
    path.unlink()
    release = fabricated.mpii_mat(tmp_path, [("a.jpg", 1, [])])
    scipy.io.savemat(release, {"joints": np.zeros((3, 14, 2000))})
    with pytest.raises(InputError, match=r"struct 'RELEASE'.*another data set"):
        mpii_reader.read(tmp_path, "train")


def test_coco(tmp_path: Path) -> None:
    content = fabricated.coco(tmp_path)
    found = coco_reader.read(tmp_path, "train")
    # Neither the crowd nor the one with a face only.
    assert [person.name.rpartition("#")[2] for person in found] == ["100", "101", "102"]
    for person, record in zip(found, content["annotations"], strict=False):
        keypoints = np.array(record["keypoints"]).reshape(17, 3)
        np.testing.assert_array_equal(person.annotated, keypoints[:, 2] > 0)
        np.testing.assert_array_equal(person.visible, keypoints[:, 2] == 2)
        np.testing.assert_array_equal(person.points, keypoints[:, :2])
        assert person.height >= 90  # the longer side of its box
    assert found[1].image == tmp_path / "coco" / "train2017" / "000000000008.jpg"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [0] * 42}, "17 a person"),
        ({"keypoints": [float("nan")] * 51}, "not finite"),
        ({"image_id": 99}, "not COCO's person keypoints"),
    ],
)
def test_bad_coco(tmp_path: Path, change: dict[str, object], message: str) -> None:
    content = fabricated.coco(tmp_path)
    content["annotations"][0].update(change)
    path = tmp_path / "coco" / "annotations" / "person_keypoints_train2017.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"person_keypoints_train2017\.json.*{message}"):
        coco_reader.read(tmp_path, "train")
    path.write_text("[1, 2")
    with pytest.raises(InputError, match="not JSON"):
        coco_reader.read(tmp_path, "train")


def test_several_sets_share_a_layout(leeds: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder = leeds[0]
    both, names = sets.load_all(("lsp", "lspet"), folder, "validation")
    assert names == LSP_14
    apart = [*lsp_reader.read(folder, "validation"), *lspet_reader.read(folder, "validation")]
    assert [person.name for person in both] == [person.name for person in apart]
    assert both[-1].name == apart[-1].name
    with pytest.raises(IndexError):
        both[len(apart)]
    if not (folder / "coco").exists():
        fabricated.coco(folder, "val2017")
    mixed, names = sets.load_all(("coco", "lsp"), folder, "validation")
    assert names == LSP_14
    (source, layout), person = sets.load("coco", folder, "validation"), mixed[0]
    assert layout == COCO_17
    for name in LSP_14[:12]:
        ours, theirs = LSP_14.index(name), COCO_17.index(name)
        np.testing.assert_array_equal(person.points[ours], source[0].points[theirs])
        assert person.visible[ours] == source[0].visible[theirs]
    assert not person.annotated[12:].any()
    assert person.annotated.dtype == bool


def test_joined_people_are_asked_for_by_their_own_number() -> None:
    class Shards(Sequence[Person]):
        def __init__(self, names: str) -> None:
            nothing = np.zeros((14, 2)), np.zeros(14, bool), np.zeros(14, bool), np.zeros(2)
            self._people = [Person(name, b"", *nothing, 1.0) for name in names]

        def __len__(self) -> int:
            return len(self._people)

        def __getitem__(self, index: Any) -> Any:
            assert 0 <= index < len(self)
            return self._people[index]

    parts = [(Shards(names), LSP_14) for names in ("abc", "", "de")]
    joined = sets.Joined(parts, LSP_14)
    assert [person.name for person in joined] == list("abcde")
    chosen = [joined[-1], joined[-3], *joined[1:4]]
    assert [person.name for person in chosen] == list("ecbcd")


def test_unknown_sets_and_splits(leeds: tuple[Path, np.ndarray, np.ndarray]) -> None:
    with pytest.raises(InputError, match="no data set 'flic': one of lsp, lspet"):
        sets.load("flic", leeds[0], "train")
    with pytest.raises(InputError, match="lspet has no split 'test': one of train, validation"):
        sets.load("lspet", leeds[0], "test")
