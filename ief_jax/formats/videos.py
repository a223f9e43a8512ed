"""Videos: frames in, upright and with their times, one after the other; H.264 out.

Read and written with PyAV, which carries FFmpeg: `pip install 'ief_jax[video]'`.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from ief_jax.io.files import InputError, OutputError, replacing

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("mp4", "m4v", "mov", "qt", "avi", "divx", "webm", "mkv", "mpg", "mpeg", "m2v", "vob"),
        *("ts", "mts", "m2ts", "3gp", "3g2", "wmv", "asf", "flv", "f4v", "ogv", "mxf"),
    )
)
"""Endings of the files that are taken for videos."""
EXTRA = "pip install 'ief_jax[video]'"

_WEBCAMS = {"linux": ("video4linux2,v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}
"""What FFmpeg calls the system's cameras, and one of them by its index."""
_USUAL_RATE = 30.0
_COMPLETE = 0.95
"""Of the time that a file says it lasts: one whose frames end before that was cut off."""
_TICKS = 90_000
"""Of a second, for the times of frames that are written."""
_QUALITY = {"crf": "21", "preset": "veryfast"}


class Video(NamedTuple):
    """What a video says of itself.

    Attributes:
      name: of the file, or "webcam 0".
      size: width and height of its frames held upright, pixels.
      fps: frames per second, in the mean.
      seconds: how long it lasts; None where it does not say.
    """

    name: str
    size: tuple[int, int]
    fps: float
    seconds: float | None


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
      number: counted from 0.
      time: seconds from the first frame, by the video's own time stamps.
      image: RGB, upright, with square pixels.
    """

    number: int
    time: float
    image: Image.Image


class EndsEarlyError(InputError):
    """A video has frames, but not all that it should have."""


def is_video(path: str | os.PathLike[str]) -> bool:
    """Does the file's name end as a video's does?"""
    return Path(path).suffix.lower() in SUFFIXES


def describe(source: str | os.PathLike[str] | int) -> Video:
    """What a video is, from its head and its first frame.

    Args:
      source: a file, or the index of a webcam.

    Raises:
      InputError: there is no such file or webcam, it is no video, or has no frame that can be
        decoded; or PyAV is not installed. The message names the file.
    """
    with contextlib.closing(frames(source)) as all_frames:
        try:
            first = next(all_frames)
        except EndsEarlyError as error:
            raise InputError(str(error)) from error
    with _opened(source) as (container, name):
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate else _USUAL_RATE
        return Video(name, first.image.size, fps, _declared(container, stream))


def frames(source: str | os.PathLike[str] | int, first: int = 0) -> Generator[Frame, None, None]:
    """The frames of a video, of which one is in memory at a time.

    Packets that cannot be decoded are passed over; the times of the other frames stay right.

    Args:
      source: a file, or the index of a webcam, whose frames do not end.
      first: number of the first frame that is wanted.

    Raises:
      InputError: as `describe`.
      EndsEarlyError: behind the last frame, if there should be more: the file was cut off.
    """
    av = _av()
    with _opened(source) as (container, name):
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "AUTO"
        shape = float(stream.sample_aspect_ratio or 1)
        period = 1 / float(stream.average_rate or _USUAL_RATE)
        number, time, start = 0, 0.0, None
        damaged = 0
        packets = iter(container.demux(stream))
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                decoded = packet.decode()
            except av.error.FFmpegError:
                damaged += 1
                if damaged > 100 and number == 0:
                    break  # nothing of it is a video
                continue
            for frame in decoded:
                stamp = number * period if frame.time is None else float(frame.time)
                start = stamp if start is None else start
                # Where time stamps stand still or run back, one frame's time has passed.
                time = stamp - start if number == 0 or stamp - start > time else time + period
                if number >= first:
                    yield Frame(number, time, _upright(frame, shape))
                number += 1
        if number == 0:
            raise InputError(f"{name}: has no frame that can be decoded; is it all there?")
        declared = _declared(container, stream)
        if declared is not None and time + 2 * period < _COMPLETE * declared:
            raise EndsEarlyError(
                f"{name}: ends after {number} frames, {time + period:.1f} s, and says that it "
                f"lasts {declared:.1f} s; is it all there?"
            )


@contextlib.contextmanager
def writing(
    path: str | os.PathLike[str], size: tuple[int, int], fps: float
) -> Iterator[Callable[[Image.Image, float], None]]:
    """What writes one frame after the other, `write(image, time)`, of an H.264 video (.mp4).

    The file is whole or not at all: it gets its name when the block ends. Sides of an odd number
    of pixels get one more, as H.264 wants it.

    Args:
      path: ends in .mp4.
      size: width and height of the images, pixels.
      fps: frames per second, in the mean; when a frame is shown is its own time, seconds.

    Raises:
      OutputError: the file cannot be written.
      InputError: PyAV is not installed.
      ValueError: an image of another size.
    """
    av = _av()
    width, height = (side + side % 2 for side in size)
    rate = Fraction(fps).limit_denominator(1001)
    with replacing(path) as file:
        try:
            with av.open(file, "w", format="mp4") as container:
                stream = container.add_stream("libx264", rate=rate, options=dict(_QUALITY))
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.codec_context.time_base = Fraction(1, _TICKS)
                last = -1

                def write(image: Image.Image, time: float) -> None:
                    nonlocal last
                    if image.size != size:
                        raise ValueError(f"image: expected {size} pixels, got {image.size}")
                    sides = ((0, height - size[1]), (0, width - size[0]), (0, 0))
                    pixels = np.pad(np.asarray(image.convert("RGB")), sides, "edge")
                    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                    last = max(round(time * _TICKS), last + 1)
                    frame.pts, frame.time_base = last, Fraction(1, _TICKS)
                    container.mux(stream.encode(frame))

                yield write
                container.mux(stream.encode(None))
        except av.error.FFmpegError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def record(
    source: str | os.PathLike[str] | int, path: str | os.PathLike[str], seconds: float | None = None
) -> None:
    """Writes what a webcam sees to a file, until time is up or Ctrl-C is pressed.

    Args:
      source: the index of a webcam; or a file.
      path: ends in .mp4.
      seconds: how long; None for until Ctrl-C.

    Raises:
      InputError: as `describe`.
      OutputError: the file cannot be written.
    """
    with contextlib.closing(frames(source)) as seen:
        first = next(seen)
        with writing(path, first.image.size, _USUAL_RATE) as write:
            write(first.image, first.time)
            # Ctrl-C ends the recording, and what was recorded stays.
            with contextlib.suppress(KeyboardInterrupt):
                for frame in seen:
                    if seconds is not None and frame.time >= seconds:
                        break
                    write(frame.image, frame.time)


def _av() -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise InputError(f"videos need the package PyAV: {EXTRA}") from error
    return av


@contextlib.contextmanager
def _opened(
    source: str | os.PathLike[str] | int,
) -> Iterator[tuple["InputContainer", str]]:
    """A container with a video stream, and what to call it in messages."""
    av = _av()
    form, options = None, dict[str, str]()
    if isinstance(source, int):
        if sys.platform not in _WEBCAMS:
            raise InputError(f"webcam {source}: webcams are read on Linux and macOS only")
        form, pattern = _WEBCAMS[sys.platform]
        name, place = f"webcam {source}", pattern.format(source)
        if sys.platform == "darwin":
            options = {"framerate": "30"}
    else:
        name = place = str(source)
        if not Path(source).is_file():
            raise InputError(f"cannot read {name}: no such file")
    try:
        container = av.open(place, format=form, options=options)
    except av.error.FFmpegError as error:
        why = error.strerror or error
        if isinstance(source, int):
            raise InputError(f"{name}: no webcam that can be read ({why})") from error
        raise InputError(f"{name}: not a video that can be read ({why}); is it all there?") from (
            error
        )
    with container:
        if not container.streams.video:
            raise InputError(f"{name}: has no video stream; is it all there?")
        yield container, name


def _declared(container: "InputContainer", stream: Any) -> float | None:
    """How long the video lasts as the file has it, seconds."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # Of the whole file, in which another stream may be longer.
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / 1_000_000
    return None


def _upright(frame: "av.VideoFrame", shape: float) -> Image.Image:
    """The frame as it is to be shown: turned as the file says, its pixels made square.

    Args:
      frame: as it is stored.
      shape: width of a stored pixel over its height.
    """
    width = max(1, round(frame.width * shape))
    image: Image.Image = frame.to_image()
    if width != frame.width:
        image = image.resize((width, frame.height), Image.Resampling.BICUBIC)
    quarter = round(frame.rotation / 90) % 4
    # Counter-clockwise, both FFmpeg's angle and Pillow's.
    turns = (
        None,
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_180,
        Image.Transpose.ROTATE_270,
    )
    turn = turns[quarter]
    return image if turn is None else image.transpose(turn)
