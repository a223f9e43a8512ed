"""A video with the bodies of its people over it, and from the side."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ief_jax import threads
from ief_jax.cli import body_files
from ief_jax.cli.shared import say
from ief_jax.cli.video_bodies import Track
from ief_jax.cli.video_people import Clip, rows_of_frames, whole
from ief_jax.formats import videos

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.body.smpl import BodyModel
    from ief_jax.viz.scene_picture import Lens

TALLEST = 720
"""Height of the video with the bodies, pixels."""


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

    def draw(frame: videos.Frame, there: list[tuple[int, np.ndarray]]) -> "tuple[Image, float]":
        drawn = [scene_picture.seen_through(seen, *one) for one in there]
        text = f"{frame.time:.2f} s, frame {frame.number}"
        return scene_picture.picture(frame.image, drawn, faces, side, height, text), frame.time

    each = zip(whole(path), _people_of_frames(clip, tracks, body), strict=False)
    work = (functools.partial(draw, frame, there) for frame, there in each)
    with (
        tqdm(total=len(clip.times), desc="overlay", unit="frame") as bar,
        videos.writing(output / "overlay.mp4", size, clip.video.fps) as show,
    ):
        for picture, time in threads.in_order(work, body_files.drawers(len(clip.times))):
            show(picture, time)
            bar.update()
    say(f"wrote {output / 'overlay.mp4'}")


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
    for _, rows in rows_of_frames(clip.people, len(clip.times)):
        yield [(int(clip.people.identity[row]), next(each) + trans[row]) for row in rows]
