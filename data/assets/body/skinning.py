"""Merges the weights of MakeHuman's 163 bones into those of SMPL's 24 joints."""

from __future__ import annotations

import numpy as np

from data.assets.body.arrays import FloatArray, IntArray
from data.assets.body.assets import Rig
from data.assets.body.skeleton import JOINT_COUNT, MIRRORED_JOINTS, joint

TORSO_BONES = ("root", "pelvis", "spine", "breast")
# Half widths in metres of the ramps that split the torso between two joints of the spine.
# Narrower ones turn the belly inside out in deep bends.
SPINE_RAMPS = {"spine1": 0.10, "spine2": 0.09, "spine3": 0.09}
# How far the bones of the thumb, from its base to its tip, follow the fingers rather than the
# wrist. SMPL has a single hand joint at the knuckles: a thumb that rides on the wrist alone
# stays behind when the hand closes, one that rides on the hand joint tears off the palm.
THUMB_FOLLOWS_HAND = {"finger1-1": 0.15, "finger1-2": 0.4, "finger1-3": 0.5}
MAX_JOINTS_PER_VERTEX = 4
SMALLEST_WEIGHT = 0.004


def joint_shares(bone: str) -> dict[int, float]:
    """The SMPL joints that a limb's or head's `bone` such as 'upperarm01.L' rides on.

    Shares sum to one. Bones of the torso have none: they are split by height.
    """
    stem, _, end = bone.partition(".")
    side = "right" if end == "R" else "left"
    if stem.startswith(TORSO_BONES):
        return {}
    if stem in THUMB_FOLLOWS_HAND:
        share = THUMB_FOLLOWS_HAND[stem]
        return {joint(f"{side}_wrist"): 1 - share, joint(f"{side}_hand"): share}
    for prefixes, name in (
        (("clavicle", "shoulder01"), "collar"),
        (("upperarm",), "shoulder"),
        (("lowerarm",), "elbow"),
        (("wrist", "metacarpal"), "wrist"),
        (("finger",), "hand"),
        (("upperleg",), "hip"),
        (("lowerleg",), "knee"),
        (("foot",), "ankle"),
        (("toe",), "foot"),
    ):
        if stem.startswith(prefixes):
            return {joint(f"{side}_{name}"): 1.0}
    return {joint("neck" if stem.startswith("neck") else "head"): 1.0}


def smooth_step(value: FloatArray) -> FloatArray:
    """Rises from 0 at 0 to 1 at 1 with level ends."""
    clipped = np.clip(value, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def torso_shares(heights: FloatArray, joints: FloatArray) -> FloatArray:
    """Shares [V, 4] of pelvis, spine1, spine2 and spine3 for torso vertices at `heights` [V]."""
    above = [np.ones_like(heights)]
    for name, half in SPINE_RAMPS.items():
        above.append(smooth_step((heights - joints[joint(name), 1] + half) / (2 * half)))
    above.append(np.zeros_like(heights))
    return np.stack([above[i] - above[i + 1] for i in range(4)], axis=1)


def merge_weights(
    rig: Rig, skin_weights: FloatArray, t_pose: FloatArray, joints: FloatArray
) -> FloatArray:
    """Weights [V, 24] from the rig's `skin_weights` [V, B], for a skin [V, 3] in the T-pose."""
    merged = np.zeros((len(skin_weights), JOINT_COUNT))
    torso = np.zeros(len(skin_weights))
    for i, bone in enumerate(rig.names):
        shares = joint_shares(bone)
        for k, share in shares.items():
            merged[:, k] += share * skin_weights[:, i]
        if not shares:
            torso += skin_weights[:, i]
    spine = [joint(name) for name in ("pelvis", "spine1", "spine2", "spine3")]
    merged[:, spine] += torso[:, None] * torso_shares(t_pose[:, 1], joints)
    return merged


def symmetrise_weights(weights: FloatArray, mirror: IntArray) -> FloatArray:
    """Mean of `weights` [V, 24] and their mirror image."""
    return 0.5 * (weights + weights[mirror][:, MIRRORED_JOINTS])


def prune_weights(weights: FloatArray) -> FloatArray:
    """`weights` [V, J] reduced to at most the four largest of each vertex, without tiny ones."""
    fifth = np.sort(weights, axis=1)[:, -1 - MAX_JOINTS_PER_VERTEX, None]
    # Ties with the fifth go too, lest one of a mirrored pair stays on the middle line.
    pruned = np.where(weights > fifth + 1e-9, weights, 0.0)
    pruned[pruned < SMALLEST_WEIGHT] = 0
    return pruned / pruned.sum(axis=1, keepdims=True)
