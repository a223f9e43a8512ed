"""People who are turned in the image are fitted as if they stood upright, and turned back.

So a person is fitted equally well whichever way up the picture is; ours, not the paper's.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d, rotations
from ief_jax.lgd.parameters import Body

HEIGHTS = {
    "head_top": (1.0, 0.3),
    "nose": (0.9, 0.1),
    "left_eye": (0.92, 0.1),
    "right_eye": (0.92, 0.1),
    "left_ear": (0.92, 0.1),
    "right_ear": (0.92, 0.1),
    "upper_neck": (0.86, 0.5),
    "neck": (0.8, 1.0),
    "left_shoulder": (0.8, 1.0),
    "right_shoulder": (0.8, 1.0),
    "mid_hip": (0.52, 1.0),
    "left_hip": (0.52, 1.0),
    "right_hip": (0.52, 1.0),
    "left_knee": (0.28, 0.05),
    "right_knee": (0.28, 0.05),
    "left_ankle": (0.05, 0.02),
    "right_ankle": (0.05, 0.02),
}
"""Keypoints of the trunk and near it: height when standing, as a share, and how much it counts."""


def heights(layout: tuple[str, ...]) -> np.ndarray:
    """`HEIGHTS` of a layout's keypoints: float32 [K, 2], zero for those without one."""
    return np.array([HEIGHTS.get(name, (0.0, 0.0)) for name in layout], np.float32)


def turn(observed: keypoints2d.Keypoints2D, layout_heights: np.ndarray) -> jax.Array:
    """How far a person's trunk is turned in the image: [] radians, clockwise; 0 for upright.

    Args:
      observed: the keypoints.
      layout_heights: [K, 2] of `heights`.
    """
    keypoints2d.check(observed, K=len(layout_heights))
    height = jnp.asarray(layout_heights[:, 0])
    weights = jnp.asarray(layout_heights[:, 1]) * observed.weights
    total = jnp.maximum(weights.sum(), 1e-9)
    points = jnp.where((weights > 0)[:, None], observed.points, 0.0)
    centred = points - (weights[:, None] * points).sum(0, keepdims=True) / total
    risen = height - (weights * height).sum() / total
    # The direction in which heights grow: of the least-squares fit of the points on them.
    up = ((weights * risen)[:, None] * centred).sum(0)
    known = (up**2).sum() > 1e-12
    return jnp.arctan2(jnp.where(known, up[0], 0.0), jnp.where(known, -up[1], 1.0))


def turn_body(
    model: joints.JointModel,
    body: Body,
    view: camera.WeakPerspective,
    angle: jax.Array,
) -> tuple[Body, camera.WeakPerspective]:
    """A body and its camera after the image was turned by `angle` about its origin.

    Args:
      model: the body model.
      body: the body.
      view: its camera.
      angle: [] radians, clockwise as one sees the image.
    """
    checks.arrays(("angle", angle, "[] radians"))
    local = body.local.at[0].set(_about_z(angle) @ body.local[0])
    # The root turns about the pelvis, which itself stays where it is in the body's world.
    pelvis = (model.joint_template[0] + model.joint_shapes[0] @ body.betas)[:2] * camera.FLIP
    seen = view.scale * pelvis + view.translation
    translation = keypoints2d.turned(seen, angle) - view.scale * pelvis
    return Body(local, body.betas), camera.WeakPerspective(view.scale, translation)


def turn_points(points: jax.Array, angle: jax.Array) -> jax.Array:
    """The points [P, 3] of a body, its pelvis first, after `turn_body`."""
    checks.arrays(("points", points, "[P, 3] metres"), ("angle", angle, "[] radians"))
    pelvis = points[:1]
    return rotations.rotate(_about_z(angle)[None], points - pelvis) + pelvis


def _about_z(angle: jax.Array) -> jax.Array:
    # y runs down in the image and up in the body's world: the other sense about z
    return rotations.axis_angle_to_matrix(-angle * jnp.array([0.0, 0.0, 1.0]))


def to_square(
    model: joints.JointModel,
    body: Body,
    view: camera.WeakPerspective,
    square: keypoints2d.Square,
) -> tuple[Body, camera.WeakPerspective]:
    """A body and its camera of pixels to those of the normalised, upright coordinates."""
    moved = camera.WeakPerspective(
        view.scale / square.half, (view.translation - square.centre) / square.half
    )
    return turn_body(model, body, moved, -square.turn)


def to_pixels(
    model: joints.JointModel,
    body: Body,
    view: camera.WeakPerspective,
    square: keypoints2d.Square,
) -> tuple[Body, camera.WeakPerspective]:
    """The inverse of `to_square`."""
    body, view = turn_body(model, body, view, square.turn)
    return body, camera.WeakPerspective(
        view.scale * square.half, view.translation * square.half + square.centre
    )
