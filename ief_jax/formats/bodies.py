"""Fitted bodies as one npz, with AMASS's names for what AMASS has."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ief_jax.body import smpl
from ief_jax.formats.detections import Detections, Skipped
from ief_jax.geometry import camera, skeletons
from ief_jax.io.files import replacing

if TYPE_CHECKING:
    from ief_jax.lgd.fitting import Bodies


def write(
    path: str | os.PathLike[str],
    bodies: "Bodies",
    people: Detections,
    skipped: Sequence[Skipped] = (),
    gender: str = "neutral",
    lens_known: bool | np.ndarray = False,
) -> None:
    """Writes N bodies and the detections that they were fitted to.

    The file's arrays, by key:
      poses [N, 72]: axis-angle, radians, root first; betas [N, B]; gender: of the body model.
      trans [N, 3]: metres. Where the lens is known, where the body's origin, near the pelvis, is
        from the camera, which looks along -z: the image shows the vertices v of the posed body at
        `principal + focal * (v + trans)[:2] * (1, -1) / -(v + trans)[2]`. Else it is in the plane
        of the image: `scale * (v + trans)[:2] * (1, -1)`, and 0 along the line of sight.
      focal [N], principal [N, 2]: of the lens, pixels; NaN where it is not known.
      scale [N]: pixels per metre at the body's origin.
      joints [N, 24, 3]: metres, posed, without trans; joint_names.
      joint_deviation [N, 24, 2]: metres, standard deviation of each joint from the pelvis, along
        either axis of the image and along the line of sight; NaN where it is not known.
      points [N, 27, 2], confidence [N, 27], skeleton: what was fitted to. With them, the file can
        itself be read as detections.
      reprojected [N, 27, 2]: pixels, where the body's keypoints are seen; reprojection_error [N]:
        pixels, mean over the detected keypoints.
      frame [N], person [N]: number of the frame, place within it; id [N]: number of the person over
        frames, -1 where the file says none. Rows are in file order, with ids in that of
        frames and ids.
      frame_numbers [F], frame_names [F], images [F]: of all frames, those without anybody too.
      fps: frames per second; NaN where the file does not say.
      skipped_frame [S], skipped_person [S], skipped_reason [S]: the people not fitted.
      passed_over [P]: what could not be read, and why.

    Args:
      path: ends in .npz.
      bodies: one a person.
      people: the same people, in `skeletons.UNION_27`.
      skipped: those left out.
      gender: of the body model.
      lens_known: whether the lens is known, or else assumed; of all, or [N] of each.

    Raises:
      OutputError: the file cannot be written.
    """
    with np.errstate(divide="ignore"):
        focal = 1 / np.asarray(bodies.inverse_focal)
    principal = np.asarray(bodies.principal)
    known = np.broadcast_to(lens_known, focal.shape)
    places = np.where(known[:, None], before_the_camera(bodies), _in_the_plane(bodies))
    numbers = np.array(people.numbers, np.int64)
    with replacing(path) as file:
        np.savez_compressed(
            file,
            poses=np.asarray(bodies.poses),
            betas=np.asarray(bodies.betas),
            gender=np.array(gender),
            trans=places,
            scale=np.asarray(bodies.scale),
            focal=np.where(known, focal, np.nan),
            principal=np.where(known[:, None], principal, np.nan),
            joints=np.asarray(bodies.joints),
            joint_names=np.array(smpl.JOINT_NAMES),
            joint_deviation=_deviation(bodies),
            points=people.points,
            confidence=people.confidence,
            skeleton=np.array("UNION_27"),
            keypoint_names=np.array(skeletons.UNION_27),
            reprojected=np.asarray(bodies.keypoints),
            reprojection_error=np.asarray(bodies.error),
            frame=numbers[people.frame],
            person=people.person,
            id=people.identity,
            frame_numbers=numbers,
            frame_names=np.array(people.frame_names, dtype=str),
            images=np.array([name or "" for name in people.images], dtype=str),
            skipped_frame=numbers[np.array([s.frame for s in skipped], np.int64)],
            skipped_person=np.array([s.person for s in skipped], np.int64),
            skipped_reason=np.array([s.reason for s in skipped], dtype=str),
            passed_over=np.array(people.passed_over, dtype=str),
            fps=np.array(np.nan if people.fps is None else people.fps),
        )


def _deviation(bodies: "Bodies") -> np.ndarray:
    """Of each body's joints: [N, 24, 2] metres."""
    if bodies.deviation is None:
        return np.full((len(bodies.poses), smpl.JOINTS, 2), np.nan, np.float32)
    return np.asarray(bodies.deviation)


def _in_the_plane(bodies: "Bodies") -> np.ndarray:
    """Where each body's origin is in the image, at its own scale: [N, 3] metres, z = 0."""
    scale = np.asarray(bodies.scale)
    # scale * (X * FLIP) + t = scale * FLIP * (X + trans) with trans = FLIP * t / scale
    plane = camera.FLIP * np.asarray(bodies.translation) / scale[:, None]
    return np.concatenate([plane, np.zeros((len(scale), 1), np.float32)], 1)


def before_the_camera(bodies: "Bodies") -> np.ndarray:
    """Where each body's origin is from the camera: [N, 3] metres."""
    import jax

    # In numpy: there is no program to compile.
    view, lens = jax.tree.map(np.asarray, (bodies.view, bodies.intrinsics))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(camera.position(view, lens))
