"""Where annotators, and detectors that learned of them, put keypoints on the body.

A hip of COCO's annotators is not SMPL's hip joint, and a neck of LSP's not the top of its spine. A
mean offset o_i of keypoint i, in the rest frame of the bone k(i) that carries it, says where they
put it: X_i' = X_i + R_k(i) o_i. Ours; `keypoint_offsets.calibrate` finds such offsets.
"""

from collections.abc import Mapping

import numpy as np

from ief_jax.body import smpl
from ief_jax.geometry import skeletons

BONES = {
    **dict.fromkeys((*skeletons.COCO_17[:5], "head_top"), "head"),
    "upper_neck": "neck",
    "neck": "spine3",
    "mid_hip": "pelvis",
    **{f"{side}_shoulder": f"{side}_collar" for side in ("left", "right")},
    **{f"{side}_elbow": f"{side}_shoulder" for side in ("left", "right")},
    **{f"{side}_wrist": f"{side}_elbow" for side in ("left", "right")},
    **{f"{side}_hip": "pelvis" for side in ("left", "right")},
    **{f"{side}_knee": f"{side}_hip" for side in ("left", "right")},
    **{f"{side}_ankle": f"{side}_knee" for side in ("left", "right")},
    **{name: f"{name.partition('_')[0]}_ankle" for name in skeletons.FEET},
}
"""The bone, by the joint that turns it, in whose frame a detector's keypoint lies elsewhere."""
BONE_ROWS = np.array([smpl.JOINT_NAMES.index(BONES[name]) for name in skeletons.UNION_27])
"""[27] numbers of these joints, in `skeletons.UNION_27`'s order."""

Offsets = Mapping[str, tuple[float, float, float]]
"""Metres, by the keypoint's name: x to the body's left, y up, z ahead, when it stands at rest."""

COCO: Offsets = {
    "nose": (0.000, 0.003, -0.005),
    "left_eye": (0.002, -0.005, -0.005),
    "right_eye": (-0.002, -0.005, -0.005),
    "left_ear": (-0.011, -0.015, 0.018),
    "right_ear": (0.011, -0.015, 0.018),
    "left_shoulder": (-0.003, 0.017, -0.005),
    "right_shoulder": (0.003, 0.017, -0.005),
    "left_elbow": (0.004, 0.005, 0.004),
    "right_elbow": (-0.004, 0.005, 0.004),
    "left_wrist": (0.003, -0.002, 0.007),
    "right_wrist": (-0.003, -0.002, 0.007),
    "left_hip": (0.008, 0.022, -0.003),
    "right_hip": (-0.008, 0.022, -0.003),
    "left_knee": (-0.002, -0.014, 0.011),
    "right_knee": (0.002, -0.014, 0.011),
    "left_ankle": (0.000, -0.007, -0.009),
    "right_ankle": (0.000, -0.007, -0.009),
}
"""Of COCO's annotators, as MoveNet Thunder learned them: 448 people whom it found in photographs of
LSP. How far up the ears are and how far heads hang look alike: the ears are given as lying in the
middle of the body's ears, 15 mm under its landmarks. The fits had them 15 mm further down, on heads
that hung by 6 degrees."""
LSP: Offsets = {
    "left_shoulder": (0.000, 0.017, -0.008),
    "right_shoulder": (0.000, 0.017, -0.008),
    "left_elbow": (-0.003, 0.009, -0.003),
    "right_elbow": (0.003, 0.009, -0.003),
    "left_wrist": (0.009, 0.000, 0.005),
    "right_wrist": (-0.009, 0.000, 0.005),
    "left_hip": (-0.004, 0.006, -0.006),
    "right_hip": (0.004, 0.006, -0.006),
    "left_knee": (-0.001, -0.003, 0.008),
    "right_knee": (0.001, -0.003, 0.008),
    "left_ankle": (0.002, -0.007, -0.006),
    "right_ankle": (-0.002, -0.007, -0.006),
    "upper_neck": (0.000, -0.039, 0.021),
    "head_top": (0.000, -0.020, -0.009),
}
"""Of LSP's annotators: 448 people of its training photographs."""
BODY_25B: Offsets = {**COCO, **{name: LSP[name] for name in ("upper_neck", "head_top")}}
"""Of OpenPose's, which learned of COCO's annotators, and the head of MPII's, who follow LSP's."""


def of_layout(offsets: Offsets) -> np.ndarray:
    """[27, 3] metres, in `skeletons.UNION_27`'s order: of combined keypoints the mean of theirs."""
    own = np.array(list(offsets.values()), np.float32).reshape(-1, 3)
    return skeletons.selection(skeletons.UNION_27, tuple(offsets)) @ own
