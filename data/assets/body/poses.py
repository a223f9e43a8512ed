"""Poses to fit the pose blend shapes on: motion capture and random ranges of motion."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from data.assets.body.arrays import FloatArray
from data.assets.body.rotations import about_axis, from_axis_angle, mirrored
from data.assets.body.skeleton import JOINT_COUNT, MIRRORED_JOINTS, joint, rest_rotations
from ief_jax.io import npz

Range = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
# Ranges of motion in degrees about x, y and z; rotations are applied in the order x, z, y.
CENTRAL_RANGES: dict[str, Range] = {
    "spine1": ((-12, 32), (-18, 18), (-14, 14)),
    "spine2": ((-10, 20), (-16, 16), (-10, 10)),
    "spine3": ((-10, 18), (-16, 16), (-10, 10)),
    "neck": ((-25, 30), (-35, 35), (-20, 20)),
    "head": ((-20, 20), (-25, 25), (-12, 12)),
}
LEFT_RANGES: dict[str, Range] = {
    "left_hip": ((-110, 25), (-35, 35), (-12, 40)),
    "left_knee": ((0, 130), (-6, 6), (-3, 3)),
    "left_ankle": ((-35, 40), (-15, 15), (-15, 15)),
    "left_foot": ((-40, 20), (-4, 4), (-4, 4)),
    "left_collar": ((-8, 8), (-18, 15), (-18, 25)),
    "left_shoulder": ((-60, 60), (-100, 30), (-88, 60)),
    "left_elbow": ((-35, 35), (-140, 3), (-3, 3)),
    "left_wrist": ((-65, 65), (-25, 25), (-65, 65)),
    "left_hand": ((-8, 8), (-8, 8), (-60, 15)),
}
# Joints that motion capture leaves at rest.
UNCAPTURED = ("left_collar", "left_hand", "left_foot")


def sample_rotation(rng: np.random.Generator, limits: Range, scale: float = 1.0) -> FloatArray:
    """A rotation [3, 3] with angles uniform in `limits` times `scale`."""
    x, y, z = np.radians([rng.uniform(low, high) * scale for low, high in limits])
    return about_axis(1, y) @ about_axis(2, z) @ about_axis(0, x)


def random_pose(rng: np.random.Generator) -> FloatArray:
    """Relative rotations [24, 3, 3] within the ranges of motion; many joints move little."""

    def sample(limits: Range) -> FloatArray:
        return sample_rotation(rng, limits, float(rng.choice([0.15, 0.6, 1.0], p=[0.2, 0.3, 0.5])))

    rotations = rest_rotations()
    for name, limits in CENTRAL_RANGES.items():
        rotations[joint(name)] = sample(limits)
    for name, limits in LEFT_RANGES.items():
        k = joint(name)
        rotations[k] = sample(limits)
        rotations[MIRRORED_JOINTS[k]] = mirrored(sample(limits))
    return rotations


def load_captured(path: Path) -> tuple[FloatArray, np.ndarray]:
    """Axis-angle poses [N, 24, 3] in radians and the subject [N] of each."""
    arrays = npz.read(path, ("poses", "subject"))
    poses = arrays["poses"].astype(float).reshape(-1, JOINT_COUNT, 3)
    return poses, arrays["subject"].astype(str)


class CapturedPoses:
    """Draws motion-capture poses of some subjects.

    A subject is drawn with a probability that grows with the square root of its number of
    frames, so that no single one dominates.
    """

    def __init__(self, poses: FloatArray, subjects: np.ndarray, wanted: set[str]) -> None:
        self.poses = poses
        self.frames = [
            np.nonzero(subjects == subject)[0] for subject in sorted(wanted & set(subjects))
        ]
        if not self.frames:
            raise ValueError(f"no poses of the subjects {sorted(wanted)}")
        shares = np.sqrt([len(frames) for frames in self.frames])
        self.probabilities = shares / shares.sum()

    def sample(self, rng: np.random.Generator) -> FloatArray:
        """Relative rotations [24, 3, 3]; joints that were not captured move at random."""
        frames = self.frames[rng.choice(len(self.frames), p=self.probabilities)]
        rotations = from_axis_angle(self.poses[rng.choice(frames)])
        for name in UNCAPTURED:
            k = joint(name)
            scale = float(rng.choice([0.0, 0.6]))
            rotations[k] = sample_rotation(rng, LEFT_RANGES[name], scale)
            rotations[MIRRORED_JOINTS[k]] = mirrored(sample_rotation(rng, LEFT_RANGES[name], scale))
        return rotations


def training_subjects(subjects: np.ndarray, held_out: Iterable[str]) -> set[str]:
    """All of `subjects` [N] that are not held out."""
    return set(subjects.tolist()) - set(held_out)
