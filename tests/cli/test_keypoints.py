"""ief-jax keypoints from end to end: a stand-in for the network finds people made of dots."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from ief_jax import cli
from ief_jax.body import joints
from ief_jax.formats import detection_files
from ief_jax.geometry.crops import Box
from ief_jax.geometry.skeletons import LSP_14
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief import person_detector
from ief_jax.ief.person_detector import Found
from ief_jax.ief.scale_selector import checkpoints as scale_selector_checkpoints
from ief_jax.ief.scale_selector import config, networks, selection
from tests.helpers import dots, stand_in, tiny
from tests.helpers.stand_in import HEIGHT, ONE, TWO

LOAD_SELECTOR, REFINE_BOX = scale_selector_checkpoints.load, selection.refine_box
"""What the stand-ins stand in for."""


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(monkeypatch)


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    """Two people who face us, 480 x 260 pixels."""
    return stand_in.two_people()


def run(*arguments: object) -> int:
    return cli.main(["keypoints", *map(str, arguments)])


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def estimated(path: Path) -> np.ndarray:
    """[N, 14, 3] of one file."""
    people = json.loads(path.read_text())["people"]
    return np.array([person["keypoints_2d"] for person in people]).reshape(-1, 14, 3)


def test_several_people_by_their_points(tmp_path: Path, photograph: Image.Image) -> None:
    photograph.save(tmp_path / "photo.png")
    output = tmp_path / "deep" / "out"
    points = ("--point", 330, 130, "--point", 150, 120)
    assert run(tmp_path / "photo.png", "--output", output, *points) == 0
    assert names(output) == ["photo_keypoints.json", "pictures", "pictures/photo.jpg"]
    found = estimated(output / "photo_keypoints.json")
    assert len(found) == 2, "as many as points, in their order"
    for person, centre in zip(found, (TWO, ONE), strict=True):
        np.testing.assert_allclose(person[:, :2], dots.pose(centre, HEIGHT), atol=1)
    assert (found[..., 2] > 0).all() and (found[..., 2] <= 1).all()
    with Image.open(output / "pictures" / "photo.jpg") as picture:
        assert picture.size == (640, round(260 * 640 / 480))
    content = json.loads((output / "photo_keypoints.json").read_text())
    assert content["image"] == "photo.png"
    assert [person["marked_point"] for person in content["people"]] == [[330, 130], [150, 120]]


def test_a_checkpoint_without_calibration_claims_no_confidence(
    tmp_path: Path,
    photograph: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photograph.save(tmp_path / "photo.png")
    words = (tmp_path / "photo.png", "--point", 150, 120, "--output", tmp_path / "out")
    written = tmp_path / "out" / "photo_keypoints.json"
    assert run(*words) == 0
    assert "calibration" not in capsys.readouterr().err
    sure = estimated(written)
    assert json.loads(written.read_text())["confidence_estimated"] is True
    monkeypatch.setattr(ief_checkpoints, "load", lambda name: dots.UNCALIBRATED)
    assert run(*words) == 0
    said = capsys.readouterr().err
    assert "movenet has no calibration: confidences are not estimated, all are written as 1" in said
    assert json.loads(written.read_text())["confidence_estimated"] is False
    found = estimated(written)
    np.testing.assert_array_equal(found[..., :2], sure[..., :2])
    assert (found[..., 2] == 1).all() and (sure[..., 2] < 1).all()
    assert (tmp_path / "out" / "pictures" / "photo.jpg").exists()


def test_the_box_is_the_given_selectors(
    tmp_path: Path, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph.save(tmp_path / "photo.png")
    monkeypatch.setattr(scale_selector_checkpoints, "load", LOAD_SELECTOR)
    boxes = []

    def refine_box(*asked: object) -> Box:
        boxes.append(REFINE_BOX(*asked))  # type: ignore[arg-type]
        return boxes[-1]

    monkeypatch.setattr(selection, "refine_box", refine_box)
    # One that says of every box that it fits: it stays as large as the photograph.
    tiny_selector = config.ScaleSelectorConfig("small", 16)
    weights = networks.initial_weights(tiny_selector, jax.random.key(0))
    still = jax.tree.map(np.zeros_like, weights)
    (tmp_path / "run").mkdir()
    scale_selector_checkpoints.write(
        tmp_path / "run" / "model.npz", scale_selector_checkpoints.Selector(tiny_selector, still)
    )
    words = (tmp_path / "photo.png", "--point", 150, 120, "--output", tmp_path / "out")
    assert run(*words, "--selector", tmp_path / "run") == 0
    assert run(*words) == 0
    (own, released) = boxes
    assert own == Box(150, 120, 480) and released.side != 480


def test_without_a_point_everybody_is_found(tmp_path: Path, photograph: Image.Image) -> None:
    photograph.save(tmp_path / "photo.png")
    assert run(tmp_path / "photo.png", "--output", tmp_path / "out", "--no-pictures") == 0
    assert names(tmp_path / "out") == ["photo_keypoints.json"]
    found = estimated(tmp_path / "out" / "photo_keypoints.json")
    assert len(found) == 2, "the surer one first"
    for person, centre in zip(found, (TWO, ONE), strict=True):
        np.testing.assert_allclose(person[:, :2], dots.pose(centre, HEIGHT), atol=1)


def test_who_is_found_twice_is_one_person(
    tmp_path: Path, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(_detector: object, image: Image.Image) -> Found:
        found = stand_in.boxes_in(image)
        # A smaller box about the upper body of the first, of less certainty.
        return Found(
            np.concatenate([found.boxes, [[100, 40, 200, 140]]]),
            np.zeros((3, 17, 2)),
            np.zeros((3, 17)),
            np.array([0.9, 0.8, 0.3]),
        )

    monkeypatch.setattr(person_detector, "find_people", twice)
    photograph.save(tmp_path / "photo.png")
    assert run(tmp_path / "photo.png", "--output", tmp_path / "out", "--no-pictures") == 0
    found = estimated(tmp_path / "out" / "photo_keypoints.json")
    np.testing.assert_allclose(found[:, :, 0].mean(1), [ONE[0], TWO[0]], atol=4)


def test_nobody_is_said(
    tmp_path: Path, photograph: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    Image.new("RGB", (300, 200)).save(folder / "a.png")
    assert "a.png: nobody found" in failing(capsys, folder / "a.png", "--output", output)
    assert "2 photographs: nobody found" in failing(
        capsys, _with_a_copy(folder, "a.png", "b.png"), "--output", output
    )
    photograph.save(folder / "c.png")
    assert run(folder, "--output", output, "--no-pictures") == 0
    said = capsys.readouterr().err
    assert "2 people, keypoints in 3 photographs, nobody in 2" in said
    # A frame stays one: who reads the folder counts on it.
    assert [len(estimated(output / f"{n}_keypoints.json")) for n in "abc"] == [0, 0, 2]


def _with_a_copy(folder: Path, of: str, name: str) -> Path:
    (folder / name).write_bytes((folder / of).read_bytes())
    return folder


def turned(image: Image.Image, path: Path) -> None:
    """Saves an image lying on its side, with the note that it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)


