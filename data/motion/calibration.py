"""Takes the faults of a capture's skeleton out of retargeted poses, subject by subject.

CMU's skeletons were solved for from markers, and their zero is not a person's: people who stand
straight are given knees bent by 20 to 30 degrees, collar bones are held rigid, all turning of the
forearm is given to the wrist, and heads and toes are tilted by what differs from one subject to
the next. What is known of people says by how much:

- a leg that bears an upright body on a straight line from hip to ankle has a straight knee, and a
  flat sole (`zero_of`, from the frames where a subject does so);
- people who stand look ahead of them;
- of an arm's elevation the shoulder blade and collar bone do about one third (Inman, Saunders and
  Abbott 1944, "Observations on the function of the shoulder joint": two to one);
- the forearm turns along its whole length;
- ankles, toes and wrists turn so far and no further.

Corrections turn a bone in the world about its own axes, G' = G C, and leave the bones past it as
they were captured. A straightened knee moves towards the line from hip to ankle: thigh and shank
share the change, and the foot stays where it stood, as flat as it was. Arms and hands point where
they were captured to.

How much, where anatomy leaves it open, is chosen so that the poses of CMU's subjects have the means
and deviations that SMPLify's published prior (Bogo et al. 2016) has: that is fitted to bodies that
MoSh found for the same database.

Everything is a function of the poses alone; nothing is drawn at random. Bends are about x, the
axis from right to left: a knee's and a toe's are positive, as is a head's that looks down.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from data.motion import kinematics
from data.motion.preparation import rest_offsets
from ief_jax.body.model_files import PARENTS
from ief_jax.body.smpl import JOINT_NAMES


def _both(name: str) -> list[int]:
    return [JOINT_NAMES.index(f"{side}_{name}") for side in ("left", "right")]


HIPS, KNEES, ANKLES, TOES = _both("hip"), _both("knee"), _both("ankle"), _both("foot")
COLLARS, SHOULDERS, ELBOWS, WRISTS = (
    _both("collar"), _both("shoulder"), _both("elbow"), _both("wrist")
)  # fmt: skip
PELVIS, SPINE1, SPINE2, SPINE3, NECK, HEAD = (
    JOINT_NAMES.index(name) for name in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
)

# Stance: which frames a subject's zero is read from. Degrees and metres.
UPRIGHT = 30.0
"""Pelvis and chest lean by less."""
UPON = 12.0
"""The line from hip to ankle is this near to the vertical: standing, or the middle of a step."""
LOWER = 0.03
"""The ankle is at most so much higher than the other one."""
BENT = 60.0
"""A knee that reads more is bent on purpose."""
FEWEST = 5
"""Frames on each leg that it takes."""

MOST_OFTEN = 1 / 3
"""The pitch that feet on the floor keep coming back to is the middle of the narrowest range that
holds this share of stance. (The mean and the median are off where heels often rise.)"""
NEARLY_FLAT = 10.0
"""Toes are read from the frames whose sole is within so many degrees of the floor."""
STRAIGHT = 10
"""Percentile of a knee's readings in stance that is its zero. In the middle of a step, and waiting
in a game, knees bend a little; they are straight in the straightest tenth."""
LARGEST = 25.0
"""A knee's zero at most, degrees: who only runs, dances or plays never stands straight."""
WHOLLY_BENT = 150.0
"""A knee that cannot bend further reads so much, degrees, and keeps it: between this and straight,
readings are stretched. A stride's largest bend and SMPL's deviation of knees, 25, then come out;
subtracting alone leaves 21."""
HYPEREXTENDED, SOFTNESS = -5.0, 4.0
"""How far a knee goes beyond straight at most, and over how many degrees it comes to this."""

LEVEL, REGARD = 8.0, 10.0
"""How far down heads look in stance, by which a subject's may differ from it, degrees. What differs
more is the skeleton's fault. (SMPL's mean head over the database looks down: neck -3, head 10.)"""

SPINE = {SPINE1: 4.0, SPINE2: 2.0}
"""What is added to the pitch of spine bones in the world, degrees: SMPL's lowest bends forward by
13 in the mean where the capture's does by 7. The chest stays as captured."""
NECK_PITCH = -5.0
"""The same for the neck: SMPL's is at -3 where the capture's is at 2. The head stays."""

RHYTHM, COLLAR = 0.36, 40.0
"""The collar's share of the arm's turn away from the T-pose, and its largest turn, degrees. A third
leaves collars a deviation of 11 and 9 degrees about z and y, where SMPL's have 14 to 19."""
FOREARM = 1 / 4
"""The forearm's share of how the hand is turned about it: leaves the wrist SMPL's deviation, 20."""

