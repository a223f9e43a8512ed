"""Everybody in a video, followed from frame to frame: the first stage of `ief-jax body clip.mp4`.

Frames pass one at a time; what is kept of each is its people's numbers.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ief_jax.cli import finding
from ief_jax.cli.shared import counted, say
from ief_jax.formats import detections, frame_store, keypoints, videos
from ief_jax.formats.detections import Detections
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.tracking import Bridged

PART = 200
"""Frames whose people are written to one file."""
LEAST_SECONDS = 0.3
"""People who are seen for a shorter time than this are taken for mistakes."""
UNSURE = 0.1
"""Confidence of keypoints that are put in between, of those before and after."""


class Finder(NamedTuple):
    """What finds the people of a frame.

    Attributes:
      find: a frame, RGB, to the people's keypoints [P, K, 2] pixels and confidence [P, K].
      names: of the K keypoints.
      about: how it finds them, in plain values: found again by another, a video begins anew.
    """

    find: "Callable[[Image], tuple[np.ndarray, np.ndarray]]"
    names: tuple[str, ...]
    about: Mapping[str, Any]


class Clip(NamedTuple):
    """Everybody in a video.

    Attributes:
      video: what it says of itself.
      times: [F] of its frames, seconds.
      found: the people in the finder's keypoints, with their numbers, by frame and number.
      people: the same and where they were not seen for a moment, in UNION_27.
      interpolated: [N] whether the row of `people` was put in.
    """

    video: videos.Video
    times: np.ndarray
    found: Detections
    people: Detections
    interpolated: np.ndarray


def finder(checkpoint: str) -> Finder:
    """Everybody whom the detector finds, with the keypoints of the network of this name."""
    from ief_jax.ief import checkpoints, people, person_detector

    network = checkpoints.load(checkpoint)
    detector = person_detector.load()
    names = network.configuration.joints

    def find(image: "Image") -> tuple[np.ndarray, np.ndarray]:
        found = people.estimate_people(network, detector, image)
        points, sure = finding.stacked(found.estimates, names)
        confidence = np.ones(points.shape[:-1]) if sure is None else sure
        return points, np.clip(confidence, keypoints.LEAST, 1)

    return Finder(find, tuple(names), {"network": checkpoint})


def read(path: Path, finder: Finder, output: Path, faith: float = UNSURE) -> Clip:
    """The people of a video, followed from frame to frame.

    Args:
      path: the video.
      finder: of people and their keypoints.
      output: folder; its sub-folder `found` keeps what is found, for a run that is taken up again.
      faith: confidence where people are not seen for a moment, of that before and after.

    Raises:
      InputError: it is no video, or nobody is found for long enough; the message names the file.
    """
    video = videos.describe(path)
    total = None if video.seconds is None else round(video.seconds * video.fps)
    size = path.stat()
    about = {
        "video": path.name,
        "bytes": size.st_size,
        "modified": size.st_mtime,
        "keypoints": list(finder.names),
        **finder.about,
    }
    folder = output / "found"
    parts = frame_store.resume(folder, about)
    first = sum(len(part.times) for part in parts)
    if first:
        say(f"{path}: {counted(first, 'frame', 'frames')} of an earlier run taken from {folder}")
    with tqdm(total=total, initial=first, desc="people", unit="frame") as bar:
        for part in _parts(path, first, finder, bar):
            frame_store.keep(folder, part)
            parts.append(part)
    found, times = frame_store.joined(parts, finder.names, path.stem, video.fps)
    return follow(path, video, found, times, faith)


def follow(
    path: Path, video: videos.Video, found: Detections, times: np.ndarray, faith: float
) -> Clip:
    """Gives people their numbers, leaves out whom nobody would follow, and bridges gaps.

    Raises:
      InputError: nobody is left.
    """
    from ief_jax import tracking  # SciPy is slow to import

    sure = found._replace(confidence=finding.trusted(found.confidence))
    kept, unusable = detections.usable(detections.to_union(sure))
    followed = tracking.follow(kept, times)
    least = max(2, round(LEAST_SECONDS * video.fps))
    # Of a short video, whoever is in half of it.
    followed, ghosts = tracking.without_ghosts(followed, min(least, -(-len(times) // 2)))
    if unusable:
        say(
            f"{path}: {counted(len(unusable), 'person', 'people')} of single frames left out: "
            f"{unusable[0].reason}, ..."
        )
    if ghosts:
        say(f"{path}: {counted(ghosts, 'track', 'tracks')} shorter than {LEAST_SECONDS} s left out")
    followed = _renumbered(followed)
    if not len(followed.points):
        raise InputError(
            f"{path}: nobody found for {LEAST_SECONDS} s or longer in "
            f"{counted(len(times), 'frame', 'frames')}"
        )
    bridged = tracking.bridge(followed, times, faith=faith)
    _say_tracks(path, bridged, times)
    return Clip(video, times, _with_numbers(found, followed), *bridged)


def whole(path: Path) -> Iterator[videos.Frame]:
    """All frames that there are; that there should be more was said when people were looked for."""
    with contextlib.suppress(videos.EndsEarlyError):
        yield from videos.frames(path)


def rows_of_frames(found: Detections, frames: int) -> Iterator[tuple[int, np.ndarray]]:
    """Each frame and its rows, which are in the order of the frames."""
    ends = np.searchsorted(found.frame, np.arange(frames + 1))
    for frame in range(frames):
        yield frame, np.arange(ends[frame], ends[frame + 1])


def _from(path: Path, first: int) -> Iterator[videos.Frame]:
    """The frames from `first` on; that there should be more is said."""
    try:
        yield from videos.frames(path, first)
    except videos.EndsEarlyError as error:
        say(f"warning: {error}")


def _parts(path: Path, first: int, finder: Finder, bar: "tqdm[Any]") -> Iterator[frame_store.Part]:
    """What is found in the frames from `first` on, some hundred frames at a time."""
    times: list[float] = []
    people: list[tuple[int, np.ndarray, np.ndarray]] = []

    def part() -> frame_store.Part:
        count = len(finder.names)
        points = [points for _, points, _ in people]
        confidence = [confidence for _, _, confidence in people]
        return frame_store.Part(
            first,
            np.array(times),
            np.repeat([number for number, _, _ in people], [len(one) for one in points]),
            np.concatenate([np.zeros((0, count, 2)), *points]).astype(np.float32),
            np.concatenate([np.zeros((0, count)), *confidence]).astype(np.float32),
        )

    for frame in _from(path, first):
        times.append(frame.time)
        people.append((frame.number, *finder.find(frame.image)))
        bar.update()
        if len(times) == PART:
            yield part()
            first += len(times)
            times, people = [], []
    if times:
        yield part()


def _renumbered(found: Detections) -> Detections:
    """With the numbers 0, 1, ... in the order in which people come."""
    numbers = dict.fromkeys(found.identity.tolist())
    new = {number: index for index, number in enumerate(numbers)}
    identity = np.array([new[number] for number in found.identity.tolist()], np.int64)
    order = np.lexsort((np.arange(len(identity)), identity, found.frame))
    return detections.take(found._replace(identity=identity), order)


def _with_numbers(found: Detections, followed: Detections) -> Detections:
    """The people of `found` who have numbers in `followed`, in its order."""
    place = {
        pair: row
        for row, pair in enumerate(zip(found.frame.tolist(), found.person.tolist(), strict=True))
    }
    pairs = zip(followed.frame.tolist(), followed.person.tolist(), strict=True)
    rows = np.array([place[pair] for pair in pairs], np.int64)
    return detections.take(found, rows)._replace(identity=followed.identity)


def _say_tracks(path: Path, bridged: "Bridged", times: np.ndarray) -> None:
    found = bridged.found
    for number in np.unique(found.identity):
        rows = np.flatnonzero(found.identity == number)
        start, end = times[found.frame[rows[[0, -1]]]]
        put_in = int(bridged.interpolated[rows].sum())
        seen = counted(len(rows) - put_in, "frame", "frames")
        gaps = f", {put_in} bridged" if put_in else ""
        say(f"{path}: person {number} from {start:.2f} to {end:.2f} s, {seen}{gaps}")
