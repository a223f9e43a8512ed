"""How people hold themselves: by how much knees, trunk and head are bent or tilted, in degrees.

Biases show in these that a mean error of joints hides: people who stand come out crouching by a
few degrees each. Ours, not of the paper.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ief_jax import checks
from ief_jax.body import joints, smpl
from ief_jax.lgd import parameters


class Posture(NamedTuple):
    """Of one person, degrees, as the camera sees it: y up, z towards the viewer.

    Attributes:
      knees: [2] flexion of the left and the right knee; 0 where the leg is straight.
      trunk: [] how far the shoulders are tilted towards the viewer, over the hips.
      head: [] how far the face is raised above the horizontal; negative where the head hangs.
    """

    knees: jax.Array
    trunk: jax.Array
    head: jax.Array


def of_body(model: joints.JointModel, body: parameters.Body) -> Posture:
    """The posture of one body.

    Args:
      model: of `joints.fold`.
      body: its rotations, the root's with the view, and betas.

    Raises:
      ValueError: the body has another number of joints or betas than the model.
    """
    checks.arrays(("body.local", body.local, "[24, 3, 3] rotations of the joints"))
    parameters.check(body, model.betas, "body")
    place = dict(zip(smpl.JOINT_NAMES, joints.positions(model, *body)[: smpl.JOINTS], strict=True))
    knees = [
        # The angle between thigh and shank
        _angle(
            place[f"{side}_knee"] - place[f"{side}_hip"],
            place[f"{side}_ankle"] - place[f"{side}_knee"],
        )
        for side in ("left", "right")
    ]
    middle = {
        part: (place[f"left_{part}"] + place[f"right_{part}"]) / 2 for part in ("hip", "shoulder")
    }
    up = middle["shoulder"] - middle["hip"]
    head = smpl.world_rotations(body.local, model.parents)[smpl.JOINT_NAMES.index("head")]
    ahead = head[:, 2]
    return Posture(
        jnp.stack(knees),
        jnp.degrees(jnp.arctan2(up[2], up[1])),
        jnp.degrees(jnp.arctan2(ahead[1], jnp.hypot(ahead[0], ahead[2]))),
    )


def _angle(one: jax.Array, other: jax.Array) -> jax.Array:
    """Between two vectors [3], degrees; exact where it is small."""
    return jnp.degrees(jnp.arctan2(jnp.linalg.norm(jnp.cross(one, other)), one @ other))
