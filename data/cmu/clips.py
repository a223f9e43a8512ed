"""CMU's clips as poses of SMPL, whichever release they come from.

The database is released as ASF/AMC (https://mocap.cs.cmu.edu): a skeleton `02.asf` for each subject
and a file `02_01.amc` for each clip. The BVH files `02_01.bvh` are Bruce Hahne's
MotionBuilder-friendly conversion (cgspeed.com, 2008 and 2010): every file has a T-pose that faces
+z added as its first frame.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from data.cmu import asf_amc, bvh
from data.cmu.motion import Motion
from data.cmu.retarget import LIMBS, retarget
from data.cmu.split import SPLITS, TEST, VALIDATION, split_of
from data.motion import calibration, preparation
from data.motion.preparation import Clip, Recording
from data.releases import check_split, files_below, nothing_found, some
from ief_jax.body.smpl import JOINT_NAMES
from ief_jax.io.files import InputError

HOW = (
    "download the clips and skeletons from https://mocap.cs.cmu.edu (allasfamc.zip), or the "
    "MotionBuilder-friendly BVH conversion from cgspeed.com, and unpack them there"
)

BVH_BONES = {
    "pelvis": "Hips",
    "left_hip": "LeftUpLeg",
    "right_hip": "RightUpLeg",
    "spine1": "LowerBack",
    "left_knee": "LeftLeg",
    "right_knee": "RightLeg",
    "spine2": "Spine",
    "left_ankle": "LeftFoot",
    "right_ankle": "RightFoot",
    "spine3": "Spine1",
    "left_foot": "LeftToeBase",
    "right_foot": "RightToeBase",
    "neck": "Neck Neck1",
    "left_collar": "LeftShoulder",
    "right_collar": "RightShoulder",
    "head": "Head",
    "left_shoulder": "LeftArm",
    "right_shoulder": "RightArm",
    "left_elbow": "LeftForeArm",
    "right_elbow": "RightForeArm",
    "left_wrist": "LeftFingerBase",
    "right_wrist": "RightFingerBase",
}
"""The joint of cgspeed's BVH that stands for each of SMPL's; the hand turns at the finger base."""
ASF_BONES = {
    "pelvis": "root",
    "left_hip": "lfemur",
    "right_hip": "rfemur",
    "spine1": "lowerback",
    "left_knee": "ltibia",
    "right_knee": "rtibia",
    "spine2": "upperback",
    "left_ankle": "lfoot",
    "right_ankle": "rfoot",
    "spine3": "thorax",
    "left_foot": "ltoes",
    "right_foot": "rtoes",
    "neck": "lowerneck upperneck",
    "left_collar": "lclavicle",
    "right_collar": "rclavicle",
    "head": "head",
    "left_shoulder": "lhumerus",
    "right_shoulder": "rhumerus",
    "left_elbow": "lradius",
    "right_elbow": "rradius",
    "left_wrist": "lhand",
    "right_wrist": "rhand",
}
"""The bone of CMU's skeletons that stands for each of SMPL's."""
T_POSE = {
    **{bone: ("z", -21.0) for bone in ("lfemur", "ltibia", "lfoot", "ltoes")},
    **{bone: ("z", 21.0) for bone in ("rfemur", "rtibia", "rfoot", "rtoes")},
    "lowerneck": ("x", -16.0),
    "upperneck": ("x", 5.0),
    "head": ("x", 16.0),
}
"""How cgspeed's T-pose differs from CMU's zero pose: turns in the world, axis and degrees.

CMU's legs stand 20 degrees apart, and its zero pose looks up.
"""

ANKLES = [JOINT_NAMES.index("left_ankle"), JOINT_NAMES.index("right_ankle")]
LARGEST_TURN = 2.0
"""Frames in which an ankle is turned further, radians, are left out.