FAULTS = {**dict.fromkeys(ANKLES, 50.0), **dict.fromkeys(WRISTS, 120.0)}
"""A joint that is turned by more degrees is a fault of the capture (feet and hands half a turn off,
from one frame to the next), and is set to zero."""
LIMITS = {
    **dict.fromkeys(ANKLES, ((-25, 40), (-30, 30), (-20, 20))),
    **dict.fromkeys(TOES, ((-45, 20), (-5, 5), (-5, 5))),
    **dict.fromkeys(WRISTS, ((-90, 90), (-70, 70), (-70, 70))),
}
"""Least and largest of a joint's three axis-angle coordinates, degrees; what is past half of it is
compressed. Anatomical ranges: an ankle 20 to 30 upwards and 40 to 50 downwards, turned and tilted
by 20 to 30; toes 45 upwards as the heel lifts; a wrist 70 to 80."""


class Zero(NamedTuple):
    """What a capture reads where a subject's joints are at zero, degrees; left, then right.

    Attributes:
      knees: [2] their bend where they are straight.
      soles: [2] the pitch of the feet on the floor.
      toes: [2] the pitch of the toes on the floor.
      head: how far down it looks.
    """

    knees: np.ndarray
    soles: np.ndarray
    toes: np.ndarray
    head: float


def zero_of(poses: np.ndarray) -> Zero | None:
    """A subject's zero, from the frames in which it stands on a leg.

    Args:
      poses: [N, 24, 3] axis-angle, y up; all that there is of the subject.

    Returns:
      None if there are fewer than `FEWEST` such frames for a leg.
    """
    world = _world(poses)
    standing = stance(poses)
    if (standing.sum(0) < FEWEST).any():
        return None
    knees, soles, toes = np.empty((3, 2))
    for leg in (0, 1):
        frames = standing[:, leg]
        knees[leg] = np.percentile(np.degrees(poses[frames, KNEES[leg], 0]), STRAIGHT)
        pitch = _pitch(world[frames, ANKLES[leg]])
        soles[leg] = _most_often(pitch)
        flat = np.abs(pitch - soles[leg]) < NEARLY_FLAT
        toes[leg] = np.median(_pitch(world[frames, TOES[leg]])[flat])
    return Zero(
        np.clip(knees, 0, LARGEST),
        soles,
        toes,
        float(np.median(_pitch(world[standing.any(1), HEAD]))),
    )


def stance(poses: np.ndarray) -> np.ndarray:
    """Whether an upright body [N, 24, 3] stands on its left and on its right leg: [N, 2]."""
    world = _world(poses)
    places = kinematics.positions(world, rest_offsets(), PARENTS)
    line = places[:, HIPS] - places[:, ANKLES]
    upon = line[..., 1] > np.cos(np.radians(UPON)) * np.linalg.norm(line, axis=-1)
    upright = (world[:, [PELVIS, SPINE3], 1, 1] > np.cos(np.radians(UPRIGHT))).all(1)
    height = places[:, ANKLES, 1]
    lower = height < height[:, ::-1] + LOWER
    straight = poses[:, KNEES, 0] < np.radians(BENT)
    return upright[:, None] & upon & lower & straight


def calibrated(poses: np.ndarray, zero: Zero | None) -> np.ndarray:
    """A subject's poses without the faults of its capture.

    Args:
      poses: [N, 24, 3] axis-angle, y up.
      zero: the subject's, of `zero_of`; None leaves legs and gaze as they are.

    Returns:
      [N, 24, 3] axis-angle.
    """
    world = _world(poses)
    if zero is not None:
        _straighten(world, poses, zero)
    for bone, pitch in SPINE.items():
        world[:, bone] @= _about_x(pitch)
    world[:, NECK] @= _about_x(NECK_PITCH)
    local = _local(world)
    for joint, most in FAULTS.items():
        local[np.linalg.norm(local[:, joint], axis=-1) > np.radians(most), joint] = 0
    share_arms(local)
    limit_ends(local)
    return local


def calibrated_by_subject(
    poses: np.ndarray, subject: np.ndarray
) -> tuple[np.ndarray, Mapping[str, Zero | None]]:
    """Poses [N, 24, 3] of many subjects, each with its own zero; and those zeros.

    Args:
      poses: axis-angle, y up.
      subject: [N] whose each is.
    """
    result = np.empty(poses.shape)
    zeros = {}
    for name in np.unique(subject):
        own = subject == name
        zeros[str(name)] = zero_of(poses[own])
        result[own] = calibrated(poses[own], zeros[str(name)])
    return result, zeros


def without_zero(subject: str) -> str:
    """What to say of a subject that `zero_of` knows no zero of."""
    return (
        f"{subject}: hardly stands on each leg (fewer than {FEWEST} poses); its legs and its gaze "
        "stay as captured"
    )


