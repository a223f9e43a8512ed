"""Everybody in a photograph in one picture: their bodies over it, and from the side.

Photographs that follow one another, frames of a video, become a video of such pictures.
"""

import functools
import importlib.util
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ief_jax import threads
from ief_jax.cli import body_files
from ief_jax.cli.bodies import Fitted
from ief_jax.cli.lenses import photograph_of
from ief_jax.cli.shared import counted, say
from ief_jax.formats import photographs, videos
from ief_jax.formats.detections import Detections
from ief_jax.io import files

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.body.smpl import BodyModel
    from ief_jax.lgd.fitting import Bodies
    from ief_jax.viz.scene_picture import Person

TALLEST = 900
"""Height of the pictures, pixels."""
TALLEST_VIDEO = 720
"""Height of the videos, pixels."""
DEEPEST = 12.0
"""Metres behind the nearest person to which the side view reaches: those farther away would make
all too small to be seen."""
_BEYOND = 1.05
"""Of the farthest keypoint, how far an image reaches whose size is not known."""
_SLIMMEST = 4.0
"""Times as long as it is wide, or as wide as it is long, such an image is at most."""


def write(folder: Path, body: "BodyModel", fitted: Fitted, album: photographs.Album) -> None:
    """Writes NAME.jpg for each photograph with somebody in it.

    Args:
      folder: made if missing.
      body: the model that was fitted.
      fitted: the people and their bodies.
      album: the photographs.

    Raises:
      OutputError: a picture cannot be written.
    """
    from ief_jax.viz import scene_picture

    files.output_folder(folder)
    faces, people = np.asarray(body.faces), fitted.people
    frames, written = np.unique(people.frame).tolist(), 0
    each = _of_frames(body, fitted, frames)
    shown = tqdm(each, total=len(frames), desc="scenes", unit="photo", disable=len(frames) == 1)
    for frame, rows, vertices in shown:
        photograph = body_files.photograph_if_any(album, people, frame)
        if photograph is None:
            continue
        middles = _places(fitted, rows, photograph.size)
        drawn = _people(fitted, rows, vertices, middles, people.person[rows])
        there = middles[:, 2] > middles[:, 2].max() - DEEPEST
        joints = np.asarray(fitted.bodies.joints[rows]) + middles[:, None]
        side = scene_picture.extent(joints[there].reshape(-1, 3))
        height = min(photograph.height, TALLEST)
        picture = scene_picture.picture(photograph, drawn, faces, side, height)
        body_files.save_picture(folder / f"{people.frame_names[frame]}.jpg", picture)
        written += 1
    say(f"{folder}: {counted(written, 'picture', 'pictures')} of everybody in a photograph")


def follow_one_another(people: Detections) -> bool:
    """Whether frames are those of a video: it is known who is who, and their numbers rise."""
    rising = bool((np.diff(people.numbers) > 0).all())
    return len(people.numbers) > 1 and bool((people.identity >= 0).all()) and rising


def write_video(
    path: Path,
    body: "BodyModel",
    fitted: Fitted,
    album: photographs.Album,
    sizes: Collection[tuple[int, int]],
) -> None:
    """Writes frames that follow one another, with everybody in them; or says why it does not.

    Args:
      path: ends in .mp4.
      body: the model that was fitted.
      fitted: the people and their bodies.
      album: the photographs; where there is none, people are drawn on a plain canvas.
      sizes: of the frames.

    Raises:
      OutputError: it cannot be written.
    """
    from ief_jax import tracking  # SciPy is slow to import
    from ief_jax.viz import scene_picture

    people, count = fitted.people, len(fitted.people.frame_names)
    if importlib.util.find_spec("av") is None:
        say(f"{path}: not written; videos need the package PyAV: {videos.EXTRA}")
        return
    if len(sizes) > 1:
        say(f"{path}: not written; the photographs are not all of one size")
        return
    (canvas,) = sizes
    faces = np.asarray(body.faces)
    middles = _places(fitted, np.arange(len(people.frame)), canvas)
    joints = np.asarray(fitted.bodies.joints) + middles[:, None]
    side = scene_picture.extent(joints.reshape(-1, 3))
    height = min(canvas[1], TALLEST_VIDEO)
    times = tracking.frame_times(people)
    rate = people.fps or tracking.USUAL_RATE
    plain = scene_picture.plain(canvas)

    def draw(frame: int, drawn: "list[Person]", image: "Image") -> "tuple[Image, float]":
        time = float(times[frame] - times[0])
        text = f"{time:.2f} s, {people.frame_names[frame]}"
        return scene_picture.picture(image, drawn, faces, side, height, text), time

    work = (
        functools.partial(
            draw,
            frame,
            _people(fitted, rows, vertices, middles[rows], people.identity[rows]),
            body_files.photograph_if_any(album, people, frame) or plain,
        )
        for frame, rows, vertices in _of_frames(body, fitted, range(count))
    )
    with (
        tqdm(total=count, desc="overlay", unit="frame") as bar,
        videos.writing(path, scene_picture.size(canvas, height), rate) as show,
    ):
        for picture, time in threads.in_order(work, body_files.drawers(count)):
            show(picture, time)
            bar.update()
    say(f"{path}: {counted(count, 'frame', 'frames')}, everybody over them and from the side")


