"""Reads Human3.6M for Protocol 2, from VideoPose3D's files, 3d-pose-baseline's or SPIN's.

We have no such file ourselves; each form's module says where its layout is known from.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.h36m import baseline, spin, videopose
from data.h36m.sequences import CAMERAS, DAMAGED, FRONTAL, HOW, Joints, Keypoints, SequenceName
from data.releases import some
from ief_jax.body.regressors import H36M_17
from ief_jax.geometry import skeletons
from ief_jax.io.files import InputError

DETECTORS = ("sh_ft_h36m", "cpn_ft_h36m_dbb", "detectron_ft_h36m", "sh_pt_mpii", "gt")
"""The kinds of keypoints, the paper's own (a stacked hourglass fine-tuned on Human3.6M) first."""
KEYPOINTS_17 = tuple(
    name.removeprefix("h36m_") if "left" in name or "right" in name else name for name in H36M_17
)
"""Keypoint names. Human3.6M's neck, head and pelvis are other places than COCO's or OpenPose's."""
KEYPOINTS = {17: KEYPOINTS_17, 16: skeletons.MPII_16}
"""Layouts by their number of keypoints; the stacked hourglass gives MPII's."""


class People(NamedTuple):
    """N people, each in one frame.

    Attributes:
      name: "subject/action/camera/frame" of each.
      points: [N, 18, 2] keypoints in `skeletons.COCO_18`'s order, pixels.
      confidence: [N, 18]; 1, or 0 for those that Human3.6M's skeleton has not (the face's).
      joints: [N, 17, 3] metres, in `joint_regressors.H36M_17`'s order; of any origin and axes.
    """

    name: list[str]
    points: np.ndarray
    confidence: np.ndarray
    joints: np.ndarray


def detectors(data_dir: Path) -> list[str]:
    """The kinds of keypoints there are in a folder, the best first.

    Raises:
      InputError: there is none.
    """
    if not data_dir.is_dir():
        raise InputError(f"{data_dir}: no such folder; {HOW}")
    found = [name for name in DETECTORS if _keypoints_at(data_dir, name)]
    if not found:
        there = some(sorted(path.name for path in data_dir.iterdir())) or "no files"
        wanted = videopose.KEYPOINTS_FILE.format("<detector>")
        raise InputError(
            f"{data_dir}: has no {wanted} ({', '.join(DETECTORS)}), and no "
            f"S9/{baseline.KINDS['sh_ft_h36m'].folder} or the like; it has {there}; {HOW}"
        )
    return found


def read(data_dir: Path, detector: str | None = None) -> People:
    """The people of Protocol 2: subjects 9 and 11, the frontal camera, every fifth frame.

    Joints come from VideoPose3D's file, or else from 3d-pose-baseline's, or else from SPIN's;
    keypoints from the first two likewise. The one sequence with a damaged video is left out.

    Args:
      data_dir: the folder of the files.
      detector: of the keypoints, one of `DETECTORS`; by default the first of them there is.

    Raises:
      InputError: something is missing or is not what was expected; names file and field.
    """
    detector = detector or detectors(data_dir)[0]
    detected = _keypoints(data_dir, detector)
    joints = {key: value for key, value in _joints(data_dir).items() if key != DAMAGED}
    if not joints:
        raise InputError(
            f"{data_dir}: has joints of {' '.join(DAMAGED)} alone, whose video is damaged"
        )
    missing = [" ".join(key) for key in joints if key not in detected]
    if missing:
        raise InputError(
            f"{data_dir}: there are joints, but no keypoints ({detector}), of {some(missing)}"
        )
    names, points, confidence, bodies = [], [], [], []
    for (subject, action), (frames, positions) in joints.items():
        chosen = _of_frames(detected[subject, action], frames)
        two, certain = skeletons.convert(
            chosen, np.ones(chosen.shape[:2]), KEYPOINTS[chosen.shape[1]], skeletons.COCO_18
        )
        place = f"{subject}/{action}/{CAMERAS[FRONTAL]}"
        names += [f"{place}/{frame:05d}" for frame in frames]
        points.append(two)
        confidence.append(certain)
        bodies.append(positions)
    return People(
        names,
        *(np.concatenate(part).astype(np.float32) for part in (points, confidence, bodies)),
    )


def _joints(data_dir: Path) -> dict[SequenceName, Joints]:
    if (data_dir / videopose.POSES_FILE).exists():
        return videopose.joints(data_dir / videopose.POSES_FILE)
    if root := baseline.root(data_dir, baseline.POSES_FOLDER):
        return baseline.joints(root)
    if (data_dir / spin.FILE).exists():
        return spin.joints(data_dir / spin.FILE)
    raise InputError(
        f"{data_dir}: has neither {videopose.POSES_FILE}, nor S9/{baseline.POSES_FOLDER}, nor "
        f"{spin.FILE}; {HOW}"
    )


def _keypoints_at(data_dir: Path, detector: str) -> Path | None:
    """VideoPose3D's file, or the folder of 3d-pose-baseline's subjects, or None."""
    path = data_dir / videopose.KEYPOINTS_FILE.format(detector)
    if path.exists():
        return path
    kind = baseline.KINDS.get(detector)
    return baseline.root(data_dir, kind.folder) if kind else None


def _keypoints(data_dir: Path, detector: str) -> dict[SequenceName, Keypoints]:
    where = _keypoints_at(data_dir, detector)
    if where and where.is_dir():
        return baseline.keypoints(where, baseline.KINDS[detector])
    return videopose.keypoints(data_dir / videopose.KEYPOINTS_FILE.format(detector))


def _of_frames(found: Keypoints, frames: np.ndarray) -> np.ndarray:
    """[n, K, 2] in the order of `KEYPOINTS[K]`."""
    place, points = found
    if points.shape[1] not in KEYPOINTS:
        raise InputError(f"{place} has {points.shape[1]} keypoints, expected {sorted(KEYPOINTS)}")
    # Some videos have a few frames more than were captured.
    if len(points) <= frames[-1]:
        raise InputError(
            f"{place} has {len(points)} frames, expected {frames[-1] + 1} or more: those of "
            "the joints"
        )
    return points[frames]