def _straighten(world: np.ndarray, poses: np.ndarray, zero: Zero) -> None:
    """Takes a subject's zero from its legs and head: world rotations [N, 24, 3, 3], in place."""
    bend = np.degrees(poses[:, KNEES, 0])
    # K (k - k0) / (K - k0): from [k0, K] to [0, K]
    wanted = WHOLLY_BENT * (bend - zero.knees) / (WHOLLY_BENT - zero.knees)
    # m + s log(1 + exp((k' - m) / s)): k', but not below m
    wanted = HYPEREXTENDED + SOFTNESS * np.logaddexp(0, (wanted - HYPEREXTENDED) / SOFTNESS)
    half = (bend - wanted) / 2
    for leg in (0, 1):
        world[:, HIPS[leg]] @= _about_x(half[:, leg])
        world[:, KNEES[leg]] @= _about_x(-half[:, leg])
        world[:, ANKLES[leg]] @= _about_x(-zero.soles[leg])
        world[:, TOES[leg]] @= _about_x(-zero.toes[leg])
    world[:, HEAD] @= _about_x(LEVEL + np.clip(zero.head, -REGARD, REGARD) - zero.head)


def share_arms(local: np.ndarray) -> None:
    """Shares what shoulders and wrists do with collars and forearms: [N, 24, 3], in place."""
    for side, along in enumerate((1.0, -1.0)):
        collar, shoulder = COLLARS[side], SHOULDERS[side]
        arm = Rotation.from_rotvec(local[:, collar]) * Rotation.from_rotvec(local[:, shoulder])
        # The shortest turn w from the T-pose's direction of the arm to this one
        rest = np.array([along, 0.0, 0.0])
        towards = arm.apply(rest)
        axis = np.cross(rest, towards)
        sine = np.linalg.norm(axis, axis=-1, keepdims=True)
        angle = np.arctan2(sine, towards @ rest[:, None])
        own = np.minimum(RHYTHM * angle, np.radians(COLLAR))
        share = Rotation.from_rotvec(axis / np.maximum(sine, 1e-9) * own)
        local[:, collar] = share.as_rotvec()
        local[:, shoulder] = (share.inv() * arm).as_rotvec()

        elbow, wrist = ELBOWS[side], WRISTS[side]
        hand = Rotation.from_rotvec(local[:, wrist])
        x, _, _, w = hand.as_quat().T
        # The hand's twist about the forearm: 2 atan(x / w), within half a turn
        twist = 2 * np.arctan2(np.where(w < 0, -x, x), np.abs(w))
        turn = Rotation.from_rotvec(FOREARM * twist[:, None] * [1.0, 0.0, 0.0])
        local[:, elbow] = (Rotation.from_rotvec(local[:, elbow]) * turn).as_rotvec()
        local[:, wrist] = (turn.inv() * hand).as_rotvec()


def limit_ends(local: np.ndarray) -> None:
    """Holds ankles, toes and wrists to what joints can do (`LIMITS`): [N, 24, 3], in place."""
    for joint, limits in LIMITS.items():
        local[:, joint] = _limited(local[:, joint], np.radians(limits))


def _most_often(values: np.ndarray) -> float:
    """The middle of the narrowest range that holds `MOST_OFTEN` of some values [n]."""
    values = np.sort(values)
    width = int(np.ceil(MOST_OFTEN * (len(values) - 1)))
    first = int(np.argmin(values[width:] - values[: len(values) - width]))
    return float(values[first] + values[first + width]) / 2


def _limited(vectors: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Vectors [N, 3] within limits [3, 2]: as they are half of the way there, then ever less."""
    bound = np.where(vectors < 0, -limits[:, 0], limits[:, 1])
    free = bound / 2
    rest = bound - free
    beyond = np.maximum(np.abs(vectors) - free, 0)
    return np.sign(vectors) * (np.minimum(np.abs(vectors), free) + rest * np.tanh(beyond / rest))


def _world(poses: np.ndarray) -> np.ndarray:
    local = Rotation.from_rotvec(np.reshape(poses, (-1, 3)).astype(np.float64)).as_matrix()
    return kinematics.compose(local.reshape(*poses.shape, 3), PARENTS)


def _local(world: np.ndarray) -> np.ndarray:
    local = world.copy()
    local[:, 1:] = world[:, list(PARENTS[1:])].swapaxes(-1, -2) @ world[:, 1:]
    return Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(*world.shape[:2], 3)


def _pitch(world: np.ndarray) -> np.ndarray:
    """How far bones [..., 3, 3] look down, degrees."""
    return np.degrees(np.arcsin(np.clip(-world[..., 1, 2], -1, 1)))


def _about_x(degrees: np.ndarray | float) -> np.ndarray:
    """Rotations [..., 3, 3] about x."""
    turn = np.radians(degrees)[..., None] * [1.0, 0.0, 0.0]
    return Rotation.from_rotvec(turn).as_matrix()
