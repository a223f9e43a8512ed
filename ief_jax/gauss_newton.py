"""Second-order steps on the reprojection error under a Gaussian belief about the body.

The belief says where the body is thought to be and how sure that is, angle by angle; the steps
find the most probable body that also explains the keypoints. They run in the same loop as
everything else: the state is the displacement from the believed body, its start is zero.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ief_jax import camera, joints, rotations, smpl
from ief_jax.observations import Observation
from ief_jax.parameters import Body


class Displacement(NamedTuple):
    """How a body differs from the believed one.

    Attributes:
      turn: [24, 3] axis-angle, applied to each joint in its own frame: R_k exp(turn_k).
      betas: [B] added to the betas.
    """

    turn: jax.Array
    betas: jax.Array


class Belief(NamedTuple):
    """A Gaussian over bodies, and over what the keypoints' errors are.

    Attributes:
      body: the most probable body before the keypoints are looked at.
      turn_deviation: [24, 3] standard deviation of `Displacement.turn`, radians.
      betas_deviation: [B] of `Displacement.betas`.
      point_deviation: [K] of each keypoint's coordinates, normalised image units.
    """

    body: Body
    turn_deviation: jax.Array
    betas_deviation: jax.Array
    point_deviation: jax.Array


LEAST_DEVIATION = 2e-3
"""Lower bound of every deviation, radians, betas and normalised image units alike."""


def outputs(betas: int, keypoints: int) -> int:
    """How many numbers `belief` takes."""
    return 3 * smpl.JOINTS + betas + keypoints


def belief(body: Body, logits: jax.Array) -> Belief:
    """A belief about `body` from what a network says, [outputs]."""
    # s = s_min + s_0 exp(l), with a typical s_0 for each kind
    turns = 3 * smpl.JOINTS
    turn, betas, points = jnp.split(logits, [turns, turns + body.betas.shape[-1]])
    grow = lambda typical, logit: LEAST_DEVIATION + typical * jnp.exp(jnp.clip(logit, -5, 3))  # noqa: E731
    return Belief(
        body,
        grow(0.15, turn).reshape(smpl.JOINTS, 3),
        grow(0.8, betas),
        grow(0.01, points),
    )


def displaced(body: Body, by: Displacement) -> Body:
    """The body R_k exp(turn_k), beta + d_beta."""
    turned = rotations.compose(body.local, rotations.axis_angle_to_matrix(by.turn))
    return Body(turned, body.betas + by.betas)


def nowhere(betas: int) -> Displacement:
    """The start of the loop: no displacement."""
    return Displacement(jnp.zeros((smpl.JOINTS, 3)), jnp.zeros(betas))


def correction(
    belief: Belief, model: joints.JointModel, selection: jax.Array, observed: Observation
) -> Callable[[Displacement, jax.Array], Displacement]:
    """One Gauss-Newton step towards the most probable displacement, for `feedback.refine`.

    Minimises |d / s_d|^2 + sum_i c_i |(x^_i(d) - x_i) / s_i|^2 over d and the camera. With the
    keypoints' equations divided by their deviations and the camera's three directions projected
    out (variable projection), x^(d + e) = x^(d) + A e has the minimum

        d' = S A^T (A S A^T + I)^-1 (x - x^(d) + A d)

    where S is the belief's diagonal covariance: the update of an iterated Kalman filter (Bell
    and Cathey 1993), a 2K x 2K system.

    Args:
      belief: prior over the body.
      model, selection: the body's points and the [K, P] matrix that reads keypoints off them.
      observed: normalised keypoints.
    """
    count = selection.shape[0]
    spread = jnp.concatenate([belief.turn_deviation.reshape(-1), belief.betas_deviation])
    weights = observed.confidence / belief.point_deviation**2
    whitening = jnp.sqrt(weights)[:, None]

    def correct(at: Displacement, t: jax.Array) -> Displacement:
        del t
        body = displaced(belief.body, at)
        points = joints.evaluate(model, body.local, body.betas)
        keypoints = selection @ points.positions
        view = camera.solve_weak(keypoints, observed.points, weights)
        # dX_i / d turn_k = [w x]_ik G_k J_r(turn_k)
        axes = rotations.compose(points.world, rotations.right_jacobian(at.turn))
        by_world = jnp.tensordot(selection, joints.rotation_jacobian(model, points), 1)
        by_turn = rotations.compose(by_world, axes[None])[:, :, :2]
        by_betas = jnp.tensordot(selection, points.shape_jacobian[:, :2], 1)
        by_all = jnp.concatenate([by_turn.swapaxes(1, 2).reshape(count, 2, -1), by_betas], -1)
        jacobian = view.scale * jnp.asarray(camera.FLIP)[None, :, None] * by_all
        estimate = camera.project_weak(view, keypoints)
        offset = jnp.concatenate([at.turn.reshape(-1), at.betas])
        # x - x^(d) + A d
        residual = observed.points - estimate + jacobian @ offset
        free = _camera_directions(estimate, whitening)
        target = _without(free, (whitening * residual).reshape(-1, 1))
        rows = _without(free, (whitening[..., None] * jacobian).reshape(2 * count, -1)) * spread
        gram = rows @ rows.T + jnp.eye(2 * count)
        factor = jax.scipy.linalg.cho_factor(gram, lower=True)
        best = spread * (rows.T @ jax.scipy.linalg.cho_solve(factor, target))[:, 0]
        turn, betas = jnp.split(best - offset, [3 * smpl.JOINTS])
        return Displacement(turn.reshape(smpl.JOINTS, 3), betas)

    return correct


def _camera_directions(estimate: jax.Array, whitening: jax.Array) -> jax.Array:
    """Orthonormal directions [2K, 3] in which whitened keypoints move with the camera."""
    count = len(estimate)
    one, zero = jnp.ones((count, 1)), jnp.zeros((count, 1))
    mean = (whitening**2 * estimate).sum(0) / jnp.maximum((whitening**2).sum(), 1e-9)
    # d x^ / d t_x, d x^ / d t_y, d x^ / d log s: orthogonal, the last being centred
    columns = [jnp.concatenate(c, 1) for c in ([one, zero], [zero, one])]
    columns.append(estimate - mean)
    matrix = jnp.stack([(whitening * c).reshape(-1) for c in columns], -1)
    return matrix * jax.lax.rsqrt((matrix**2).sum(0) + 1e-9)


def _without(directions: jax.Array, rows: jax.Array) -> jax.Array:
    """Projects [2K, n] onto the complement of orthonormal `directions` [2K, 3]."""
    return rows - directions @ (directions.T @ rows)
