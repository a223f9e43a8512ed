"""Videos that the test writes with PyAV, read back; and what is no video, or not a whole one."""

import itertools
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from ief_jax.formats import videos
from ief_jax.io.files import InputError, OutputError

SIZE = (64, 48)
RATE = 25
CODECS = {
    **{"mp4": "libx264", "mov": "libx264", "avi": "mpeg4", "webm": "libvpx", "mts": "libx264"},
    **{"wmv": "wmv2", "flv": "flv", "3gp": "mpeg4"},
}


def painted(number: int) -> np.ndarray:
    """A frame [48, 64, 3] as bright as its number says, red in its upper left quarter."""
    frame = np.full((SIZE[1], SIZE[0], 3), 20 * (number % 8) + 40, np.uint8)
    frame[:24, :32] = (220, 30, 30)
    return frame


def store(path: Path, numbers: range, shape: Fraction | None = None) -> Path:
    """A video of the frames of these numbers, each at the time number / RATE."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        if shape is not None:
            stream.codec_context.sample_aspect_ratio = shape
        for number in numbers:
            frame = av.VideoFrame.from_ndarray(painted(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def brightness(frame: videos.Frame) -> float:
    return float(np.asarray(frame.image)[30:, 40:].mean())


def is_red(image: Image.Image, corner: str) -> bool:
    pixels = np.asarray(image).astype(int)
    rows = slice(4, 10) if "upper" in corner else slice(-10, -4)
    columns = slice(4, 10) if "left" in corner else slice(-10, -4)
    red, green, _ = pixels[rows, columns].mean((0, 1))
    return bool(red > green + 100)


@pytest.mark.parametrize("ending", CODECS)
def test_frames_come_in_order_with_their_times(tmp_path: Path, ending: str) -> None:
    path = store(tmp_path / f"clip.{ending}", range(8))
    assert videos.is_video(path)
    about = videos.describe(path)
    assert about.size == SIZE
    assert about.fps == pytest.approx(RATE, rel=0.01)
    found = list(videos.frames(path))
    assert [frame.number for frame in found] == list(range(8))
    np.testing.assert_allclose([frame.time for frame in found], np.arange(8) / RATE, atol=2e-3)
    np.testing.assert_allclose(
        [brightness(frame) for frame in found], 20 * np.arange(8) + 40, atol=6
    )


def test_time_stamps_count_and_not_the_rate(tmp_path: Path) -> None:
    path = store(tmp_path / "clip.mp4", range(5, 40, 7))
    times = [frame.time for frame in videos.frames(path)]
    np.testing.assert_allclose(times, np.arange(0, 35, 7) / RATE, atol=1e-3)


def test_from_a_frame_on(tmp_path: Path) -> None:
    path = store(tmp_path / "clip.mp4", range(8))
    found = list(videos.frames(path, 6))
    assert [frame.number for frame in found] == [6, 7]
    np.testing.assert_allclose([brightness(frame) for frame in found], [160, 180], atol=6)
    assert not list(videos.frames(path, 8))


def turned(path: Path, matrix: tuple[float, float, float, float]) -> Path:
    """The .mp4 with this display matrix a, b, c, d in its track's header (ISO 14496-12, tkhd)."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (int(value * 65536).to_bytes(4, "big", signed=True) for value in matrix)
    zero, one = bytes(4), (1 << 30).to_bytes(4, "big")
    # Behind the name: version and flags 4, times and track 20, reserved 8, layer to volume 8.
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = b"".join((a, b, zero, c, d, zero, zero, zero, one))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((0, 1, -1, 0), "upper right"),  # x' = -y, y' = x: a quarter clockwise
        ((-1, 0, 0, -1), "lower right"),
        ((0, -1, 1, 0), "lower left"),
    ],
)
def test_a_telephone_held_upright(
    tmp_path: Path, matrix: tuple[float, float, float, float], corner: str
) -> None:
    path = turned(store(tmp_path / "clip.mp4", range(2)), matrix)
    frame = next(videos.frames(path))
    assert frame.image.size == (SIZE if matrix[0] else SIZE[::-1])
    assert frame.image.size == videos.describe(path).size
    corners = [f"{y} {x}" for y, x in itertools.product(("upper", "lower"), ("left", "right"))]
    assert [one for one in corners if is_red(frame.image, one)] == [corner]


