"""People of a video from its frames to bodies that move: the stages of `ief-jax body clip.mp4`.

    frames -> people's keypoints, kept part by part -> tracks, gaps bridged -> bodies of each track
           -> npz, BVH, glTF, OpenPose's JSON -> frames again, with the bodies drawn over them

Frames pass one at a time; what is kept of each is its people's numbers.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ief_jax.cli import bodies, body_files, finding
from ief_jax.cli.shared import counted, say
from ief_jax.formats import detections, frame_store, videos
from ief_jax.formats import keypoints as formats_keypoints
from ief_jax.formats.detections import Detections
from ief_jax.io import files
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.body.motion import Motion
    from ief_jax.body.smpl import BodyModel
    from ief_jax.geometry.camera import Intrinsics
    from ief_jax.lgd.checkpoints import Checkpoint
    from ief_jax.lgd.fitting import Bodies
    from ief_jax.tracking import Bridged
    from ief_jax.viz.scene_picture import Lens

    FitTrack = Callable[[np.ndarray, np.ndarray, np.ndarray, Intrinsics], Bodies]

PART = 200
"""Frames whose people are written to one file."""
TALLEST = 720
"""Height of the video with the bodies, pixels."""
LEAST_SECONDS = 0.3
"""People who are seen for a shorter time than this are taken for mistakes."""

UNSURE = 0.1
"""Confidence of keypoints that are put in between, of those before and after."""

_FIT_BATCH = 64


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


class Track(NamedTuple):
    """One person: rows of `Clip.people`, the bodies of these rows, and their motion: one shape."""

    number: int
    rows: np.ndarray
    bodies: "Bodies"
    motion: "Motion"


def run(
    path: Path,
    output: Path,
    keypoints: str,
    checkpoint: "Checkpoint",
    body: "BodyModel",
    gender: str,
    focal: float | None,
    pictures: bool,
    smooth: float,
) -> None:
    """From a video to everybody's motion: what `ief-jax body` does with one.

    Args:
      path: of the video.
      output: folder for the results.
      keypoints: the network that finds keypoints.
      checkpoint: what fits bodies.
      body: the body model.
      gender: of the body model.
      focal: focal length of the camera, pixels; None for the diagonal of the frame.
      pictures: whether to write the video with the bodies.
      smooth: strength of the smoothness, as `lgd.motion.fit` takes it; 0 for each frame by itself.

    Raises:
      InputError: it is no video, nobody is found in it, the focal length is no length, or the
        strength is negative.
      OutputError: a file cannot be written.
    """
    bodies.check_focal(focal)
    bodies.check_smoothness(smooth)
    if smooth and not checkpoint.configuration.second_order_steps:
        say(f"checkpoint {checkpoint.configuration.name} is never unsure: frames are fitted alone")
        smooth = 0
    videos.describe(path)  # what is none is said before networks are loaded
    files.output_folder(output)
    fit_track = _fitter(checkpoint, body, smooth)
    # Where nobody is seen for a moment, a smooth motion goes on better than keypoints on straight
    # ways.
    clip = read(path, _finder(keypoints), output, UNSURE if smooth == 0 else 0.0)
    seen = lens(clip, focal)
    tracks = fit(clip, seen, fit_track)
    write(output, clip, tracks, seen, body, gender)
    if pictures:
        draw(path, output, clip, tracks, seen, body)


def is_source(path: Path) -> bool:
    """Whether a path is of a video, or the index of a webcam."""
    return videos.is_video(path) or (str(path).isdecimal() and not path.exists())


def recorded(source: Path, output: Path) -> Path:
    """The video itself; or what a webcam sees until Ctrl-C, which is written to `output`."""
    if videos.is_video(source):
        return source
    path = files.output_folder(output) / "webcam.mp4"
    say(f"webcam {source}: recording to {path} until Ctrl-C")
    videos.record(int(str(source)), path)
    return path


def _finder(checkpoint: str) -> Finder:
    """Everybody whom the detector finds, with the keypoints of the network of this name."""
    from ief_jax.ief import checkpoints, people, person_detector

    network = checkpoints.load(checkpoint)
    detector = person_detector.load()
    names = network.configuration.joints

    def find(image: "Image") -> tuple[np.ndarray, np.ndarray]:
        found = people.estimate_people(network, detector, image)
        points, sure = finding.stacked(found.estimates, names)
        confidence = np.ones(points.shape[:-1]) if sure is None else sure
        return points, np.clip(confidence, formats_keypoints.LEAST, 1)

    return Finder(find, tuple(names), {"network": checkpoint})


def _fitter(checkpoint: "Checkpoint", body: "BodyModel", smooth: float) -> "FitTrack":
    """Fits one person's bodies: one that moves smoothly, or each frame by itself."""
    import jax

    from ief_jax.batches import map_in_chunks
    from ief_jax.body import joints
    from ief_jax.lgd import fitting, motion

    model = joints.fold(body)

    def fit_motion(
        points: np.ndarray, confidence: np.ndarray, times: np.ndarray, lens: "Intrinsics"
    ) -> "Bodies":
        since = times - times[0]  # float32 does not tell the frames of a long video apart
        return jax.device_get(
            motion.fit(checkpoint, model, points, confidence, since, lens, smooth)
        )

    def fit_track(
        points: np.ndarray, confidence: np.ndarray, times: np.ndarray, lens: "Intrinsics"
    ) -> "Bodies":
        def some(points: Any, confidence: Any, lens: Any) -> "Bodies":
            return fitting.fit(checkpoint, model, points, confidence, None, lens)

        return map_in_chunks(some, _FIT_BATCH, points, confidence, lens)

    return fit_motion if smooth else fit_track


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


