"""The motion of one person as AMASS has it: an npz that its players open."""

import os
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from ief_jax.body import motion as motions
from ief_jax.body import smpl
from ief_jax.body.motion import Motion
from ief_jax.body.poses import BODY
from ief_jax.io.files import replacing

POSE = 156
"""Numbers of a pose of SMPL+H: 22 joints of the body, 30 of the fingers, which are at rest."""

_UPRIGHT = Rotation.from_euler("x", 90, degrees=True)
"""AMASS's z points up, the body model's y: (x, y, z) -> (x, -z, y)."""


def write(
    path: str | os.PathLike[str],
    body: smpl.BodyModel,
    person: Motion,
    fps: float,
    gender: str = "neutral",
    further: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Writes the motion of one person.

    The file's arrays, by key:
      poses [T, 156]: axis-angle, radians, the root first, in SMPL+H's order; hands are at rest.
      betas [B]; gender: of the body model.
      trans [T, 3]: metres, z up. The camera is at the origin and looks along +y.
      mocap_frame_rate, mocap_framerate: frames per second (SMPL-X's AMASS has the one name,
        SMPL+H's the other).
      times [T]: seconds.
    and what is in `further`.

    Args:
      path: ends in .npz.
      body: the body model.
      person: the motion, y up (`Motion`).
      fps: frames per second.
      gender: of the body model.
      further: arrays to be written beside these, by key.

    Raises:
      OutputError: the file cannot be written.
      ValueError: the motion's arrays do not belong together, or `further` has a key from above.
    """
    motions.check(person)
    poses = np.zeros((len(person.times), POSE), np.float32)
    poses[:, :BODY] = person.poses.reshape(len(person.times), -1)[:, :BODY]
    poses[:, :3] = (_UPRIGHT * Rotation.from_rotvec(person.poses[:, 0])).as_rotvec()
    root = np.asarray(smpl.shape(body, jnp.asarray(person.betas, jnp.float32)).joints[0])
    # The body turns about its root J: A (R (v - J) + J + t) = A R (v - J) + J + t'
    trans = _UPRIGHT.apply(person.trans + root) - root
    arrays: dict[str, Any] = {
        "poses": poses,
        "betas": np.asarray(person.betas, np.float32),
        "gender": np.array(gender),
        "trans": trans.astype(np.float32),
        "mocap_frame_rate": np.array(float(fps)),
        "mocap_framerate": np.array(float(fps)),
        "times": np.asarray(person.times, np.float64),
    }
    taken = sorted(set(arrays) & set(further or {}))
    if taken:
        raise ValueError(f"further: expected other keys than {', '.join(taken)}")
    with replacing(path) as file:
        np.savez_compressed(file, **(arrays | dict(further or {})))
