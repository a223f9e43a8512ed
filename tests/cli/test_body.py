"""ief-jax body from end to end: stand-ins find people made of dots, a tiny network fits bodies."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from ief_jax import cli
from ief_jax.body import joints
from ief_jax.cli import body
from ief_jax.cli.finding import Photographed
from ief_jax.formats import videos
from ief_jax.geometry.skeletons import LSP_14
from tests.helpers import dots, stand_in, tiny
from tests.helpers.stand_in import HEIGHT, ONE, TWO


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(monkeypatch)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, joint_model: joints.JointModel) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("checkpoints") / "tiny", joint_model)


def run(*arguments: object) -> int:
    return cli.main(["body", *map(str, arguments)])


def test_a_folder_of_photographs(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "photos", tmp_path / "photos" / "out"
    folder.mkdir()
    Image.new("RGB", (300, 200)).save(folder / "a.png")
    stand_in.two_people().save(folder / "b.png")
    options = ("--output", output, "--checkpoint", checkpoint)
    assert run(folder, *options) == 0
    written = sorted(p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file())
    assert written == [
        "bodies.npz",
        "contact_sheet_1.jpg",
        "keypoints/a_keypoints.json",
        "keypoints/b_keypoints.json",
        "meshes/b_0.glb",
        "meshes/b_1.glb",
        "scenes/b.jpg",
    ]
    said = capsys.readouterr().err
    assert "2 people, keypoints in 2 photographs, nobody in 1" in said
    with np.load(output / "bodies.npz") as file:
        assert file["frame"].tolist() == [1, 1] and file["person"].tolist() == [0, 1]
        assert file["frame_names"].tolist() == ["a", "b"]
        assert file["images"].tolist() == ["a.png", "b.png"]
        wrist = file["keypoint_names"].tolist().index("left_wrist")
        expected = [dots.pose(centre, HEIGHT)[LSP_14.index("left_wrist")] for centre in (TWO, ONE)]
        np.testing.assert_allclose(file["points"][:, wrist], expected, atol=1.5)
        assert np.isnan(file["focal"]).all()
    # The photograph is 480 pixels wide, and the bodies are where their keypoints are: the first,
    # blue, is the one to the right.
    with Image.open(output / "scenes" / "b.jpg") as scene:
        red, _, blue = np.moveaxis(np.asarray(scene).astype(int)[:, :480], -1, 0)
    assert abs(np.median(np.nonzero(blue - red > 25)[1]) - TWO[0]) < 30
    assert abs(np.median(np.nonzero(red - blue > 25)[1]) - ONE[0]) < 30
    mesh = trimesh.load_mesh(output / "meshes" / "b_0.glb")
    assert len(mesh.vertices) > 1000
    # What an earlier run has written is no photograph of the next.
    assert run(folder, *options, "--no-pictures", "--meshes", "None") == 0
    assert "keypoints in 2 photographs" in capsys.readouterr().err


def test_unsure_keypoints_are_left_to_the_prior() -> None:
    found = Photographed(
        Path("a/b.jpg"),
        "b.jpg",
        "b",
        Image.new("RGB", (30, 20)),
        np.ones((1, 3, 2)),
        np.array([[0.1, 0.2, 0.9]]),
        ("nose", "left_eye", "right_eye"),
        np.ones((1, 2)),
    )
    frame = body._frame(found, 3)
    assert frame.confidence.tolist() == [[0, 0.2, 0.9]]
    assert (frame.name, frame.image, frame.number) == ("b", "b.jpg", 3)
    sure = body._frame(found._replace(confidence=None), 0)
    assert sure.confidence.tolist() == [[1, 1, 1]]


def exif(millimetres: int, size: tuple[int, int]) -> Image.Exif:
    """What a camera writes: its focal length, and the size of the photograph as it was taken."""
    written = Image.Exif()
    written.get_ifd(0x8769).update({0xA405: millimetres, 0xA002: size[0], 0xA003: size[1]})
    return written


def test_the_camera_says_its_focal_length(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "a.jpg", tmp_path / "out"
    photograph = stand_in.two_people()
    # Twice as large when it was taken.
    photograph.save(path, quality=95, exif=exif(50, (960, 520)))
    options = ("--output", output, "--checkpoint", checkpoint, "--no-pictures", "--meshes", "None")
    expected = 50 * np.hypot(480, 260) / np.hypot(36, 24)

    def focal() -> np.ndarray:
        with np.load(output / "bodies.npz") as file:
            return file["focal"]

    assert run(path, *options) == 0
    assert "focal length 631 pixels, from the photographs' EXIF" in capsys.readouterr().err
    np.testing.assert_allclose(focal(), expected, rtol=1e-5)
    assert run(path, *options, "--focal", 900) == 0
    assert "EXIF" not in capsys.readouterr().err
    np.testing.assert_allclose(focal(), 900, rtol=1e-5)
    # Beside one of which nothing is known, each has its own.
    folder = tmp_path / "photos"
    folder.mkdir()
    photograph.save(folder / "a.jpg", quality=95)
    path.rename(folder / "b.jpg")
    assert run(folder, *options) == 0
    assert "631 pixels, from the EXIF of 1 of 2 photographs" in capsys.readouterr().err
    np.testing.assert_allclose(focal(), [np.nan, np.nan, expected, expected], rtol=1e-5)
    with np.load(output / "bodies.npz") as file:
        assert (file["trans"][:2, 2] == 0).all() and (file["trans"][2:, 2] < -2).all()
        # The same two people, in the same order.
        np.testing.assert_allclose(file["points"][:2], file["points"][2:], atol=0.1)
        np.testing.assert_allclose(file["scale"][:2], file["scale"][2:], rtol=0.2)
    # A part of another shape was cut out of the photograph: its diagonal says nothing.
    photograph.save(path, quality=95, exif=exif(50, (960, 960)))
    assert run(path, *options) == 0
    assert np.isnan(focal()).all()


def test_errors_are_one_line(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (300, 200)).save(tmp_path / "empty.png")
    for arguments, message in (
        ((tmp_path / "none.png",), "no such photograph or folder"),
        ((tmp_path / "empty.png",), "empty.png: nobody found"),
        ((tmp_path / "empty.png", "--body", tmp_path / "no.pkl"), "no.pkl"),
    ):
        options = ("--checkpoint", checkpoint, "--output", tmp_path / "out")
        assert run(*arguments, *options) == 2
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("ief-jax: error: ") and message in last
    assert not (tmp_path / "out").exists()


def test_a_video(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, output = tmp_path / "clip.mp4", tmp_path / "out"
    with videos.writing(path, (480, 260), 10) as write:
        for number in range(6):
            write(stand_in.two_people(), number / 10)
    assert run(path, "--output", output, "--checkpoint", checkpoint, "--focal", 700) == 0
    said = capsys.readouterr().err
    assert "person 0 from 0.00 to 0.50 s, 6 frames" in said
    assert "person 1 from 0.00 to 0.50 s, 6 frames" in said
    assert "checkpoint tiny is never unsure: frames are fitted alone" in said
    assert len(list(videos.frames(output / "overlay.mp4"))) == 6
    with np.load(output / "bodies.npz") as file:
        assert file["id"].tolist() == [0, 1] * 6
        np.testing.assert_allclose(file["focal"], 700, rtol=1e-5)
        wrist = file["keypoint_names"].tolist().index("left_wrist")
        expected = [dots.pose(centre, HEIGHT)[LSP_14.index("left_wrist")] for centre in (TWO, ONE)]
        np.testing.assert_allclose(file["points"][:2, wrist], expected, atol=4)
    # The same again finds what it has found, and pictures can be left out.
    (output / "overlay.mp4").unlink()
    assert run(path, "--output", output, "--checkpoint", checkpoint, "--no-pictures") == 0
    assert "6 frames of an earlier run" in capsys.readouterr().err
    assert not (output / "overlay.mp4").exists()


def test_errors_in_videos_are_one_line(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with videos.writing(tmp_path / "empty.mp4", (300, 200), 10) as write:
        write(Image.new("RGB", (300, 200)), 0.0)
    for arguments, message in (
        ((tmp_path / "none.mp4",), "none.mp4: no such file"),
        ((tmp_path / "broken.mp4",), "broken.mp4: not a video that can be read"),
        ((tmp_path / "empty.mp4",), "empty.mp4: nobody found"),
        ((tmp_path / "empty.mp4", "--focal", -1), "--focal -1: expected pixels"),
        ((tmp_path / "empty.mp4", "--smooth", -1), "--smooth -1: expected 0 or more"),
        ((47,), "webcam 47: "),
    ):
        options = ("--checkpoint", checkpoint, "--output", tmp_path / "out")
        assert run(*arguments, *options) == 2
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("ief-jax: error: ") and message in last