@pytest.mark.parametrize("kind", ["exif", "rgba", "palette", "tiff", "webp"])
def test_any_kind_of_photograph(tmp_path: Path, photograph: Image.Image, kind: str) -> None:
    path = tmp_path / {"tiff": "a.tif", "webp": "a.webp"}.get(kind, "a.png")
    {
        "exif": lambda: turned(photograph, path),
        "rgba": lambda: photograph.convert("RGBA").save(path),
        "palette": lambda: photograph.quantize(64).save(path),
        "tiff": lambda: photograph.save(path),
        "webp": lambda: photograph.save(path, lossless=True),
    }[kind]()
    assert run(path, "--output", tmp_path / "out", "--point", 150, 120) == 0
    (found,) = estimated(tmp_path / "out" / "a_keypoints.json")
    np.testing.assert_allclose(found[:, :2], dots.pose(ONE, HEIGHT), atol=1.5)


@pytest.mark.parametrize("mode", ["L", "I;16", "LA", "1"])
def test_without_colours_there_is_an_answer_too(
    tmp_path: Path, photograph: Image.Image, mode: str
) -> None:
    grey = photograph.convert("L")
    if mode == "I;16":
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(tmp_path / "a.png")
    else:
        grey.convert(mode).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "--output", tmp_path / "out") == 0
    assert estimated(tmp_path / "out" / "a_keypoints.json").shape == (2, 14, 3)
    with Image.open(tmp_path / "out" / "pictures" / "a.jpg") as picture:
        assert picture.mode == "RGB"