def lens(clip: Clip, focal: float | None) -> "Lens":
    """The camera's: the focal length that is given, or the diagonal of the frame."""
    from ief_jax.viz.scene_picture import Lens

    width, height = clip.video.size
    return Lens(
        math.hypot(width, height) if focal is None else focal,
        (np.array([width, height]) - 1) / 2,
    )


def fit(
    clip: Clip,
    seen: "Lens",
    fit_track: "FitTrack",
) -> list[Track]:
    """The bodies of everybody.

    Args:
      clip: of `read`.
      seen: how the camera sees.
      fit_track: one person's keypoints [T, 27, 2], confidence [T, 27], times [T] and lens to
        bodies with one leading axis.
    """
    import jax.numpy as jnp

    from ief_jax.geometry.camera import Intrinsics

    tracks = []
    for number in np.unique(clip.people.identity).tolist():
        rows = np.flatnonzero(clip.people.identity == number)
        one = Intrinsics(
            jnp.full(len(rows), 1 / seen.focal, jnp.float32),
            jnp.broadcast_to(jnp.asarray(seen.principal, jnp.float32), (len(rows), 2)),
        )
        fitted = fit_track(
            clip.people.points[rows],
            clip.people.confidence[rows],
            clip.times[clip.people.frame[rows]],
            one,
        )
        tracks.append(Track(number, rows, fitted, _motion(clip, number, rows, fitted)))
    return tracks


def _motion(clip: Clip, number: int, rows: np.ndarray, fitted: "Bodies") -> "Motion":
    """The motion of the bodies of some rows, with the mean of their shapes."""
    from ief_jax.body.motion import Motion
    from ief_jax.formats.bodies import before_the_camera

    poses = np.asarray(fitted.poses)
    sure = clip.people.confidence[rows].sum(1) * ~clip.interpolated[rows]
    return Motion(
        f"person_{number}",
        poses.reshape(len(poses), -1, 3),
        np.average(np.asarray(fitted.betas), 0, sure),
        before_the_camera(fitted),
        clip.times[clip.people.frame[rows]],
    )