They are faults: in some clips a foot is half a turn off, from one frame to the next and back.
"""


def read_bvh(path: Path, rate: float) -> Recording:
    """A clip of the BVH conversion, thinned to about `rate` frames a second.

    Raises:
      InputError: the file is broken, or of another conversion (other joints); says what it lacks.
    """
    motion = bvh.read(path, rate)
    _check(path, motion, BVH_BONES)
    if len(motion.rotations) < 2:
        raise InputError(f"{path}: has no frame behind the T-pose")
    t_pose, frames = motion.rotations[0], motion.rotations[1:]
    poses = _retargeted(path, motion._replace(rotations=frames), t_pose, BVH_BONES)
    return Recording(_possible(path, poses), None)


def read_amc(path: Path, skeleton: Path, rate: float) -> Recording:
    """A clip of CMU's own release, thinned to about `rate` frames a second.

    Raises:
      InputError: the file or its skeleton's is broken, or they do not belong together.
    """
    motion = asf_amc.read(path, asf_amc.read_skeleton(skeleton), rate)
    _check(path, motion, ASF_BONES)
    t_pose = np.tile(np.eye(3), (len(motion.names), 1, 1))
    for bone, (axis, degrees) in T_POSE.items():
        turn = Rotation.from_euler(axis, degrees, degrees=True)
        t_pose[motion.names.index(bone)] = turn.as_matrix()
    return Recording(_possible(path, _retargeted(path, motion, t_pose, ASF_BONES)), None)


def _retargeted(
    path: Path, motion: Motion, t_pose: np.ndarray, bones: Mapping[str, str]
) -> np.ndarray:
    """As `retarget`; bones of no length, or turned by what is no rotation, are named.

    Raises:
      InputError: there are such.
    """
    limbs = [motion.names.index(bones[name].split()[0]) for name in LIMBS]
    if not (np.linalg.norm(motion.directions[limbs], axis=-1) > 0).all():
        raise InputError(f"{path}: a limb has no length, and so no direction")
    try:
        poses = retarget(motion, t_pose, bones)
    except ValueError as error:
        raise InputError(f"{path}: it has rotations that are none: {error}") from error
    if not np.isfinite(poses).all():
        raise InputError(f"{path}: it has rotations that are not finite")
    return poses


def _possible(path: Path, poses: np.ndarray) -> np.ndarray:
    """The poses whose ankles were not captured upside down."""
    turned = np.linalg.norm(poses[:, ANKLES], axis=-1).max(-1)
    kept = poses[turned < LARGEST_TURN]
    if not len(kept):
        raise InputError(f"{path}: in every frame an ankle is turned by {LARGEST_TURN} rad or more")
    return kept


def find(folder: Path) -> list[Clip]:
    """All clips below a folder; one that is there in both releases is taken from the ASF/AMC.

    What they read is calibrated (`data/motion/calibration.py`): a subject's first clip to be read
    has all of them read, for the subject's zero.

    Raises:
      InputError: there are none, or skeletons are missing; says which, and what was found.
    """
    files = files_below(folder, HOW)
    skeletons = {path.stem: path for path in files if path.suffix == ".asf"}
    clips = {path.stem: path for path in files if path.suffix == ".bvh"}
    clips |= {path.stem: path for path in files if path.suffix == ".amc"}
    if not clips:
        raise nothing_found(folder, files, "clips (02_01.amc or 02_01.bvh)", HOW)
    bare = [p for p in clips.values() if p.suffix == ".amc" and subject(p) not in skeletons]
    if bare:
        lacking = dict.fromkeys(f"{subject(path)}.asf" for path in bare)
        raise InputError(
            f"{folder}: has {len(bare)} clips without their skeletons: {some(lacking)} missing, "
            f"for {some(path.name for path in bare)}; {HOW}"
        )
    readers: dict[str, dict[Path, Reader]] = {}
    for _, path in sorted(clips.items()):
        of = subject(path)
        bvh_file = path.suffix == ".bvh"
        read: Reader = (
            partial(read_bvh, path) if bvh_file else partial(read_amc, path, skeletons[of])
        )
        readers.setdefault(of, {})[path] = read
    found = []
    for of, by_path in readers.items():
        zero = cache(partial(_zero, of, list(by_path.values())))
        for path, read in by_path.items():
            found.append(Clip(path, split_of(of), partial(_calibrated, read, zero)))
    return found


Reader = Callable[[float], Recording]
"""Reads a clip at about a rate, in frames a second."""


def _calibrated(
    read: Reader, zero: Callable[[], calibration.Zero | None], rate: float
) -> Recording:
    recording = read(rate)
    return recording._replace(poses=calibration.calibrated(recording.poses, zero()))


def _zero(of: str, readers: Sequence[Reader]) -> calibration.Zero | None:
    """A subject's zero, from those of its clips that can be read."""
    parts = []
    offsets = preparation.rest_offsets()
    for read in readers:
        try:
            poses = read(preparation.RATE).poses
        except InputError:  # said when the clip itself is read
            continue
        # A long wait in one place counts once.
        parts.append(poses[preparation.distinct(poses, offsets)])
    zero = calibration.zero_of(np.concatenate(parts)) if parts else None
    if zero is None:
        print(calibration.without_zero(f"subject {of}"), file=sys.stderr)
    return zero


def chosen(split: str, present: Sequence[str]) -> list[str]:
    """The TFDS splits that make up a split: itself.

    Raises:
      InputError: there is no such split, or it was prepared without any of its subjects.
    """
    check_split("cmu", split, SPLITS)
    if split not in present:
        raise InputError(
            f"cmu was prepared without any subject of its {split} split (validation: "
            f"{', '.join(VALIDATION)}; test: {', '.join(TEST)}); there is {', '.join(present)}"
        )
    return [split]


def subject(path: Path) -> str:
    """Who moves in a clip, by its file's name: "02" of 02_01.amc."""
    return path.stem.rpartition("_")[0]


def _check(path: Path, motion: Motion, bones: dict[str, str]) -> None:
    wanted = {bone for names in bones.values() for bone in names.split()}
    missing = sorted(wanted - set(motion.names))
    if missing:
        raise InputError(
            f"{path}: its skeleton has no {', '.join(missing)}; expected CMU's own, or cgspeed's "
            "MotionBuilder-friendly conversion"
        )
