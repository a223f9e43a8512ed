"""Mesh2Motion's animations as poses of SMPL.

Both rigs, Rigify's (human_base.glb) and Unreal's names (human_addon.glb), rest in a T-pose that
faces +z, palms down and feet flat: what the poses are relative to (`data/cmu/retarget.py`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.cmu.retarget import retarget
from data.mesh2motion import anatomy, gltf
from data.motion import preparation
from data.releases import files_below, nothing_found
from ief_jax.io.files import InputError, output_folder, replacing

HOW = (
    "download human-base-animations.glb and human-addon-animations.glb from "
    "https://github.com/Mesh2Motion/mesh2motion-app"
)

_RIGIFY = {
    "pelvis": "DEF-hips",
    "spine1": "DEF-spine.001",
    "spine2": "DEF-spine.002",
    "spine3": "DEF-spine.003",
    "neck": "DEF-neck",
    "head": "DEF-head",
    "{}_hip": "DEF-thigh.{}",
    "{}_knee": "DEF-shin.{}",
    "{}_ankle": "DEF-foot.{}",
    "{}_foot": "DEF-toe.{}",
    "{}_collar": "DEF-shoulder.{}",
    "{}_shoulder": "DEF-upper_arm.{}",
    "{}_elbow": "DEF-forearm.{}",
    "{}_wrist": "DEF-hand.{}",
}
_UNREAL = {
    "pelvis": "pelvis",
    "spine1": "spine_01",
    "spine2": "spine_02",
    "spine3": "spine_03",
    "neck": "neck_01",
    "head": "head",
    "{}_hip": "thigh_{}",
    "{}_knee": "calf_{}",
    "{}_ankle": "foot_{}",
    "{}_foot": "ball_{}",
    "{}_collar": "clavicle_{}",
    "{}_shoulder": "upperarm_{}",
    "{}_elbow": "lowerarm_{}",
    "{}_wrist": "hand_{}",
}


def _both_sides(bones: Mapping[str, str], left: str, right: str) -> dict[str, str]:
    sides = {"left": left, "right": right}
    return {
        joint.format(side): bone.format(letter)
        for joint, bone in bones.items()
        for side, letter in sides.items()
    }


RIGS = (_both_sides(_RIGIFY, "L", "R"), _both_sides(_UNREAL, "l", "r"))
"""The bone of each of SMPL's joints but the hands, of either rig."""
REFERENCES = ("A_TPose", "T-Pose", "Rest Pose")
"""Animations that show the rig's rest pose, and nobody's."""


class Clips(NamedTuple):
    """Poses of all animations.

    Attributes:
      poses: [N, 24, 3] axis-angle, the root first, y up, facing +z where the rig does.
      sequence: [N] which animation each is of.
      names: the animations.
    """

    poses: np.ndarray
    sequence: np.ndarray
    names: tuple[str, ...]


def read(path: Path, rate: float) -> dict[str, np.ndarray]:
    """The poses [N, 24, 3] of each animation in a file, by its name; not the reference poses.

    Args:
      path: a .glb file.
      rate: frames a second.

    Raises:
      InputError: the file is broken, or its rig is neither of the two; says what it lacks.
    """
    file = gltf.read(path)
    bones = _rig(file)
    t_pose = gltf.rest(file)
    return {
        name: anatomy.personal(retarget(gltf.motion(file, name, rate), t_pose, bones))
        for name in file.animations
        if name not in REFERENCES
    }


def read_all(folder: Path, rate: float) -> Clips:
    """All animations below a folder, without near-duplicates of one another.

    Some are there twice, with and without the way that the body goes.

    Raises:
      InputError: there are none, or a file cannot be read.
    """
    files = files_below(folder, HOW)
    paths = sorted(path for path in files if path.suffix == ".glb")
    if not paths:
        raise nothing_found(folder, files, "animations (.glb)", HOW)
    found = [(name, poses) for path in paths for name, poses in read(path, rate).items()]
    if not found:
        raise InputError(f"{folder}: its files ({paths[0].name}, ...) have no animations; {HOW}")
    poses = np.concatenate([of_clip for _, of_clip in found])
    sequence = np.repeat(np.arange(len(found)), [len(of_clip) for _, of_clip in found])
    kept = preparation.distinct(poses, preparation.rest_offsets())
    return Clips(poses[kept], sequence[kept], tuple(name for name, _ in found))


def write(clips: Clips, folder: Path) -> Path:
    """Writes mesh2motion.npz, AMASS-style.

    `poses` [N, 72] float32, `subject` [N] (all "mesh2motion", so that what weighs subjects takes
    them as one), `sequence` [N] and `sequence_names`.

    Returns:
      The file.

    Raises:
      OutputError: it cannot be written.
    """
    path = output_folder(folder) / "mesh2motion.npz"
    with replacing(path) as file:
        np.savez_compressed(
            file,
            poses=clips.poses.reshape(len(clips.poses), -1).astype(np.float32),
            subject=np.full(len(clips.poses), "mesh2motion"),
            sequence=clips.sequence.astype(np.int16),
            sequence_names=np.array(clips.names),
        )
    return path


def _rig(file: gltf.File) -> Mapping[str, str]:
    """The rig whose bones a file has."""
    lacking = [sorted(set(rig.values()) - set(file.names)) for rig in RIGS]
    nearest = min(range(len(RIGS)), key=lambda i: len(lacking[i]))
    if lacking[nearest]:
        raise InputError(
            f"{file.path}: its rig has no {', '.join(lacking[nearest])}; expected Mesh2Motion's"
        )
    return RIGS[nearest]