def sizes(
    people: Detections, album: photographs.Album, size: tuple[float, float] | None
) -> set[tuple[int, int]]:
    """Widths and heights of the frames, pixels: one, or as many as photographs have.

    Args:
      people: in the frames.
      album: their photographs.
      size: of every image, pixels; None where it is not known but from photographs.
    """
    paths = [photograph_of(album, people, frame) for frame in range(len(people.frame_names))]
    found = {photographs.size(path) for path in {*paths} if path is not None} - {None}
    if not found and size is None:
        reach = _BEYOND * people.points[people.confidence > 0].max(0)
        width, height = np.ceil(np.maximum(reach, reach.max() / _SLIMMEST)).tolist()
        size = (width, height)
    return {(round(one[0]), round(one[1])) for one in found or {size} if one is not None}


def _of_frames(
    body: "BodyModel", fitted: Fitted, frames: "range | list[int]"
) -> Iterator[tuple[int, np.ndarray, list[np.ndarray]]]:
    """Of each frame its index, the rows of its people, and their vertices [V, 3]."""
    of_row, found = fitted.people.frame, fitted.bodies
    order = np.argsort(of_row, kind="stable")
    each = body_files.posed(body, found.poses[order], found.betas[order])
    for frame in frames:
        rows = np.flatnonzero(of_row == frame)
        yield frame, rows, [next(each) for _ in rows]


def _people(
    fitted: Fitted,
    rows: np.ndarray,
    vertices: list[np.ndarray],
    middles: np.ndarray,
    numbers: np.ndarray,
) -> "list[Person]":
    """The people of some rows as they are to be drawn."""
    import jax

    from ief_jax.geometry import camera
    from ief_jax.viz.scene_picture import Person

    view, lens = jax.tree.map(np.asarray, (fitted.bodies.view, fitted.bodies.intrinsics))
    drawn = []
    for row, mesh, middle, number in zip(rows, vertices, middles, numbers, strict=True):
        own, through = jax.tree.map(lambda leaf, row=row: leaf[row], (view, lens))
        seen = np.asarray(camera.project(own, mesh, through))
        drawn.append(Person(int(number), mesh + middle, seen, float(own.scale)))
    return drawn


def _places(fitted: Fitted, rows: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where the origins of some rows' bodies are from the camera: [N, 3] metres."""
    import jax

    from ief_jax.formats import bodies as formats_bodies

    some = jax.tree.map(lambda leaf: leaf[rows], fitted.bodies)
    return formats_bodies.before_the_camera(with_lens(some, fitted.lens_known[rows], size))


def with_lens(bodies: "Bodies", known: np.ndarray, size: tuple[int, int]) -> "Bodies":
    """N bodies, those whose lens is not known through one as long as the photograph's diagonal.

    Args:
      bodies: of the people.
      known: [N] whether the lens of each is known.
      size: of the photograph, pixels.
    """
    import jax.numpy as jnp

    middle = (np.array(size, np.float32) - 1) / 2
    return bodies._replace(
        inverse_focal=jnp.asarray(np.where(known, bodies.inverse_focal, 1 / math.hypot(*size))),
        principal=jnp.asarray(np.where(known[:, None], bodies.principal, middle)),
    )
