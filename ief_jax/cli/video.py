"""People of a video from its frames to bodies that move: the stages of `ief-jax body clip.mp4`.

frames -> people's keypoints, kept part by part -> tracks, gaps bridged     video_people
       -> bodies of each track                                              video_bodies
       -> npz, BVH, glTF, OpenPose's JSON                                   video_files
       -> frames again, with the bodies drawn over them                     video_overlay
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ief_jax.cli import bodies, lenses, video_bodies, video_files, video_overlay, video_people
from ief_jax.cli.shared import say
from ief_jax.formats import videos
from ief_jax.io import files

if TYPE_CHECKING:
    from ief_jax.body.smpl import BodyModel
    from ief_jax.lgd.checkpoints import Checkpoint


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
    lenses.check_focal(focal)
    bodies.check_smoothness(smooth)
    if smooth and not checkpoint.configuration.second_order_steps:
        say(f"checkpoint {checkpoint.configuration.name} is never unsure: frames are fitted alone")
        smooth = 0
    videos.describe(path)  # what is none is said before networks are loaded
    files.output_folder(output)
    fit_track = video_bodies.fitter(checkpoint, body, smooth)
    # Where nobody is seen for a moment, a smooth motion goes on better than keypoints on straight
    # ways.
    clip = video_people.read(
        path, video_people.finder(keypoints), output, video_people.UNSURE if smooth == 0 else 0.0
    )
    seen = video_bodies.lens(clip, focal)
    tracks = video_bodies.fit(clip, seen, fit_track)
    video_files.write(output, clip, tracks, body, gender)
    if pictures:
        video_overlay.draw(path, output, clip, tracks, seen, body)


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
