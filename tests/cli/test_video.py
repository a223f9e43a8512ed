"""The stages from a video to bodies, with people whose keypoints and bodies are known."""

import json
from fractions import Fraction
from pathlib import Path

import av
import jax.numpy as jnp
import numpy as np
import pygltflib
import pytest
from PIL import Image

from ief_jax import cli
from ief_jax.body import smpl
from ief_jax.cli import video_bodies, video_files, video_overlay, video_people
from ief_jax.formats import detection_files, photographs, videos
from ief_jax.geometry import skeletons
from ief_jax.geometry.camera import Intrinsics
from ief_jax.io.files import InputError
from ief_jax.lgd.fitting import Bodies

SIZE = (160, 120)
RATE = 20
FRAMES = 16
UNSEEN = {(0, 6), (0, 7)}
"""(person, frame) where nobody is found who is there."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames as bright as their numbers."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with videos.writing(path, SIZE, RATE) as write:
        for number in range(FRAMES):
            write(Image.new("L", SIZE, 15 * number + 8), number / RATE)
    return path


def keypoints(person: int, number: int) -> np.ndarray:
    """[27, 2] of somebody 60 pixels high, the first to the left, who both walk right."""
    places = np.random.default_rng(person).uniform(-1, 1, (27, 2)) * [10, 30]
    return places + [40 + 70 * person + number, 60]


class Finder:
    """Finds the two by how bright a frame is, the second first in every other frame."""

    def __init__(self, stop: int = FRAMES) -> None:
        self.seen: list[int] = []
        self.stop = stop

    def __call__(self, image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
        number = round((float(np.asarray(image).mean()) - 8) / 15)
        if number == self.stop:
            raise KeyboardInterrupt
        self.seen.append(number)
        there = [person for person in (0, 1) if (person, number) not in UNSEEN]
        found = [keypoints(person, number) for person in there][:: 1 if number % 2 else -1]
        if number == 0:  # a ghost
            found.insert(0, found[0] + [60, 55])
        return np.array(found), np.full((len(found), 27), 0.9)


def finder(find: Finder) -> video_people.Finder:
    return video_people.Finder(find, skeletons.UNION_27, {"network": "known"})


def fit_track(
    points: np.ndarray, confidence: np.ndarray, times: np.ndarray, lens: Intrinsics
) -> Bodies:
    """A body at rest where the keypoints are, larger the later; nothing of it is estimated."""
    count = len(points)
    middle = jnp.asarray(points.mean(1), jnp.float32)
    zeros = jnp.zeros((count, 24, 3))
    return Bodies(
        poses=zeros.reshape(count, 72),
        betas=jnp.broadcast_to(jnp.asarray(times, jnp.float32)[:, None], (count, 10)),
        scale=jnp.full(count, 30.0),
        translation=middle,
        inverse_focal=lens.inverse_focal,
        principal=lens.centre,
        joints=zeros,
        keypoints=jnp.zeros((count, 27, 2)),
        error=jnp.zeros(count),
    )


def run(clip: Path, output: Path, find: Finder, body: smpl.BodyModel) -> video_people.Clip:
    output.mkdir(exist_ok=True)
    found = video_people.read(clip, finder(find), output)
    seen = video_bodies.lens(found, None)
    tracks = video_bodies.fit(found, seen, fit_track)
    video_files.write(output, found, tracks, body, "neutral")
    video_overlay.draw(clip, output, found, tracks, seen, body)
    return found


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, clip: Path, body: smpl.BodyModel) -> Path:
    output = tmp_path_factory.mktemp("out")
    run(clip, output, Finder(), body)
    return output


def test_a_file_of_each_kind(output: Path) -> None:
    assert sorted(path.name for path in output.iterdir()) == [
        "bodies.npz",
        "found",
        "keypoints",
        "overlay.mp4",
        "people.glb",
        *(f"person_{n}.{kind}" for n in (0, 1) for kind in ("bvh", "npz")),
    ]
    document = pygltflib.GLTF2().load(str(output / "people.glb"))
    nodes = [document.nodes[node].name for node in document.scenes[0].nodes]
    assert nodes == ["person_0", "person_1"]


@pytest.mark.parametrize("person", [0, 1])
def test_a_motion_a_person(output: Path, person: int) -> None:
    # People come in the order of the first frame, in which the second is found first.
    who = 1 - person
    with np.load(output / f"person_{person}.npz") as file:
        assert file["frame"].tolist() == list(range(FRAMES))
        np.testing.assert_allclose(file["times"], np.arange(FRAMES) / RATE, atol=1e-3)
        assert float(file["mocap_frame_rate"]) == pytest.approx(RATE)
        bridged = [n for n in range(FRAMES) if (who, n) in UNSEEN]
        assert np.flatnonzero(file["interpolated"]).tolist() == bridged
        expected = [keypoints(who, number) for number in range(FRAMES)]
        np.testing.assert_allclose(file["points"], expected, atol=1e-3)
        # One shape: the mean of what is seen.
        seen = [n / RATE for n in range(FRAMES) if (who, n) not in UNSEEN]
        np.testing.assert_allclose(file["betas"], np.mean(seen), atol=1e-3)
        # 30 pixels a metre at a focal length of 200 pixels are 6.67 m; z is up, y away.
        np.testing.assert_allclose(file["trans"][:, 1], 200 / 30, rtol=0.05)


def test_bodies_of_everybody(output: Path) -> None:
    with np.load(output / "bodies.npz") as file:
        assert file["frame"].tolist() == np.repeat(np.arange(FRAMES), 2).tolist()
        assert file["id"].tolist() == [0, 1] * FRAMES
        # 30 pixels a metre, at the middle of each one's keypoints
        seen = file["principal"] + file["focal"][:, None] * file["trans"][:, :2] * [1, -1] / (
            -file["trans"][:, 2:]
        )
        np.testing.assert_allclose(seen, file["points"].mean(1), atol=1e-2)


def test_keypoints_of_every_frame(output: Path) -> None:
    found = detection_files.read(output / "keypoints")
    assert len(found.frame_names) == FRAMES
    for path in (output / "keypoints").iterdir():
        assert json.loads(path.read_text())["image"] == "clip.mp4", "and not where that is"
    for number in range(FRAMES):
        rows = np.flatnonzero(found.frame == number)
        people = [1 - person for person in (0, 1) if (1 - person, number) not in UNSEEN]
        assert found.identity[rows].tolist() == [1 - person for person in people]
        expected = [keypoints(person, number) for person in people]
        np.testing.assert_allclose(found.points[rows], expected, atol=2e-3)


def test_the_overlay_shows_them(output: Path) -> None:
    frames = list(videos.frames(output / "overlay.mp4"))
    assert len(frames) == FRAMES
    np.testing.assert_allclose([f.time for f in frames], np.arange(FRAMES) / RATE, atol=1e-3)
    # Person 1, yellow, is the one to the left, also where nobody was found.
    for frame in (frames[2], frames[6]):
        red, _, blue = np.moveaxis(np.asarray(frame.image).astype(int)[:, :160], -1, 0)
        yellow = np.nonzero(red - blue > 25)[1]
        assert 30 < np.median(yellow) < 60
        assert (blue - red)[:, 80:].max() > 12


def test_a_run_is_taken_up_where_it_was_stopped(
    tmp_path: Path, clip: Path, body: smpl.BodyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_people, "PART", 5)
    with pytest.raises(KeyboardInterrupt):
        video_people.read(clip, finder(Finder(stop=12)), tmp_path)
    again, whole = Finder(), Finder()
    found = video_people.read(clip, finder(again), tmp_path)
    assert again.seen == list(range(10, FRAMES))
    expected = video_people.read(clip, finder(whole), tmp_path / "other")
    np.testing.assert_array_equal(found.people.points, expected.people.points)
    np.testing.assert_array_equal(found.people.identity, expected.people.identity)
    once_more = Finder()
    video_people.read(clip, finder(once_more), tmp_path)
    assert once_more.seen == []


def test_nobody(tmp_path: Path, clip: Path) -> None:
    def nobody(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((0, 27, 2)), np.zeros((0, 27))

    with pytest.raises(InputError, match=r"clip\.mp4: nobody found for 0\.3 s or longer in 16 fr"):
        video_people.read(clip, video_people.Finder(nobody, skeletons.UNION_27, {}), tmp_path)


def test_a_video_that_was_cut_off(
    tmp_path: Path, clip: Path, body: smpl.BodyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"g": "5"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for frame in videos.frames(clip):
            again = av.VideoFrame.from_image(frame.image)
            again.pts, again.time_base = frame.number, Fraction(1, RATE)
            container.mux(stream.encode(again))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:-300])
    found = run(path, tmp_path / "out", Finder(), body)
    assert 4 < len(found.times) < FRAMES
    assert capsys.readouterr().err.count("warning") == 1
    assert len(list(videos.frames(tmp_path / "out" / "overlay.mp4"))) == len(found.times)


@pytest.mark.slow
def test_the_released_networks_on_a_person_who_glides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    photograph = photographs.read("docs/example/photo.jpg")
    path, size = tmp_path / "clip.mp4", (photograph.width - 60, photograph.height)
    with videos.writing(path, size, 10) as write:
        for number in range(6):
            write(
                photograph.crop((60 - 10 * number, 0, 60 - 10 * number + size[0], size[1])),
                number / 10,
            )
    assert cli.main(["body", str(path), "--output", str(tmp_path / "out"), "--no-pictures"]) == 0
    assert [one.name for one in (tmp_path / "out").glob("*.npz")].count("person_0.npz") == 1
    with np.load(tmp_path / "out" / "person_0.npz") as file:
        assert file["frame"].tolist() == list(range(6))
        moved = np.diff(file["points"][..., 0].mean(1))
        np.testing.assert_allclose(moved, 10, atol=4)
        # Each step is as far as the one before: the way is smooth, and so is the pose.
        way = np.diff(file["trans"], axis=0)
        assert np.abs(way - way.mean(0)).max() < 0.02
        assert np.abs(np.diff(file["poses"][:, 3:66], axis=0)).max() < 0.1
        assert file["joint_deviation"].shape == (6, 24, 2)
