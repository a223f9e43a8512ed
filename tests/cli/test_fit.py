"""The command ief-jax from end to end, with a small untrained checkpoint."""

import dataclasses
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trimesh
from PIL import Image

from ief_jax import cli
from ief_jax.body import joints, smpl
from ief_jax.cli import bodies, keypoint_files, lenses
from ief_jax.formats import videos
from ief_jax.formats.detections import Detections
from ief_jax.geometry import rotations, skeletons
from ief_jax.ief import build
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief.backbones import NAMED
from ief_jax.ief.config import PAPER
from ief_jax.inspector import page
from ief_jax.io import checkpoint_files
from ief_jax.lgd import build as lgd_build
from ief_jax.lgd import checkpoints as lgd_checkpoints
from ief_jax.lgd import fitting, motion
from ief_jax.lgd.fitting import Bodies
from tests.helpers import tiny
from tests.helpers.tiny_backbone import TinyBackbone


def frame(*people: np.ndarray) -> str:
    entries = [{"pose_keypoints_2d": person.reshape(-1).tolist()} for person in people]
    return json.dumps({"version": 1.3, "people": entries})


@pytest.fixture
def frames(tmp_path: Path, standing: np.ndarray) -> Path:
    """Three frames: two people, nobody, and one of two with too few joints."""
    folder = tmp_path / "frames"
    folder.mkdir()
    half = np.where(np.arange(25)[:, None] < 4, standing, 0)
    (folder / "f1_keypoints.json").write_text(frame(standing, standing + [100, 0, 0]))
    (folder / "f2_keypoints.json").write_text(frame())
    (folder / "f3_keypoints.json").write_text(frame(half, standing))
    return folder


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def pixel(path: Path) -> np.ndarray:
    """Red, green, blue in the lower left corner."""
    with Image.open(path) as image:
        return np.asarray(image)[-10, 10]


def test_fit_a_folder_of_frames(
    tmp_path: Path,
    frames: Path,
    checkpoint: Path,
    body: smpl.BodyModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (300, 400), (200, 0, 0)).save(images / "f3.jpg")
    output = tmp_path / "deep" / "out"
    arguments = ("--checkpoint", checkpoint, "--images", images, "--meshes", "ply")
    assert run("fit", frames, "--output", output, *arguments, "--every-picture") == 0
    assert names(output) == [
        "bodies.npz",
        "contact_sheet_1.jpg",
        "meshes",
        *(f"meshes/{name}.ply" for name in ("f1_0", "f1_1", "f3_1")),
        "pictures",
        *(f"pictures/{name}.jpg" for name in ("f1_0", "f1_1", "f3_1")),
    ]
    said = capsys.readouterr().err
    assert "4 people in 3 frames, skeleton BODY_25" in said
    assert "skipped f3, person 0: 4 of 27 keypoints seen, 6 needed" in said
    assert "f1: no photograph of this name" in said
    with np.load(output / "bodies.npz") as file:
        stored = {key: file[key] for key in file.files}
    assert stored["frame"].tolist() == [1, 1, 3], "the numbers in the names"
    assert stored["frame_numbers"].tolist() == [1, 2, 3]
    assert stored["person"].tolist() == [0, 1, 1]
    assert stored["skipped_frame"].tolist() == [3]
    # People of the same pose a hundred pixels apart are the same body a hundred pixels apart.
    np.testing.assert_allclose(stored["poses"][0], stored["poses"][1], atol=1e-3)
    apart = (stored["trans"] * stored["scale"][:, None])[1] - (
        stored["trans"] * stored["scale"][:, None]
    )[0]
    np.testing.assert_allclose(apart, [100, 0, 0], atol=0.1)
    # The mesh is the body of the file's numbers, in metres.
    local = rotations.axis_angle_to_matrix(stored["poses"][2].reshape(24, 3))
    vertices = smpl.vertices(body, local, stored["betas"][2])
    mesh = trimesh.load_mesh(output / "meshes" / "f3_1.ply", process=False)
    np.testing.assert_allclose(mesh.vertices, vertices, atol=1e-5)
    # The error is the mean distance of the keypoints that the file also holds.
    distance = np.linalg.norm(stored["points"] - stored["reprojected"], axis=-1)
    mean = np.average(distance, 1, stored["confidence"] > 0)
    np.testing.assert_allclose(stored["reprojection_error"], mean, rtol=1e-3)
    # Red where the photograph is, canvas where there is none.
    photo, plain = (pixel(output / "pictures" / f"{name}.jpg") for name in ("f3_1", "f1_0"))
    assert photo[0] > 180 and photo[1] < 20
    assert plain.min() > 230


