"""Bodies with known truth: posed, shaped, seen by a random camera, and noise on their keypoints.

The protocol that all figures of the project follow: each pose's root is turned by a uniform yaw
and a normal tilt, the betas are standard normal, the camera is a weak perspective.
Everything is a function of a key; functions take one example and are to be vmapped.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import joints, pose_prior
from ief_jax.geometry import camera, rotations

TILT_DEVIATION = 0.15
"""Standard deviation of the camera's tilt about x and about z, radians."""
BOX = (200.0, 400.0)
"""The larger side of a person's keypoint box, pixels: uniform between these."""
IMAGE = (640.0, 480.0)
"""Width and height of the image; a person's box is anywhere inside."""
DISTANCE = (1.8, 8.0)
"""Metres from a perspective camera to the body's origin."""
PITCH = (-0.175, 0.7)
"""Radians by which a perspective camera looks down: -10 to 40 degrees."""
LEVEL = 0.5
"""Share of the perspective cameras that are level but for the tilt."""
FOCAL = (0.6, 2.0)
"""Focal length of a perspective camera, image widths."""
NEAREST = 0.6
"""Metres that a perspective camera keeps from every keypoint."""
FEWEST = 6
"""Keypoints that `add_keypoint_noise` leaves at least, if there are as many."""


class Example(NamedTuple):
    """A body, how it is seen, and its K keypoints.

    Attributes:
      local: [24, 3, 3] joint rotations; the root's includes the view.
      betas: [B] shape coefficients.
      camera: scale and translation, pixels.
      intrinsics: of its lens; an inverse focal length of 0 for weak perspective.
      points: [K, 2] keypoints, pixels.
      confidence: [K] in [0, 1]; 0 for a keypoint that is not seen.
    """

    local: jax.Array
    betas: jax.Array
    camera: camera.WeakPerspective
    intrinsics: camera.Intrinsics
    points: jax.Array
    confidence: jax.Array


def random_view(key: jax.Array, root: jax.Array) -> jax.Array:
    """A root rotation [3, 3] as seen from a random side: uniform yaw, normal tilt."""
    checks.arrays(("root", root, "[3, 3] rotation"))
    yaw_key, tilt_key = jax.random.split(key)
    yaw = jax.random.uniform(yaw_key, (), minval=-jnp.pi, maxval=jnp.pi)
    x, z = TILT_DEVIATION * jax.random.normal(tilt_key, (2,))
    # R <- Rz(n_z) Rx(n_x) Ry(u) R
    turn = rotations.axis_angle_to_matrix(jnp.diag(jnp.stack([x, yaw, z])))
    return turn[2] @ turn[0] @ turn[1] @ root


View = Callable[[jax.Array, joints.JointModel, jax.Array, jax.Array, jax.Array], Example]
"""(key, model, selection, pose, betas) to how that body is seen: `view_body` and its like."""


def example(
    key: jax.Array,
    model: joints.JointModel,
    selection: jax.Array,
    pose: jax.Array,
    view: View | None = None,
) -> Example:
    """A body in a given pose, with random betas, seen by a random camera.

    Args:
      key: random key.
      model: the body.
      selection: [K, P] from the body's points to the keypoints (`skeletons.selection`).
      pose: [24, 3] axis-angle, radians.
      view: how it is seen; `view_body` by default.
    """
    shape_key, view_key = jax.random.split(key)
    betas = jax.random.normal(shape_key, (model.betas,))
    return (view or view_body)(view_key, model, selection, pose, betas)


def view_body(
    key: jax.Array,
    model: joints.JointModel,
    selection: jax.Array,
    pose: jax.Array,
    betas: jax.Array,
) -> Example:
    """As `example`, for a body of given betas [B]."""
    _check_body(model, selection, pose, betas)
    view_key, camera_key = jax.random.split(key)
    local = rotations.axis_angle_to_matrix(pose)
    local = local.at[0].set(random_view(view_key, local[0]))
    points = selection @ joints.positions(model, local, betas)
    view = random_camera(camera_key, points)
    orthographic = camera.Intrinsics(jnp.zeros(()), jnp.asarray(IMAGE) / 2)
    seen = camera.project_weak(view, points)
    return Example(local, betas, view, orthographic, seen, jnp.ones(selection.shape[0]))


