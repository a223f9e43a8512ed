"""Keypoint layouts by name, and how each keypoint is read off a body.

A layout is a tuple of keypoint names in file order. `selection` turns one into a matrix over the
points of a `joints.JointModel`.
"""

from collections.abc import Mapping, Sequence

import numpy as np


def _numbered(part: str, count: int) -> tuple[str, ...]:
    return tuple(f"{part}_{number}" for number in range(count))


COCO_17 = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
COCO_18 = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
"""OpenPose's COCO model: COCO's 17 and the neck. The keypoints that LGD is trained on."""
FEET = (
    "left_big_toe",
    "left_small_toe",
    "left_heel",
    "right_big_toe",
    "right_small_toe",
    "right_heel",
)
BODY_25 = (
    *COCO_18[:8],
    "mid_hip",
    *COCO_18[8:],
    *FEET,
)
BODY_25B = (
    *COCO_17,
    "upper_neck",
    "head_top",
    *FEET,
)
UNION_27 = (*COCO_17, "neck", "mid_hip", *BODY_25B[17:])
"""All keypoints of the layouts here. Those that LGD is trained on, any of them unseen."""
LSP_14 = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "upper_neck",
    "head_top",
)
"""Leeds Sports Pose, in the order of its `joints.mat`; left and right are the person's."""
MPII_16 = (
    *LSP_14[:6],
    "pelvis",
    "thorax",
    "upper_neck",
    "head_top",
    *LSP_14[6:12],
)
"""MPII Human Pose: LSP's joints and two of the torso, ids 0 to 15."""
COCO_17_NECK = (*COCO_17, "neck")
"""COCO's 17 with the neck behind them, as tools append it: not OpenPose's order."""
BODY_19 = BODY_25[:19]
"""OpenPose's BODY_25 without the feet (BODY_21A and others begin so)."""
BODY_135 = (
    *BODY_25B,
    *_numbered("left_hand", 20),
    *_numbered("right_hand", 20),
    *_numbered("face", 70),
)
"""OpenPose's whole body: BODY_25B, both hands without their wrists, and the face."""
MPI_15 = (
    "head_top",
    "upper_neck",
    *COCO_18[2:14],
    "mpi_chest",
)
"""OpenPose's MPI model, trained on MPII: its neck is MPII's upper neck."""
HALPE_26 = (
    *COCO_17,
    "head_top",
    "neck",
    "mid_hip",
    "left_big_toe",
    "right_big_toe",
    "left_small_toe",
    "right_small_toe",
    "left_heel",
    "right_heel",
)
"""Halpe-FullBody without face and hands: AlphaPose, RTMPose, Sports2D."""
HALPE_136 = (
    *HALPE_26,
    *_numbered("face", 68),
    *_numbered("left_hand", 21),
    *_numbered("right_hand", 21),
)
WHOLEBODY_133 = (
    *COCO_17,
    *FEET,
    *_numbered("face", 68),
    *_numbered("left_hand", 21),
    *_numbered("right_hand", 21),
)
"""COCO-WholeBody."""
MEDIAPIPE_33 = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    *COCO_17[5:11],
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    *COCO_17[11:],
    "left_heel",
    "right_heel",
    # MediaPipe's "foot index": the tip of the foot.
    "left_big_toe",
    "right_big_toe",
)
"""MediaPipe Pose (BlazePose)."""
AIC_14 = (*COCO_18[2:14], "head_top", "upper_neck")
"""AI Challenger: its neck is the upper end."""
CROWDPOSE_14 = (*COCO_17[5:], "head_top", "crowdpose_neck")
"""CrowdPose: its neck is labelled between AI Challenger's and the shoulders'."""
H36M_17 = (
    "pelvis",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "h36m_spine",
    "h36m_neck",
    "h36m_jaw",
    "head_top",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
)
"""Human3.6M's 17 of motion capture; its "neck" and "nose" are no other data set's."""
H36M_16 = (*H36M_17[:9], *H36M_17[10:])
"""Human3.6M without the nose, as works on lifting take it."""
SMPL_24 = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "smpl_neck",
    "left_collar",
    "right_collar",
    "smpl_head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
"""SMPL's joints; neck and head are joints of the spine, not points on the skin."""
EVALUATION_14 = (
    "left_ankle",
    "left_knee",
    "left_hip",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_wrist",
    "left_elbow",
    "left_shoulder",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "smpl_neck",
    "smpl_head",
)
"""The 14 SMPL joints over which PA-MPJPE and MPJPE are taken."""

LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "COCO_17": COCO_17,
    "COCO_18": COCO_18,
    "COCO_17_NECK": COCO_17_NECK,
    "BODY_19": BODY_19,
    "BODY_25": BODY_25,
    "BODY_25B": BODY_25B,
    "UNION_27": UNION_27,
    "BODY_135": BODY_135,
    "MPI_15": MPI_15,
    "HALPE_26": HALPE_26,
    "HALPE_136": HALPE_136,
    "WHOLEBODY_133": WHOLEBODY_133,
    "MEDIAPIPE_33": MEDIAPIPE_33,
    "MPII_16": MPII_16,
    "LSP_14": LSP_14,
    "AIC_14": AIC_14,
    "CROWDPOSE_14": CROWDPOSE_14,
    "H36M_17": H36M_17,
    "H36M_16": H36M_16,
    "SMPL_24": SMPL_24,
}

COMBINED: Mapping[str, tuple[str, ...]] = {
    # OpenPose labels the neck half-way between the shoulders and mid-hip between the hips.
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    # MPII's thorax lies between the shoulders too.
    "thorax": ("left_shoulder", "right_shoulder"),
    # The upper end of the neck: between SMPL's neck and head joints.
    "upper_neck": ("smpl_neck", "smpl_head"),
}
"""Keypoints that are the mean of others, on the body and (where it is not annotated) in files."""

SAME_PLACE: Mapping[str, tuple[str, ...]] = {
    "neck": ("thorax",),
    "mid_hip": ("pelvis",),
    "upper_neck": ("smpl_neck", "smpl_head"),
}
"""Keypoints of `UNION_27` that layouts have under other names."""

_SMPL_ALIASES = {"smpl_neck": "neck", "smpl_head": "head"}


def opposite(names: Sequence[str]) -> np.ndarray:
    """The index of each name's counterpart on the other side of the body: [K].

    `left_wrist` and `right_wrist` are each other's; names without a side are their own.
    """
    other = {"left": "right", "right": "left"}
    index = {name: i for i, name in enumerate(names)}

    def counterpart(name: str) -> str:
        side, _, rest = name.partition("_")
        return f"{other[side]}_{rest}" if side in other else name

    return np.array([index[counterpart(name)] for name in names])


def selection(layout: Sequence[str], points: Sequence[str]) -> np.ndarray:
    """The matrix [K, P] that takes a body's points to a layout's keypoints.

    Args:
      layout: K keypoint names.
      points: the P point names of a body (`JointModel.names`).

    Returns:
      float32; the row of a keypoint that the body has no point for is zero.
    """
    # SMPL's own neck is another place than the keypoint of that name: only the alias reaches it.
    column = {name: i for i, name in enumerate(points) if name != "neck"}
    for alias, name in _SMPL_ALIASES.items():
        if name in points:
            column[alias] = list(points).index(name)
    matrix = np.zeros((len(layout), len(points)), np.float32)
    for row, name in enumerate(layout):
        members = (name,) if name in column else COMBINED.get(name, (name,))
        if all(member in column for member in members):
            for member in members:
                matrix[row, column[member]] += 1 / len(members)
    return matrix


def to_union(
    keypoints: np.ndarray, confidence: np.ndarray, source: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """`convert` to `UNION_27`, the keypoints that bodies are fitted to.

    What was detected under another name is taken over (`SAME_PLACE`); nothing is made up from
    keypoints that are there themselves.
    """
    return convert(keypoints, confidence, source, UNION_27, SAME_PLACE)


def convert(
    keypoints: np.ndarray,
    confidence: np.ndarray,
    source: Sequence[str],
    target: Sequence[str],
    combined: Mapping[str, tuple[str, ...]] = COMBINED,
) -> tuple[np.ndarray, np.ndarray]:
    """Rearranges detections from one layout to another.

    Args:
      keypoints: [..., len(source), 2].
      confidence: [..., len(source)].
      source: the detections' keypoint names.
      target: those of the result.
      combined: keypoints that are the mean of others.

    Returns:
      ([..., len(target), 2], [..., len(target)]); a keypoint that the source lacks is the mean of
      the ones that it is defined by (`combined`) with the least of their confidences, or else
      zero with confidence zero.

    Raises:
      ValueError: the arrays are not of as many keypoints as there are names.
    """
    # Without chex, which brings JAX: files are read without it.
    count = len(source)
    if keypoints.shape[-2:] != (count, 2):
        raise ValueError(f"keypoints: expected [..., {count}, 2], got {keypoints.shape}")
    if confidence.shape != keypoints.shape[:-1]:
        raise ValueError(f"confidence: expected {keypoints.shape[:-1]}, got {confidence.shape}")
    points = np.zeros((*keypoints.shape[:-2], len(target), 2), keypoints.dtype)
    certain = np.zeros((*confidence.shape[:-1], len(target)), confidence.dtype)
    index = {name: i for i, name in enumerate(source)}
    for i, name in enumerate(target):
        if name in index:
            points[..., i, :] = keypoints[..., index[name], :]
            certain[..., i] = confidence[..., index[name]]
        elif name in combined and all(member in index for member in combined[name]):
            members = [index[member] for member in combined[name]]
            points[..., i, :] = keypoints[..., members, :].mean(-2)
            certain[..., i] = confidence[..., members].min(-1)
    return points, certain
