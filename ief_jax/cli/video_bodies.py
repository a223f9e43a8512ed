"""The bodies of everybody in a video, and their motion."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ief_jax import threads
from ief_jax.cli.video_people import Clip

if TYPE_CHECKING:
    from ief_jax.body.motion import Motion
    from ief_jax.body.smpl import BodyModel
    from ief_jax.geometry.camera import Intrinsics
    from ief_jax.lgd.checkpoints import Checkpoint
    from ief_jax.lgd.fitting import Bodies
    from ief_jax.viz.scene_picture import Lens

    FitTrack = Callable[[np.ndarray, np.ndarray, np.ndarray, Intrinsics], Bodies]

_FIT_BATCH = 64


class Track(NamedTuple):
    """One person: rows of `Clip.people`, the bodies of these rows, and their motion: one shape."""

    number: int
    rows: np.ndarray
    bodies: "Bodies"
    motion: "Motion"


def lens(clip: Clip, focal: float | None) -> "Lens":
    """The camera's: the focal length that is given, or the diagonal of the frame."""
    from ief_jax.viz.scene_picture import Lens

    width, height = clip.video.size
    return Lens(
        math.hypot(width, height) if focal is None else focal,
        (np.array([width, height]) - 1) / 2,
    )


def fitter(checkpoint: "Checkpoint", body: "BodyModel", smooth: float) -> "FitTrack":
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

        return map_in_chunks(some, _FIT_BATCH, points, confidence, lens, threads=threads.cores())

    return fit_motion if smooth else fit_track


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
