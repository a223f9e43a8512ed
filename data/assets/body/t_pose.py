"""Turns MakeHuman's A-pose into SMPL's T-pose and places SMPL's joints.

MakeHuman's arms hang 48 degrees below the horizontal with the elbows bent by 42 degrees. Each
body is reposed by its own angles, so that arms lie exactly along x, legs point down, and the
elbow's hinge is exactly y, with dual quaternion skinning on the full rig.
"""

from __future__ import annotations

import numpy as np

from data.assets.body.arrays import FloatArray
from data.assets.body.assets import BaseMesh, Rig
from data.assets.body.rotations import about_axis, aligning, dual_quaternion_blend, mirrored
from data.assets.body.skeleton import JOINT_COUNT, joint

# Shares of the shoulder's elevation that the collar bone and the shoulder blade take.
CLAVICLE_SHARE = 0.20
SCAPULA_SHARE = 0.16
# Shares of the palm's twist along the two bones of the forearm; the wrist takes the rest.
FOREARM_TWIST_SHARES = (0.25, 0.65)


def _leg_direction(outward_degrees: float, forward: float) -> FloatArray:
    angle = np.radians(outward_degrees)
    return np.array([np.sin(angle), -np.cos(angle), forward])


THIGH_DIRECTION = _leg_direction(2.5, 0.02)
SHANK_DIRECTION = _leg_direction(0.5, -0.025)

BACKWARD = about_axis(0, np.radians(-6.5))
"""How the trunk is turned about the hips, x, the head staying level. MakeHuman's people stand with
their shoulders 2 degrees ahead of their hips; those of captured motion, whose rotations this body
is posed with, 2 behind when they stand upright, turned forward by 2 to 3 (README.md)."""

# The MakeHuman bone on which each SMPL joint rides from the A- to the T-pose.
_LEFT_CARRIERS = {
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "foot": "foot",
    "collar": "clavicle", "shoulder": "upperarm01", "elbow": "lowerarm01",
    "wrist": "wrist", "hand": "wrist",
}  # fmt: skip
CARRIERS = {
    "pelvis": "root", "spine1": "spine04", "spine2": "spine03", "spine3": "spine02",
    "neck": "neck01", "head": "head",
    **{f"left_{name}": f"{bone}.L" for name, bone in _LEFT_CARRIERS.items()},
    **{f"right_{name}": f"{bone}.R" for name, bone in _LEFT_CARRIERS.items()},
}  # fmt: skip


def t_pose_rotations(mesh: BaseMesh, vertices: FloatArray) -> dict[str, FloatArray]:
    """Rotations [3, 3] of the rig's bones that take `vertices` [N, 3] from A- to T-pose.

    They are relative to the parent bone, in world axes; the right side mirrors the left.
    """

    def at(name: str) -> FloatArray:
        return mesh.centre(f"joint-{name}", vertices)

    left: dict[str, FloatArray] = {}

    # Arm: raise, then twist until the forearm bends in the plane y = 0.
    shoulder, elbow, wrist = at("l-shoulder"), at("l-elbow"), at("l-hand")
    upper, lower = elbow - shoulder, wrist - elbow
    elevation = np.arctan2(-upper[1], upper[0])
    clavicle = about_axis(2, CLAVICLE_SHARE * elevation)
    scapula = about_axis(2, SCAPULA_SHARE * elevation)
    girdle = BACKWARD @ clavicle @ scapula
    x_axis = np.array([1.0, 0, 0])
    upper_arm = aligning(girdle @ upper, x_axis) @ girdle
    bent = upper_arm @ lower
    upper_arm = about_axis(0, np.arctan2(bent[1], bent[2])) @ upper_arm
    forearm = aligning(upper_arm @ lower, x_axis) @ upper_arm

    # Hand: middle knuckles along x, palm down (from index to little finger along -z).
    knuckles = 0.5 * (at("l-finger-3-1") + at("l-finger-4-1")) - wrist
    hand = aligning(forearm @ knuckles, x_axis) @ forearm
    across = hand @ (at("l-finger-5-1") - at("l-finger-2-1"))
    palm_twist = np.arctan2(across[1], -across[2])
    forearm1, forearm2 = (about_axis(0, f * palm_twist) @ forearm for f in FOREARM_TWIST_SHARES)
    hand = about_axis(0, palm_twist) @ hand
    left["clavicle"], left["shoulder01"] = clavicle, scapula
    left["upperarm01"] = girdle.T @ upper_arm
    left["lowerarm01"] = upper_arm.T @ forearm1
    left["lowerarm02"] = forearm1.T @ forearm2
    left["wrist"] = forearm2.T @ hand

    # Leg: straight down; the foot keeps its own orientation, so the sole stays level.
    hip, knee, ankle = at("l-upper-leg"), at("l-knee"), at("l-ankle")
    thigh = aligning(knee - hip, THIGH_DIRECTION)
    shank = aligning(thigh @ (ankle - knee), SHANK_DIRECTION) @ thigh
    left["upperleg01"] = BACKWARD.T @ thigh
    left["lowerleg01"], left["foot"] = thigh.T @ shank, shank.T

    both = {f"{bone}.L": rotation for bone, rotation in left.items()}
    both.update({f"{bone}.R": mirrored(rotation) for bone, rotation in left.items()})
    return {**both, "root": BACKWARD, "neck01": BACKWARD.T}