def test_frames_that_follow_one_another_become_a_video(
    tmp_path: Path, standing: np.ndarray, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, images, output = (tmp_path / name for name in ("frames", "images", "out"))
    folder.mkdir()
    images.mkdir()
    people = [[standing + [100 + 5 * number, 50, 0]] for number in range(4)]
    people[2] = []
    for number, there in enumerate(people):
        (folder / f"f{number}_keypoints.json").write_text(frame(*there))
        Image.new("RGB", (400, 320), (40 * number, 0, 0)).save(images / f"f{number}.png")
    arguments = ("fit", folder, "--checkpoint", checkpoint, "--output", output, "--images", images)
    assert run(*arguments) == 0
    assert names(output) == ["bodies.npz", "contact_sheet_1.jpg", "overlay.mp4"]
    seen = list(videos.frames(output / "overlay.mp4"))
    assert [one.time for one in seen] == pytest.approx(np.arange(4) / 30, abs=0.002)
    for number, (one, there) in enumerate(zip(seen, people, strict=True)):
        assert one.image.size == (640, 320), "beside the photograph, the side view"
        front = np.asarray(one.image).astype(int)[:, :400]
        assert front[10, 390, 0] == pytest.approx(40 * number, abs=12)
        # Bodies are blue where photographs are red.
        assert ((front[..., 2] - front[..., 0] > 8).sum() > 500) == bool(there)
    # Photographs of several sizes are no video.
    (output / "overlay.mp4").unlink()
    Image.new("RGB", (300, 320)).save(images / "f1.png")
    capsys.readouterr()
    assert run(*arguments) == 0
    assert "overlay.mp4: not written; the photographs are not all of one size" in (
        capsys.readouterr().err
    )
    assert names(output) == ["bodies.npz", "contact_sheet_1.jpg"]


def test_photographs_that_are_missing_or_broken_are_said_once(
    tmp_path: Path, standing: np.ndarray, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, images = tmp_path / "frames", tmp_path / "images"
    folder.mkdir()
    images.mkdir()
    lens = Image.Exif()
    lens.get_ifd(0x8769)[0xA405] = 50
    noise = np.random.default_rng(0).integers(0, 256, (320, 400, 3), np.uint8)
    for number in range(3):
        (folder / f"f{number}.json").write_text(frame(standing + [100 + 5 * number, 50, 0]))
        Image.fromarray(noise).save(images / f"f{number}.jpg", exif=lens)
    (images / "f0.jpg").unlink()
    broken = images / "f1.jpg"
    broken.write_bytes(broken.read_bytes()[:20_000])
    output = tmp_path / "out"
    arguments = ("fit", folder, "--checkpoint", checkpoint, "--output", output, "--images", images)
    assert run(*arguments) == 0
    said = capsys.readouterr().err
    assert said.count("f0: no photograph of this name; drawn on a plain canvas") == 1
    assert said.count("f1.jpg: not an image that can be read") == 1
    assert "from the EXIF of 1 of 3 photographs" in said, "the broken one has no middle"
    assert len(list(videos.frames(output / "overlay.mp4"))) == 3
    (images / "f0.jpg").write_bytes((images / "f2.jpg").read_bytes())
    assert run(*arguments, "--focal", 600) == 2
    assert "f1.jpg: not an image that can be read, and --focal needs its size" in (
        capsys.readouterr().err
    )


def test_fit_without_pictures_and_again(
    tmp_path: Path, standing: np.ndarray, checkpoint: Path
) -> None:
    path, output = tmp_path / "f.json", tmp_path / "out"
    path.write_text(frame(standing))
    assert run("fit", path, "--output", output, "--checkpoint", checkpoint, "--no-pictures") == 0
    assert names(output) == ["bodies.npz"]
    # What was written can be read as detections, and gives the same again.
    again = tmp_path / "again"
    arguments = ("--checkpoint", checkpoint, "--no-pictures")
    assert run("fit", output / "bodies.npz", "--output", again, *arguments) == 0
    with np.load(output / "bodies.npz") as one, np.load(again / "bodies.npz") as two:
        assert one.files == two.files
        for key in one.files:
            np.testing.assert_array_equal(one[key], two[key])


def test_batches_have_few_sizes() -> None:
    sizes = [bodies.batch_size(count, 8) for count in (1, 2, 3, 4, 5, 8, 9, 1000)]
    assert sizes == [1, 2, 4, 4, 8, 8, 8, 8]


def test_bodies_that_nobody_could_see_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    square = np.tile([[0.0, 0], [100, 0], [100, 100], [0, 100]], (4, 1, 1))
    people = Detections(
        points=square,
        confidence=np.ones((4, 4)),
        names=("a", "b", "c", "d"),
        skeleton="of its own",
        evidence="",
        frame=np.zeros(4, int),
        person=np.arange(4),
        frame_names=("f",),
        images=(None,),
        numbers=(0,),
        identity=np.full(4, -1),
    )
    there = jnp.stack([square[0], 0.05 * square[0], square[0], 0.2 * square[0]])
    rest = jnp.zeros((4, 1))
    scale = jnp.array([1, 1, jnp.nan, 1.0])
    found = Bodies(rest, rest, scale, rest, scale, rest, rest, there, rest)
    each_lens = lenses.Lenses(np.array([True, True, False, False]), np.ones(4), np.zeros((4, 2)))
    fitted = bodies.sound(found, people, each_lens, [], Path("x.json"))
    assert fitted.people.person.tolist() == [0, 3] and len(fitted.bodies.keypoints) == 2
    assert fitted.lens_known.tolist() == [True, False]
    assert [(one.person, one.reason) for one in fitted.skipped] == [
        (1, "no body has such keypoints"),
        (2, "the fit is not finite"),
    ]
    assert "skipped f, person 1: no body has such keypoints" in capsys.readouterr().err


def test_more_people_than_a_batch(
    tmp_path: Path, standing: np.ndarray, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Five people in batches of four, the second filled up; then the last of them alone.
    monkeypatch.setattr(fitting, "PART", 4)
    shift = np.random.default_rng(0).normal(0, 3, (5, 25, 2))
    people = np.stack([standing] * 5)
    people[..., :2] += shift
    poses = []
    for name, some in (("all", people), ("last", people[4:])):
        np.savez(tmp_path / f"{name}.npz", keypoints=some, skeleton="BODY_25")
        arguments = ("--checkpoint", checkpoint, "--no-pictures")
        assert run("fit", tmp_path / f"{name}.npz", "--output", tmp_path / name, *arguments) == 0
        with np.load(tmp_path / name / "bodies.npz") as file:
            poses.append(file["poses"])
    assert poses[0].shape == (5, 72)
    assert np.ptp(poses[0], 0).max() > 1e-4, "five different people"
    np.testing.assert_allclose(poses[0][4:], poses[1], atol=1e-4)


def test_inspect(tmp_path: Path, frames: Path, checkpoint: Path) -> None:
    output = tmp_path / "new" / "figure.png"
    arguments = ("--output", output, "--checkpoint", checkpoint)
    assert run("inspect", frames, "--frame", 2, "--person", 1, *arguments) == 0
    assert names(output.parent) == ["figure.png"]
    with Image.open(output) as image:
        assert image.width > 1000


@pytest.mark.slow
def test_inspect_writes_a_page_of_everybody(
    tmp_path: Path, frames: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "steps.html"
    Image.new("RGB", (300, 400)).save(tmp_path / "all.png")
    arguments = ("--checkpoint", checkpoint, "--images", tmp_path / "all.png")
    assert run("inspect", frames, "--output", output, *arguments) == 0
    assert "skipped person 0 of frame 2: 4 of 27 keypoints seen" in capsys.readouterr().err
    people = page.read(output)["subjects"]
    assert [one["title"] for one in people] == [
        "f1, person 0",
        "f1, person 1",
        "f3, person 1",
    ]
    first, second, _ = people
    np.testing.assert_allclose(
        second["picture"]["observed"][:8] - first["picture"]["observed"][:8],
        np.broadcast_to([100, 0], (8, 2)),
        atol=1e-3,
    )
    assert first["picture"]["photograph"]["width"] == 300
    assert run("inspect", frames, "--output", output, "--frame", 2, *arguments) == 0
    assert [one["title"] for one in page.read(output)["subjects"]] == ["f3, person 1"]


@pytest.mark.slow
def test_inspect_of_a_photograph(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a network of a few weights, which finds nobody in particular."""
    monkeypatch.setitem(NAMED, "tiny", TinyBackbone)
    small = dataclasses.replace(PAPER, name="tiny", backbone="tiny", size=32, pool_size=2)
    start = np.random.default_rng(0).uniform(4, 28, (14, 2)).astype(np.float32)
    weights = build.initial_weights(small, jax.random.key(0))
    trained = tmp_path / "keypoints"
    trained.mkdir()
    ief_checkpoints.write(
        trained / checkpoint_files.FILE_NAME,
        ief_checkpoints.Checkpoint(small, {"network": weights, "start": jnp.asarray(start)}),
    )
    noise = np.random.default_rng(1).integers(0, 255, (120, 90, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    output = tmp_path / "steps.html"
    arguments = ("--keypoint-checkpoint", trained, "--checkpoint", checkpoint)
    right = np.random.default_rng(2).uniform(20, 80, (2, 14, 3))
    right[0, :, :2] += 500  # somebody else
    right[..., 2] = np.arange(14) % 3 / 2  # a third of the joints is not known
    np.savez(tmp_path / "right.npz", keypoints=right[None], skeleton="LSP_14")
    photo = (tmp_path / "photo.png", "--point", 40, 60, "--truth", tmp_path / "right.npz")
    assert run("inspect", *photo, "--output", output, *arguments) == 0
    keypoints, fitted = page.read(output)["subjects"]
    assert keypoints["labels"][-1] == "correction 3" and fitted["labels"][-1] == "learned 3"
    names = keypoints["picture"]["names"]
    found = keypoints["picture"]["estimate"][-1][names.index("left_knee")]
    given = fitted["picture"]["observed"][skeletons.UNION_27.index("left_knee")]
    assert np.isfinite(found).all() and np.isfinite(given).all()
    assert (keypoints["title"], fitted["title"]) == (
        "photo.png, person 0: keypoints",
        "photo.png, person 0: body",
    )
    assert "MoveNet" in fitted["note"]
    order = [skeletons.LSP_14.index(name) for name in names]
    seen = keypoints["picture"]["confidence"] > 0
    np.testing.assert_array_equal(seen, right[1, order, 2] > 0)
    np.testing.assert_allclose(keypoints["picture"]["observed"][seen], right[1, order, :2][seen])
    update, target = keypoints["picture"]["arrows"]
    np.testing.assert_array_equal(np.isfinite(target["vectors"][0]).all(-1), seen)
    for one in (keypoints, fitted):
        held = one["picture"]["photograph"]
        assert (held["width"], held["height"]) == (90, 120)


def failing(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a run that fails."""
    assert run(*arguments) == 2
    *before, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("ief-jax: error: ")
    assert not any("Traceback" in line for line in before)
    return last


def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    standing: np.ndarray,
    checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(frame(standing))
    bad.write_text(frame(np.where(np.arange(25)[:, None] < 4, standing, 0)))
    truncated = tmp_path / "truncated"
    truncated.mkdir()
    (truncated / "model.npz").write_bytes((checkpoint / "model.npz").read_bytes()[:500])
    file = tmp_path / "file"
    file.write_text("")
    to = ("--output", output)
    trained = ("--checkpoint", checkpoint)
    assert "none.json: No such file" in failing(capsys, "fit", tmp_path / "none.json", *to)
    assert "of 1 person, none can be fitted: 4 of 27" in failing(capsys, "fit", bad, *to)
    assert "no such folder of photographs" in failing(
        capsys, "fit", good, *to, "--images", tmp_path / "none"
    )
    assert "truncated" in failing(capsys, "fit", good, *to, "--checkpoint", truncated)
    assert "no such checkpoint" in failing(capsys, "fit", good, *to, "--checkpoint", "none")
    assert f"{file}" in failing(capsys, "fit", good, *to, *trained, "--body", file)
    assert "cannot write to" in failing(capsys, "fit", good, "--output", file, *trained)
    assert "cannot write to" in failing(capsys, "fit", good, "--output", "/proc/self", *trained)
    figure = ("--output", output / "figure.png", *trained)
    assert "must end in .html for a page, or in .png" in failing(capsys, "inspect", good, *to)
    assert "no frame 1: there are 1" in failing(capsys, "inspect", good, "--frame", 1, *figure)
    assert "no person 7 in frame 0: it has 0" in failing(
        capsys, "inspect", good, "--person", 7, *figure
    )
    assert "person 0 of frame 0: 4 of 27 keypoints" in failing(capsys, "inspect", bad, *figure)
    Image.new("RGB", (40, 40)).save(tmp_path / "photo.png")
    pictured = ("inspect", tmp_path / "photo.png", "--point", 90, 5)
    assert "its name ends in .html" in failing(capsys, *pictured, *figure)
    steps = ("--output", output / "steps.html", *trained)
    assert "--point 90 5 is outside the photograph" in failing(capsys, *pictured, *steps)
    assert "--point is for a photograph" in failing(
        capsys, "inspect", good, "--point", 1, 1, *steps
    )
    assert "no person 7 in any frame: it has 0" in failing(
        capsys, "inspect", good, "--person", 7, *steps
    )
    photograph = tmp_path / "photo.png"
    for option in (("--frame", 0), ("--images", tmp_path), ("--skeleton", "LSP_14")):
        said = failing(capsys, "inspect", photograph, *option, *steps)
        assert f"{option[0]} is for keypoints, and {photograph} is a photograph" in said
    # Before the keypoints are found, which takes a while
    late = ("inspect", photograph, "--keypoint-checkpoint", "none")
    assert "nothing: no such" in failing(capsys, *late, *steps[:2], "--checkpoint", "nothing")
    assert "cannot write to" in failing(capsys, *late, "--output", bad / "a.html", *trained)
    assert "--truth is for a photograph" in failing(
        capsys, "inspect", good, "--truth", good, *steps
    )
    two = tmp_path / "two"
    two.mkdir()
    for name in ("a", "b"):
        (two / f"{name}_keypoints.json").write_text(frame(standing))
    assert "two: nobody in photo.png" in failing(
        capsys, "inspect", photograph, "--truth", two, *steps
    )
    assert not output.exists()


def test_a_full_disk_keeps_what_is_complete(
    tmp_path: Path,
    standing: np.ndarray,
    checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, output = tmp_path / "f.json", tmp_path / "out"
    path.write_text(frame(standing))
    trained = ("--checkpoint", checkpoint)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    least = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, least)
    try:
        # Half of an entry would spoil the tests' cache of compilations.
        jax.config.update(least, 1e9)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        said = failing(capsys, "fit", path, "--output", output, *trained, "--meshes", "ply")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        jax.config.update(least, before)
    assert "cannot write" in said and "f_0.ply: File too large" in said
    assert names(output) == ["bodies.npz", "meshes"]
    with np.load(output / "bodies.npz") as file:
        assert file["poses"].shape == (1, 72)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    # As a user's shell would: nothing of the tests' settings but the environment.
    return subprocess.run(
        [sys.executable, "-m", "ief_jax.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
        check=False,
    )


def test_help_names_what_there_is() -> None:
    done = command("--help")
    assert done.returncode == 0
    for name in ("keypoints", "fit", "inspect"):
        assert name in done.stdout
    done = command("keypoints", "--help")
    assert done.returncode == 0
    for option in ("--output", "--point", "--checkpoint", "--no-pictures"):
        assert option in done.stdout
    done = command("fit", "--help")
    assert done.returncode == 0
    for option in ("--output", "--checkpoint", "--body", "--images", "--meshes", "--skeleton"):
        assert option in done.stdout
    assert "--no-pictures" in done.stdout


def test_a_user_error_has_status_2_and_no_traceback(tmp_path: Path) -> None:
    done = command("fit", str(tmp_path / "none.json"), "--output", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stdout == ""
    path = tmp_path / "none.json"
    assert done.stderr == f"ief-jax: error: cannot read {path}: No such file or directory\n"
    assert command("fit").returncode == 2
    assert command("fly").returncode == 2


def test_a_reader_who_stops_reading_is_no_error() -> None:
    code = "from ief_jax.cli import command_line as c; raise SystemExit(c.guarded('x', lambda: %s))"
    words = [sys.executable, "-c", code % "print('word ' * 100000)"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_help_does_not_wait_for_jax() -> None:
    code = "import sys, ief_jax.cli; sys.exit('jax' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def fit_to(tmp_path: Path, checkpoint: Path, *arguments: object) -> dict[str, np.ndarray]:
    output = tmp_path / "fitted"
    to = ("--output", output, "--checkpoint", checkpoint, "--no-pictures")
    assert run("fit", *arguments, *to) == 0
    with np.load(output / "bodies.npz") as file:
        return {key: file[key] for key in file.files}


def test_every_layout_can_be_said() -> None:
    assert get_args(keypoint_files.Skeleton) == tuple(skeletons.LAYOUTS)


def test_several_paths(
    tmp_path: Path, standing: np.ndarray, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each once; one that is broken is passed over, or stops, and what is not there stops."""
    one, two, broken = tmp_path / "a5.json", tmp_path / "b7.npz", tmp_path / "c.json"
    one.write_text(frame(standing))
    broken.write_text("{")
    np.savez(two, keypoints=np.stack([standing, standing + [50, 0, 0]]), id=[3, 2])
    again = tmp_path / "again.json"
    again.symlink_to(one)
    paths = (broken, one, two, again)
    stored = fit_to(tmp_path, checkpoint, *paths, "--skeleton", "BODY_25")
    assert "c.json: not JSON" in stored["passed_over"][0]
    to = ("--output", tmp_path / "none", "--checkpoint", checkpoint)
    assert "c.json: not JSON" in failing(capsys, "fit", *paths, *to, "--strict")
    assert "d.json: No such file" in failing(capsys, "fit", one, tmp_path / "d.json", *to)
    assert "no file of keypoints is given" in failing(capsys, "fit", *to)
    assert stored["poses"].shape == (3, 72)
    assert stored["frame_names"].tolist() == ["a5", "0", "1"]
    assert stored["frame"].tolist() == [5, 0, 1]
    assert stored["id"].tolist() == [-1, 3, 2]


def test_people_of_a_sequence_do_not_swap_rows(
    tmp_path: Path, standing: np.ndarray, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    for number in range(6):
        two = [standing + [4 * number, 0, 0], standing + [150 - 2 * number, 0, 0]]
        text = frame(*two[:: -1 if number % 2 else 1])
        (folder / f"walk_{number:03d}_keypoints.json").write_text(text)
    arguments = ("--checkpoint", checkpoint, "--no-pictures", "--output", tmp_path / "out")
    assert run("fit", folder, *arguments) == 0
    assert "2 people followed from frame to frame" in capsys.readouterr().err
    with np.load(tmp_path / "out" / "bodies.npz") as stored:
        assert stored["id"].tolist() == [0, 1] * 6
        assert stored["person"].tolist() == [0, 1, 1, 0] * 3
        places = stored["trans"][:, 0] * stored["scale"]
    np.testing.assert_allclose(np.diff(places[::2]), 4, atol=0.5)
    np.testing.assert_allclose(np.diff(places[1::2]), -2, atol=0.5)


def test_one_bad_frame_is_passed_over_or_stops(
    tmp_path: Path, frames: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (frames / "f2_keypoints.json").write_text('{"people": [')
    stored = fit_to(tmp_path, checkpoint, frames)
    assert stored["frame"].tolist() == [1, 1, 3]
    said = capsys.readouterr().err
    assert "passed over" in said and "f2_keypoints.json: not JSON" in said
    assert "1 item passed over" in said
    assert "f2_keypoints.json" in stored["passed_over"][0]
    to = ("--output", tmp_path / "strict", "--checkpoint", checkpoint)
    assert "f2_keypoints.json: not JSON" in failing(capsys, "fit", frames, *to, "--strict")
    assert not (tmp_path / "strict").exists()


def test_shares_of_an_image_need_its_size(
    tmp_path: Path, standing: np.ndarray, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "k.npz", keypoints=(standing / [300, 400, 1])[None], skeleton="BODY_25")
    to = ("--output", tmp_path / "out", "--checkpoint", checkpoint)
    assert "--image-size WIDTH HEIGHT" in failing(capsys, "fit", tmp_path / "k.npz", *to)
    photo = tmp_path / "any.png"
    Image.new("RGB", (300, 400)).save(photo)
    for how in (("--image-size", 300, 400), ("--images", photo)):
        stored = fit_to(tmp_path, checkpoint, tmp_path / "k.npz", *how)
        nose = skeletons.UNION_27.index("nose")
        np.testing.assert_allclose(stored["points"][0, nose], standing[0, :2], atol=0.1)


def test_names_of_ones_own(
    tmp_path: Path, standing: np.ndarray, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = [f"p{i}" for i in range(25)]
    np.savez(tmp_path / "k.npz", keypoints=standing[None], keypoint_names=theirs)
    to = ("--output", tmp_path / "out", "--checkpoint", checkpoint)
    assert "--names FILE.json" in failing(capsys, "fit", tmp_path / "k.npz", *to)
    table = tmp_path / "names.json"
    table.write_text(json.dumps(dict(zip(theirs, skeletons.BODY_25, strict=True))))
    stored = fit_to(tmp_path, checkpoint, tmp_path / "k.npz", "--names", table)
    known = np.isin(skeletons.UNION_27, skeletons.BODY_25)
    np.testing.assert_array_equal(stored["confidence"][0] > 0, known)
    table.write_text("[1]")
    words = ("fit", tmp_path / "k.npz", *to, "--names", table)
    assert "expected an object of names" in failing(capsys, *words)


def test_a_large_error_is_a_warning_that_names_the_likely_cause(
    standing: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    points = standing[None, :, :2].astype(np.float32)
    people = Detections(
        points,
        np.ones((1, 25)),
        skeletons.BODY_25B,
        "BODY_25B",
        "as stated",
        np.array([0]),
        np.array([0]),
        ("f",),
        (None,),
        (0,),
        np.array([-1]),
    )
    rest: Any = jnp.zeros((1, 1))
    box = np.ptp(points[0], 0).max()
    for error, said in ((0.01 * box, ""), (0.2 * box, "20 % of the keypoints' box")):
        fitted = Bodies(*[rest] * len(Bodies._fields))._replace(error=jnp.array([error]))
        bodies.warn(bodies.Fitted(fitted, people, np.array([False]), []), [people])
        found = capsys.readouterr().err
        assert said in found
        assert ("they look like BODY_25 (--skeleton)" in found) == bool(said)


def tracked(identity: list[int], frames: list[int], points: np.ndarray) -> Detections:
    """People of given ids in given frames, every other frame's number left out."""
    count = len(identity)
    return Detections(
        points=points.astype(np.float32),
        confidence=np.ones((count, 27), np.float32),
        names=skeletons.UNION_27,
        skeleton="UNION_27",
        evidence="",
        frame=np.array(frames),
        person=np.zeros(count, np.int64),
        frame_names=("a", "b", "c"),
        images=(None, None, None),
        numbers=(0, 2, 4),
        identity=np.array(identity),
        fps=25.0,
    )


@pytest.mark.parametrize(
    ("identity", "frames", "expected"),
    [
        ([7, 3, 7, 3, -1, 7], [0, 0, 1, 2, 2, 2], [[1, 3], [0, 2, 5]]),
        ([-1, -1, -1], [0, 1, 2], [[0, 1, 2]]),  # one person in every frame
        ([-1, -1, -1], [0, 1, 1], []),
        ([4, 4, 4], [0, 1, 1], []),  # twice in one frame: not one person
    ],
)
def test_who_is_followed(identity: list[int], frames: list[int], expected: list[list[int]]) -> None:
    people = tracked(identity, frames, np.zeros((len(identity), 27, 2)))
    assert [rows.tolist() for rows in bodies.tracks(people)] == expected


def test_smooth_says_what_it_needs(
    tmp_path: Path, frames: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["fit", frames, "--output", tmp_path / "out", "--no-pictures", "--smooth", 1]
    assert run(*arguments, "--checkpoint", checkpoint) != 0
    assert "--smooth needs a checkpoint such as released" in capsys.readouterr().err


@pytest.mark.slow
def test_each_track_is_one_body(body: smpl.BodyModel, joint_model: joints.JointModel) -> None:
    points = np.random.default_rng(0).uniform(100, 400, (6, 27, 2))
    people = tracked([7, 3, 7, 3, -1, 7], [0, 0, 1, 2, 2, 2], points)
    sure = dataclasses.replace(tiny.CONFIGURATION, second_order_steps=1)
    task = lgd_build.problem(sure, joint_model)
    trained = lgd_checkpoints.Checkpoint(
        sure, lgd_build.initial_weights(sure, task, jax.random.key(0))
    )
    unknown = lenses.Lenses(np.zeros(6, bool), np.ones(6), np.zeros((6, 2)))
    found = bodies.fit_motions(trained, body, people, unknown, 1.0)
    rows = np.array([0, 2, 5])
    times = np.array([0, 2, 4]) / 25
    alone = motion.fit(trained, joint_model, people.points[rows], np.ones((3, 27)), times)
    np.testing.assert_allclose(found.joints[rows], alone.joints, atol=1e-5)
    assert (found.betas[1] == found.betas[3]).all()
    assert (found.betas[1] != found.betas[0]).any()
    single = fitting.fit(trained, joint_model, people.points[4:5], np.ones((1, 27)))
    np.testing.assert_allclose(found.joints[4], single.joints[0], atol=1e-4)