def test_a_folder_goes_on_after_what_is_broken(
    tmp_path: Path, photograph: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for name in ("a.png", "a.jpg", "d.png"):
        photograph.save(folder / name)
    (folder / "b.jpg").write_bytes((folder / "a.jpg").read_bytes()[:2000])
    (folder / "c.png").write_text("no photograph")
    (folder / "notes.txt").write_text("")
    Image.new("RGB", (1, 1)).save(folder / "e.png")
    Image.new("RGB", (140, 300)).save(folder / "f.png")
    arguments = ("--output", output, "--no-pictures", "--point", 150, 120)
    assert run(folder, *arguments) == 0
    # Two photographs of one stem keep their endings.
    assert names(output) == [f"{n}_keypoints.json" for n in ("a.jpg", "a.png", "d")]
    said = capsys.readouterr().err
    assert "b.jpg: not an image that can be read" in said
    assert "c.png: not an image that can be read" in said
    assert "e.png: 1 x 1 pixels, expected 16 x 16 at least" in said
    assert "f.png: --point 150 120 is outside the photograph, which is 140 pixels wide" in said
    assert "keypoints in 3 photographs, 4 skipped" in said
    for name in ("a.jpg", "a.png", "d"):
        assert len(estimated(output / f"{name}_keypoints.json")) == 1


def test_several_photographs_and_folders(
    tmp_path: Path, photograph: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each once, as a shell's * gives them; those that are called the same go on being told."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        photograph.save(tmp_path / folder / "a.png")
    photograph.save(tmp_path / "one" / "b.png")
    broken, output = tmp_path / "c.png", tmp_path / "out"
    broken.write_text("no photograph")
    again = tmp_path / "two" / ".." / "one" / "a.png"
    given = (again, tmp_path / "one", broken, tmp_path / "two" / "a.png")
    assert run(*given, "--output", output, "--no-pictures") == 0
    said = capsys.readouterr().err
    assert "keypoints in 3 photographs, 1 skipped" in said
    expected = [f"{name}_keypoints.json" for name in ("b", "one_a.png", "two_a.png")]
    assert names(output) == expected
    assert run(*given, "--output", tmp_path / "strict", "--strict") == 2
    assert "c.png: not an image that can be read" in capsys.readouterr().err
    assert run("--output", output) == 2
    assert "no photograph is given" in capsys.readouterr().err


def test_what_is_written_is_fitted(
    tmp_path: Path,
    photograph: Image.Image,
    joint_model: joints.JointModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output, fits = tmp_path / "out", tmp_path / "fits"
    photograph.save(tmp_path / "photo.jpg")
    trained = tiny.folder(tmp_path / "tiny", joint_model)
    # One person: compiled already for the tests of fit.
    assert run(tmp_path / "photo.jpg", "--output", output, "--point", 150, 120) == 0
    arguments = ("--output", fits, "--checkpoint", trained, "--no-pictures")
    assert cli.main(["fit", *map(str, (output, *arguments))]) == 0
    assert "1 person in 1 frame, skeleton LSP_14 (names in the file)" in capsys.readouterr().err
    found = detection_files.read(output)
    wrist = found.names.index("left_wrist")
    expected = [dots.pose(ONE, HEIGHT)[LSP_14.index("left_wrist")]]
    np.testing.assert_allclose(found.points[:, wrist], expected, atol=1.5)
    with np.load(fits / "bodies.npz") as file:
        wrist = file["keypoint_names"].tolist().index("left_wrist")
        np.testing.assert_allclose(file["points"][:, wrist], expected, atol=1.5)
        # Upper neck and head top too.
        assert (file["confidence"] > 0).sum() == 14
        assert file["frame_names"].tolist() == ["photo"]


def failing(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a run that fails."""
    assert run(*arguments) == 2
    *before, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("ief-jax: error: ")
    assert not any("Traceback" in line for line in before)
    return last


def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    photograph: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    to = ("--output", output)
    good, broken, dot = (tmp_path / name for name in ("good.png", "broken.png", "dot.png"))
    photograph.save(good)
    broken.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    Image.new("RGB", (1, 1)).save(dot)
    empty, all_bad = tmp_path / "empty", tmp_path / "bad"
    empty.mkdir()
    all_bad.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (all_bad / name).write_text("")
    assert "none.png: no such photograph or folder" in failing(capsys, tmp_path / "none.png", *to)
    assert "broken.png: not an image that can be read" in failing(capsys, broken, *to)
    assert "1 x 1 pixels" in failing(capsys, dot, *to)
    assert "no photographs (.jpg" in failing(capsys, empty, *to)
    assert "none of 2 photographs can be used" in failing(capsys, all_bad, *to)
    for x, y in ((480, 10), (10, 260), (-1, 10), (10, -1), ("nan", 3), (3, "inf")):
        assert "is outside the photograph" in failing(capsys, good, *to, "--point", x, y)
    assert "cannot write to" in failing(capsys, good, "--output", dot)
    monkeypatch.undo()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    assert "no such checkpoint" in failing(capsys, good, *to, "--checkpoint", tmp_path / "none")
    none = ("--selector", tmp_path / "none")
    assert "none: no such checkpoint; expected released" in failing(capsys, good, *to, *none)
    assert not output.exists()


def test_points_on_the_very_edge_are_inside(tmp_path: Path, photograph: Image.Image) -> None:
    photograph.save(tmp_path / "a.png")
    arguments = ("--point", 0, 0, "--point", 479, 259, "--point", -0.5, 259.5)
    assert run(tmp_path / "a.png", "--output", tmp_path / "out", *arguments) == 0
    assert len(estimated(tmp_path / "out" / "a_keypoints.json")) == 3