def smpl_joints_in_rest_pose(mesh: BaseMesh, vertices: FloatArray) -> FloatArray:
    """SMPL's 24 joints [24, 3] in a body of `vertices` [N, 3] in MakeHuman's A-pose.

    MakeHuman's spine and pelvis joints do not sit where SMPL's do: these are interpolated.
    """

    def at(name: str) -> FloatArray:
        return mesh.centre(f"joint-{name}", vertices)

    joints = np.zeros((JOINT_COUNT, 3))
    pelvis, spine4 = at("pelvis"), at("spine-4")
    joints[joint("pelvis")] = 0.35 * pelvis + 0.65 * spine4
    joints[joint("pelvis"), 2] = 0.5 * (pelvis[2] + spine4[2])
    joints[joint("spine1")] = 0.55 * at("spine-3") + 0.45 * at("spine-2")
    joints[joint("spine2")] = 0.45 * at("spine-2") + 0.55 * at("spine-1")
    joints[joint("spine3")] = 0.10 * at("spine-2") + 0.90 * at("spine-1")
    joints[joint("neck")] = at("neck")
    joints[joint("head")] = at("head")
    for side, s in (("left", "l"), ("right", "r")):
        joints[joint(f"{side}_hip")] = at(f"{s}-upper-leg")
        joints[joint(f"{side}_knee")] = at(f"{s}-knee")
        joints[joint(f"{side}_ankle")] = at(f"{s}-ankle")
        joints[joint(f"{side}_foot")] = at(f"{s}-foot-1")
        collar = 0.6 * at(f"{s}-clavicle") + 0.4 * at(f"{s}-shoulder")
        joints[joint(f"{side}_collar")] = collar
        joints[joint(f"{side}_shoulder")] = at(f"{s}-shoulder")
        joints[joint(f"{side}_elbow")] = at(f"{s}-elbow")
        joints[joint(f"{side}_wrist")] = at(f"{s}-hand")
        knuckles = [at(f"{s}-finger-{finger}-1") for finger in (2, 3, 4, 5)]
        joints[joint(f"{side}_hand")] = np.mean(knuckles, axis=0)
    return joints


def to_t_pose(
    mesh: BaseMesh, rig: Rig, vertices: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The T-pose of a symmetric body of `vertices` [N, 3], pelvis joint at the origin.

    Returns the skin [S, 3], SMPL's joints [24, 3], and the rotations [B, 3, 3] and
    translations [B, 3] of the rig's bones from the A- to the T-pose.
    """
    rotations, translations = rig.forward_kinematics(
        t_pose_rotations(mesh, vertices), rig.heads(vertices)
    )
    carriers = [rig.index(CARRIERS[name]) for name in CARRIERS]
    order = [joint(name) for name in CARRIERS]
    joints = smpl_joints_in_rest_pose(mesh, vertices)
    moved = np.zeros_like(joints)
    moved[order] = np.einsum("kij,kj->ki", rotations[carriers], joints[order])
    moved[order] += translations[carriers]
    translations = translations - moved[0]
    skin = slice(0, mesh.body_count)
    used = np.nonzero(rig.weights[skin].any(axis=0))[0]
    posed = dual_quaternion_blend(
        vertices[skin], rig.weights[skin][:, used], rotations[used], translations[used]
    )
    return posed, moved - moved[0], rotations, translations
