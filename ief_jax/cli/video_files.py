"""Files of the people of a video: npz, BVH, glTF, and OpenPose's JSON."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ief_jax.cli import motion_files
from ief_jax.cli.motion_files import Moving
from ief_jax.cli.shared import counted, say
from ief_jax.cli.video_bodies import Track
from ief_jax.cli.video_people import Clip, rows_of_frames
from ief_jax.formats import keypoints as formats_keypoints
from ief_jax.io import files

if TYPE_CHECKING:
    from ief_jax.body.smpl import BodyModel
    from ief_jax.lgd.fitting import Bodies


def write(output: Path, clip: Clip, tracks: list[Track], body: "BodyModel", gender: str) -> None:
    """Writes what there is of each person, all people in motion, and the frames' keypoints.

    Raises:
      OutputError: a file cannot be written.
    """
    from ief_jax.formats import bodies as formats_bodies

    moving = []
    for track in tracks:
        further = motion_files.beside(
            clip.people, track.rows, clip.people.frame[track.rows], track.bodies
        )
        further["interpolated"] = clip.interpolated[track.rows]
        moving.append(Moving(track.motion, further))
    motion_files.write(output, body, moving, clip.video.fps, gender)
    formats_bodies.write(output / "bodies.npz", _all_rows(tracks), clip.people, (), gender, True)
    folder = files.output_folder(output / "keypoints")
    for frame, rows in rows_of_frames(clip.found, len(clip.times)):
        points, confidence = clip.found.points[rows], clip.found.confidence[rows]
        formats_keypoints.write(
            folder / f"{clip.found.frame_names[frame]}_keypoints.json",
            points,
            confidence,
            clip.found.names,
            points.mean(1),
            Path(clip.video.name).name,
            clip.found.identity[rows].tolist(),
        )
    say(f"{folder}: keypoints of {counted(len(clip.times), 'frame', 'frames')}")


def _all_rows(tracks: list[Track]) -> "Bodies":
    """The bodies of all tracks in the order of the rows."""
    import jax

    order = np.argsort(np.concatenate([track.rows for track in tracks]))
    return jax.tree.map(
        lambda *parts: np.concatenate([np.asarray(part) for part in parts])[order],
        *(track.bodies for track in tracks),
    )
