"""Chooses the landmark vertices and puts them where SMPL's own are."""

from __future__ import annotations

import numpy as np

from data.assets.body.arrays import BoolArray, FloatArray, IntArray
from data.assets.body.assets import BaseMesh
from data.assets.body.skeleton import joint

# SMPL's vertex numbers of the same landmarks (smplx's `vertex_ids['smplh']`; head top: 411).
# Readers that pick landmarks by SMPL's numbers find ours.
SLOTS = {
    "nose": 332, "left_eye": 2800, "right_eye": 6260, "left_ear": 583, "right_ear": 4071,
    "head_top": 411,
    "left_big_toe": 3216, "left_small_toe": 3226, "left_heel": 3387,
    "right_big_toe": 6617, "right_small_toe": 6624, "right_heel": 6787,
    "left_thumb": 2746, "left_index": 2319, "left_middle": 2445, "left_ring": 2556,
    "left_pinky": 2673,
    "right_thumb": 6191, "right_index": 5782, "right_middle": 5905, "right_ring": 6016,
    "right_pinky": 6133,
}  # fmt: skip
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
SOLE_HEIGHT = 0.025  # metres above the lowest point of a foot


def choose_landmarks(
    mesh: BaseMesh,
    body: FloatArray,
    t_pose: FloatArray,
    weights: FloatArray,
    visible: BoolArray,
    mirror: IntArray,
) -> dict[str, int]:
    """Landmark name -> vertex of the skin, for the names in `SLOTS`.

    body: [N, 3] a whole symmetric body in MakeHuman's A-pose; t_pose: [S, 3] its skin;
    weights: [S, 24]; visible: [S]; mirror: [S] the mirrored vertices.
    """
    skin = body[: len(t_pose)]

    def at(name: str) -> FloatArray:
        return mesh.centre(f"joint-{name}", body)

    def members(*names: str) -> IntArray:
        share = sum(weights[:, joint(name)] for name in names)
        return np.nonzero((share > 0.5) & visible)[0]

    def nearest(point: FloatArray) -> int:
        distance = np.linalg.norm(skin - point, axis=1)
        return int(np.argmin(np.where(visible, distance, np.inf)))

    head = members("head")
    profile = head[mirror[head] == head]
    found = {
        "nose": int(profile[np.argmax(skin[profile, 2])]),
        "head_top": int(profile[np.argmax(t_pose[profile, 1])]),
        "left_ear": int(head[np.argmax(skin[head, 0])]),
    }
    eye = at("l-eye")
    radius = np.linalg.norm(body[mesh.groups["helper-l-eye"]] - eye, axis=1).mean()
    found["left_eye"] = nearest(eye + np.array([0, 0, radius]))
    for number, finger in enumerate(FINGERS, start=1):
        found[f"left_{finger}"] = nearest(at(f"l-finger-{number}-4"))
    found["left_big_toe"] = nearest(at("l-toe-1-3"))
    found["left_small_toe"] = nearest(at("l-toe-5-4"))
    foot = members("left_ankle", "left_foot")
    sole = foot[skin[foot, 1] < skin[foot, 1].min() + SOLE_HEIGHT]
    found["left_heel"] = int(sole[np.argmin(skin[sole, 2])])
    for name in [name for name in found if name.startswith("left_")]:
        found["right_" + name.removeprefix("left_")] = int(mirror[found[name]])
    if len(set(found.values())) != len(SLOTS) or set(found) != set(SLOTS):
        raise ValueError(f"landmarks are not distinct: {found}")
    return found


def order_for_slots(vertex_count: int, landmarks: dict[str, int]) -> IntArray:
    """Permutation [V], new position -> old vertex, with every landmark in its slot.

    Other vertices keep their places, but for those that make room.
    """
    order = np.arange(vertex_count)
    for name, slot in SLOTS.items():
        position = int(np.nonzero(order == landmarks[name])[0][0])
        order[[position, slot]] = order[[slot, position]]
    return order