def test_pixels_become_square(tmp_path: Path) -> None:
    path = store(tmp_path / "clip.mp4", range(2), shape=Fraction(4, 3))
    assert next(videos.frames(path)).image.size == (85, 48)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with videos.writing(path, (63, 47), 12.5) as write:
        for number in range(4):
            write(Image.fromarray(painted(number)[:47, :63]), number / 12.5)
        assert not path.exists()
    assert list(tmp_path.iterdir()) == [path]
    found = list(videos.frames(path))
    np.testing.assert_allclose([frame.time for frame in found], np.arange(4) / 12.5, atol=1e-3)
    np.testing.assert_allclose([brightness(f) for f in found], 20 * np.arange(4) + 40, atol=6)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (64, 48)


def test_nothing_is_left_of_a_video_that_failed(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyError),
        videos.writing(tmp_path / "out.mp4", SIZE, 25) as write,
    ):
        write(Image.fromarray(painted(0)), 0.0)
        raise KeyError
    assert not list(tmp_path.iterdir())
    with (
        pytest.raises(OutputError, match=r"cannot write .*none/out\.mp4"),
        videos.writing(tmp_path / "none" / "out.mp4", SIZE, 25),
    ):
        pass


def test_a_video_that_was_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    path = store(tmp_path / "clip.mp4", range(200))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    found: list[videos.Frame] = []
    with pytest.raises(videos.EndsEarlyError, match=r"clip\.mp4: ends after \d+ frames.* 8\.0 s"):
        found.extend(videos.frames(path))  # extend takes what comes before the error
    assert len(found) > 20
    assert videos.describe(path).size == SIZE


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = store(tmp_path / "clip.mp4", range(100))
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    data[at : at + 40] = bytes(40)
    path.write_bytes(data)
    times = [frame.time for frame in videos.frames(path)]
    assert len(times) > 80
    assert times[-1] == pytest.approx(99 / RATE, abs=0.1)


def sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_what_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with pytest.raises(InputError, match=r"cannot read .*clip\.mp4: no such file"):
        videos.describe(path)
    path.write_bytes(b"no video at all" * 100)
    with pytest.raises(InputError, match=r"clip\.mp4: not a video that can be read"):
        videos.describe(path)
    whole = store(tmp_path / "whole.mp4", range(20)).read_bytes()
    path.write_bytes(whole[:300])
    with pytest.raises(InputError, match=r"clip\.mp4: .*is it all there\?"):
        list(videos.frames(path))
    sound(path)
    with pytest.raises(InputError, match=r"clip\.mp4: has no video stream"):
        videos.describe(path)
    store(tmp_path / "none.avi", range(0))
    with pytest.raises(InputError, match=r"none\.avi: "):
        videos.describe(tmp_path / "none.avi")


def test_a_recording_ends_when_time_is_up(tmp_path: Path) -> None:
    videos.record(store(tmp_path / "long.mp4", range(20)), tmp_path / "short.mp4", seconds=0.3)
    times = [frame.time for frame in videos.frames(tmp_path / "short.mp4")]
    np.testing.assert_allclose(times, np.arange(8) / RATE, atol=1e-3)


def test_what_a_webcam_sees_is_recorded_until_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # FFmpeg's picture generator, an input device without end, in the place of the camera's driver.
    device = ("lavfi", "testsrc2=size=64x48:rate=10,null[out{}]")
    monkeypatch.setattr(videos, "_WEBCAMS", {sys.platform: device})
    assert videos.describe(0)[:3] == ("webcam 0", (64, 48), 10)
    upright, shown = videos._upright, []

    def until_the_seventh(*frame: Any) -> Image.Image:
        shown.append(upright(*frame))
        if len(shown) == 7:
            raise KeyboardInterrupt
        return shown[-1]

    monkeypatch.setattr(videos, "_upright", until_the_seventh)
    videos.record(0, tmp_path / "seen.mp4")
    monkeypatch.undo()
    found = list(videos.frames(tmp_path / "seen.mp4"))
    np.testing.assert_allclose([frame.time for frame in found], np.arange(6) / 10, atol=1e-3)
    for frame, image in zip(found, shown, strict=False):
        means = (float(np.asarray(picture).mean()) for picture in (frame.image, image))
        assert abs(next(means) - next(means)) < 3


def test_a_webcam_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"webcam 47: (no webcam that can be read|webcams are)"):
        videos.describe(47)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        InputError, match=r"videos need the package PyAV: pip install 'ief_jax\[vid"
    ):
        videos.describe(tmp_path / "clip.mp4")