def write(
    output: Path, clip: Clip, tracks: list[Track], seen: "Lens", body: "BodyModel", gender: str
) -> None:
    """Writes what there is of each person, all people in motion, and the frames' keypoints.

    Raises:
      OutputError: a file cannot be written.
    """
    from ief_jax.formats import amass, bvh, gltf
    from ief_jax.formats import bodies as formats_bodies

    fps = clip.video.fps
    for track in tracks:
        further = {
            "frame": clip.people.frame[track.rows],
            "confidence": clip.people.confidence[track.rows],
            "interpolated": clip.interpolated[track.rows],
            "points": clip.people.points[track.rows],
            "keypoint_names": np.array(clip.people.names),
            "reprojection_error": np.asarray(track.bodies.error),
            "focal": np.array(seen.focal),
            "principal": seen.principal,
        }
        if track.bodies.deviation is not None:
            further["joint_deviation"] = np.asarray(track.bodies.deviation)
        name = track.motion.name
        amass.write(output / f"{name}.npz", body, track.motion, fps, gender, further)
        bvh.write(output / f"{name}.bvh", body, track.motion, fps)
    gltf.write(output / "people.glb", body, [track.motion for track in tracks])
    formats_bodies.write(output / "bodies.npz", _all_rows(tracks), clip.people, (), gender, True)
    folder = files.output_folder(output / "keypoints")
    for frame, rows in _rows_of_frames(clip.found, len(clip.times)):
        points, confidence = clip.found.points[rows], clip.found.confidence[rows]
        formats_keypoints.write(
            folder / f"{clip.found.frame_names[frame]}_keypoints.json",
            points,
            confidence,
            clip.found.names,
            points.mean(1),
            clip.video.name,
            clip.found.identity[rows].tolist(),
        )
    say(
        f"{output}: {counted(len(tracks), 'person', 'people')} in motion, keypoints of "
        f"{counted(len(clip.times), 'frame', 'frames')}"
    )


def draw(
    path: Path, output: Path, clip: Clip, tracks: list[Track], seen: "Lens", body: "BodyModel"
) -> None:
    """Writes `overlay.mp4`: the frames with the bodies, and beside them the bodies from the side.

    Raises:
      OutputError: it cannot be written.
    """
    from ief_jax.viz import scene_picture

    height = min(TALLEST, clip.video.size[1])
    joints = np.concatenate([np.asarray(t.bodies.joints) + t.motion.trans[:, None] for t in tracks])
    side = scene_picture.extent(joints.reshape(-1, 3))
    size = scene_picture.size(clip.video.size, height)
    faces = np.asarray(body.faces)
    people = _people_of_frames(clip, tracks, body)
    with (
        tqdm(total=len(clip.times), desc="overlay", unit="frame") as bar,
        videos.writing(output / "overlay.mp4", size, clip.video.fps) as show,
    ):
        for frame, there in zip(_whole(path), people, strict=False):
            drawn = [scene_picture.seen_through(seen, *one) for one in there]
            text = f"{frame.time:.2f} s, frame {frame.number}"
            show(
                scene_picture.picture(frame.image, drawn, faces, side, height, text),
                frame.time,
            )
            bar.update()
    say(f"wrote {output / 'overlay.mp4'}")


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

    for frame in _whole(path, first):
        times.append(frame.time)
        people.append((frame.number, *finder.find(frame.image)))
        bar.update()
        if len(times) == PART:
            yield part()
            first += len(times)
            times, people = [], []
    if times:
        yield part()


def _whole(path: Path, first: int = 0) -> Iterator[videos.Frame]:
    """The frames; that there should be more is said once, when the people are looked for."""
    try:
        yield from videos.frames(path, first)
    except videos.EndsEarlyError as error:
        say(f"warning: {error}")


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


def _all_rows(tracks: list[Track]) -> "Bodies":
    """The bodies of all tracks in the order of the rows."""
    import jax

    order = np.argsort(np.concatenate([track.rows for track in tracks]))
    return jax.tree.map(
        lambda *parts: np.concatenate([np.asarray(part) for part in parts])[order],
        *(track.bodies for track in tracks),
    )


def _rows_of_frames(found: Detections, frames: int) -> Iterator[tuple[int, np.ndarray]]:
    """Each frame and its rows, which are in the order of the frames."""
    ends = np.searchsorted(found.frame, np.arange(frames + 1))
    for frame in range(frames):
        yield frame, np.arange(ends[frame], ends[frame + 1])


def _people_of_frames(
    clip: Clip, tracks: list[Track], body: "BodyModel"
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Of each frame, the number and the vertices [V, 3], metres from the camera, of everybody."""
    count, first = len(clip.people.frame), tracks[0].motion
    poses = np.zeros((count, first.poses[0].size), np.float32)
    betas = np.zeros((count, len(first.betas)), np.float32)
    trans = np.zeros((count, 3), np.float32)
    for track in tracks:
        poses[track.rows] = track.motion.poses.reshape(len(track.rows), -1)
        betas[track.rows] = track.motion.betas
        trans[track.rows] = track.motion.trans
    each = body_files.posed(body, poses, betas)
    for _, rows in _rows_of_frames(clip.people, len(clip.times)):
        yield [(int(clip.people.identity[row]), next(each) + trans[row]) for row in rows]
