"""The motion of one person as BVH: a skeleton, HIERARCHY, and a line of numbers a frame, MOTION.

Units are metres and degrees; y is up. The position of the root is where its joint is.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Literal

import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from ief_jax.body import motion as motions
from ief_jax.body import smpl
from ief_jax.body.motion import Motion
from ief_jax.io.files import replacing

_LEG = ("hip", "knee", "ankle", "foot", "spine1", "spine2", "spine3", "neck", "head")
_ORDERS: tuple[Literal["ZYX", "YXZ"], ...] = tuple(
    "ZYX" if name.endswith(_LEG) else "YXZ" for name in smpl.JOINT_NAMES
)
"""The order of each joint's angles: the middle one, which must stay below a right angle, is about
the upright axis for back and legs, and along the arm for arms. The root turns about the upright
axis first."""
_END = 0.5
"""Length of the last bones, of the ones before them: BVH has a point where each ends."""


def write(path: str | os.PathLike[str], body: smpl.BodyModel, person: Motion, fps: float) -> None:
    """Writes the motion of one person at an even rate (`motion.resampled`).

    Args:
      path: ends in .bvh.
      body: the body model.
      person: the motion.
      fps: frames per second.

    Raises:
      OutputError: the file cannot be written.
      ValueError: the motion's arrays do not belong together.
    """
    even = motions.resampled(person, fps)
    rest = np.asarray(smpl.shape(body, jnp.asarray(person.betas, jnp.float32)).joints)
    lines = ["HIERARCHY", *_joint(rest, body.parents, 0, "")]
    lines += ["MOTION", f"Frames: {len(even.times)}", f"Frame Time: {1 / fps:.8f}"]
    columns = [even.trans + rest[0]]
    columns += [_angles(even.poses[:, joint], _ORDERS[joint]) for joint in _order(body.parents)]
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
        np.savetxt(file, np.concatenate(columns, 1), fmt="%.6f")


def _joint(rest: np.ndarray, parents: Sequence[int], joint: int, indent: str) -> Iterator[str]:
    """The lines of a joint and of all below it."""
    root = parents[joint] < 0
    offset = np.zeros(3) if root else rest[joint] - rest[parents[joint]]
    kind = "ROOT" if root else "JOINT"
    yield f"{indent}{kind} {smpl.JOINT_NAMES[joint]}"
    yield f"{indent}{{"
    inside = indent + "  "
    yield f"{inside}OFFSET {_numbers(offset)}"
    angles = " ".join(f"{axis}rotation" for axis in _ORDERS[joint])
    places = "Xposition Yposition Zposition " if root else ""
    yield f"{inside}CHANNELS {6 if root else 3} {places}{angles}"
    below = [child for child, above in enumerate(parents) if above == joint]
    for child in below:
        yield from _joint(rest, parents, child, inside)
    if not below:
        yield f"{inside}End Site"
        yield f"{inside}{{"
        yield f"{inside}  OFFSET {_numbers(_END * offset)}"
        yield f"{inside}}}"
    yield f"{indent}}}"


def _order(parents: Sequence[int], joint: int = 0) -> Iterator[int]:
    """The joints as the file lists them: each with all below it before the next."""
    yield joint
    for child, above in enumerate(parents):
        if above == joint:
            yield from _order(parents, child)


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def _angles(poses: np.ndarray, order: Literal["ZYX", "YXZ"]) -> np.ndarray:
    """Angles [T, 3] in degrees of axis-angles [T, 3], without jumps by whole turns."""
    with warnings.catch_warnings():
        # At a right angle two axes are one; the rotation is right all the same.
        warnings.filterwarnings("ignore", "Gimbal lock")
        angles = Rotation.from_rotvec(poses).as_euler(order)
    return np.degrees(np.unwrap(angles, axis=0))