def view_body_in_perspective(
    key: jax.Array,
    model: joints.JointModel,
    selection: jax.Array,
    pose: jax.Array,
    betas: jax.Array,
    level: float = LEVEL,
) -> Example:
    """As `view_body`, by a pinhole camera: near, looking down or up, the person anywhere.

    The distance is log-uniform in `DISTANCE`; a share `level` of the cameras are level but for a
    normal tilt, the others pitched uniformly by `PITCH`; the focal length is log-uniform in
    `FOCAL`.
    """
    _check_body(model, selection, pose, betas)
    view_key, pitch_key, distance_key, focal_key, place_key = jax.random.split(key, 5)
    which, pitch = jax.random.uniform(pitch_key, (2,))
    # looking down, the head is nearer: a turn from y to z
    down = jnp.where(which < level, 0.0, PITCH[0] + pitch * (PITCH[1] - PITCH[0]))
    pitched = rotations.axis_angle_to_matrix(down * jnp.array([1.0, 0.0, 0.0]))
    local = rotations.axis_angle_to_matrix(pose)
    local = local.at[0].set(pitched @ random_view(view_key, local[0]))
    points = selection @ joints.positions(model, local, betas)
    width, height = IMAGE
    focal = width * _log_uniform(focal_key, FOCAL)
    # No keypoint is nearer than `NEAREST` to the camera.
    depth = jnp.maximum(_log_uniform(distance_key, DISTANCE), points[:, 2].max() + NEAREST)
    place = jnp.array([width, height]) * (0.15 + 0.7 * jax.random.uniform(place_key, (2,)))
    view = camera.WeakPerspective(focal / depth, place)
    lens = camera.Intrinsics(1 / focal, jnp.array([width, height]) / 2)
    seen = camera.project(view, points, lens)
    return Example(local, betas, view, lens, seen, jnp.ones(selection.shape[0]))


def _check_body(
    model: joints.JointModel, selection: jax.Array, pose: jax.Array, betas: jax.Array
) -> None:
    checks.arrays(
        ("selection", selection, "[K, P] from the body's points to the keypoints"),
        ("pose", pose, "[24, 3] axis-angle, radians"),
        ("betas", betas, "[B] shape coefficients"),
        P=len(model.names),
        B=model.betas,
    )


def _log_uniform(key: jax.Array, between: tuple[float, float]) -> jax.Array:
    low, high = np.log(between)
    return jnp.exp(jax.random.uniform(key, minval=low, maxval=high))


def prior_example(
    key: jax.Array, prior: pose_prior.PosePrior, model: joints.JointModel, selection: jax.Array
) -> Example:
    """As `example`, in a pose drawn from the prior."""
    pose_key, example_key = jax.random.split(key)
    return example(example_key, model, selection, pose_prior.sample(prior, pose_key))


def random_camera(key: jax.Array, points: jax.Array) -> camera.WeakPerspective:
    """A camera that sees body points [K, 3] at a random size and place in the image."""
    checks.arrays(("points", points, "[K, 3] body points, metres"))
    size_key, place_key = jax.random.split(key)
    plane = camera.project_weak(camera.WeakPerspective(jnp.ones(()), jnp.zeros(2)), points)
    lower, upper = plane.min(0), plane.max(0)
    side = jax.random.uniform(size_key, (), minval=BOX[0], maxval=BOX[1])
    scale = side / (upper - lower).max()
    room = jnp.array(IMAGE) - side
    centre = side / 2 + room * jax.random.uniform(place_key, (2,))
    return camera.WeakPerspective(scale, centre - scale * (lower + upper) / 2)


def box_side(points: jax.Array, confidence: jax.Array) -> jax.Array:
    """The larger side of the bounding box of the seen ones of [K, 2] points: [], pixels."""
    checks.arrays(("points", points, "[K, 2] pixels"), ("confidence", confidence, "[K] 0 to 1"))
    seen = (confidence > 0)[:, None]
    lower = jnp.where(seen, points, jnp.inf).min(0)
    upper = jnp.where(seen, points, -jnp.inf).max(0)
    return jnp.where(seen.any(), (upper - lower).max(), 0.0)


def add_keypoint_noise(
    points: jax.Array,
    confidence: jax.Array,
    key: jax.Array,
    noise: float | jax.Array,
    drop: float | jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Keypoints as a detector might give them: moved a little, and some missing.

    Args:
      points: [K, 2] pixels.
      confidence: [K]; keypoints of confidence 0 stay missing.
      key: random key.
      noise: standard deviation per coordinate, as a share of the larger side of the box round
        the seen keypoints.
      drop: probability that a keypoint is hidden; `FEWEST` of them always stay.

    Returns:
      (points [K, 2], confidence [K]); hidden keypoints have coordinates and confidence zero.
    """
    checks.arrays(
        ("points", points, "[K, 2] pixels"),
        ("confidence", confidence, "[K] 0 to 1"),
        ("noise", noise, "[] share of the box"),
        ("drop", drop, "[] probability"),
    )
    noise_key, drop_key = jax.random.split(key)
    moved = points + noise * box_side(points, confidence) * jax.random.normal(
        noise_key, points.shape
    )
    seen = confidence > 0
    chance = jnp.where(seen, jax.random.uniform(drop_key, confidence.shape), -1.0)
    rank = jnp.argsort(jnp.argsort(-chance))
    kept = seen & ((chance >= drop) | (rank < FEWEST))
    return jnp.where(kept[:, None], moved, 0.0), jnp.where(kept, confidence, 0.0)
