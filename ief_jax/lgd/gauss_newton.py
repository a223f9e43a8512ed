"""Second-order steps on the reprojection error under a Gaussian prior over bodies.

The prior is the network's (`lgd.belief`): the body that the learned steps have led to, how sure the
network is of each angle, and which errors go together. The steps find the most probable body that
also explains the keypoints (MAP). They run in the same loop as everything else: the state is the
displacement from the prior's mean, its start is zero.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks, loop
from ief_jax.body import joints, smpl
from ief_jax.geometry import camera, keypoints2d, rotations
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import linear_solve, parameters
from ief_jax.lgd.parameters import Body


class Displacement(NamedTuple):
    """How a body differs from the prior's mean.

    Attributes:
      turn: [24, 3] axis-angle, applied to each joint in its own frame: R_k exp(turn_k).
      betas: [B] added to the betas.
    """

    turn: jax.Array
    betas: jax.Array


class GaussianPrior(NamedTuple):
    """A Gaussian over bodies.

    Attributes:
      body: the most probable body before the keypoints are taken into account.
      turn_deviation: [24, 3] standard deviation of `Displacement.turn`, radians.
      betas_deviation: [B] of `Displacement.betas`.
      correlation: [M, M] of the M = 72 + B coordinates, turns first.
    """

    body: Body
    turn_deviation: jax.Array
    betas_deviation: jax.Array
    correlation: jax.Array


TYPICAL_NOISE = 0.01
"""Deviation of a keypoint's coordinates, normalised image units."""


def displaced(body: Body, by: Displacement) -> Body:
    """The body R_k exp(turn_k), beta + d_beta."""
    turned = rotations.compose(body.local, rotations.axis_angle_to_matrix(by.turn))
    return Body(turned, body.betas + by.betas)


def at_rest(prior: GaussianPrior) -> Displacement:
    """No displacement: the prior's mean."""
    return Displacement(jnp.zeros_like(prior.turn_deviation), jnp.zeros_like(prior.betas_deviation))


class Motion(NamedTuple):
    """How N points move with the displacement over its deviations, to first order.

    Attributes:
      levers: [N, 24, 3] as `joints.levers` has them.
      axes: [24, 3, 3] in the world, about which `Displacement.turn` turns each joint.
      by_betas: [N, 3, B] derivative by the betas.
      deviations: [M] of the displacement.
    """

    levers: jax.Array
    axes: jax.Array
    by_betas: jax.Array
    deviations: jax.Array

    def derivative(self) -> jax.Array:
        """[N, 3, M]."""
        by_turns = joints.moved_by_turns(self.levers, self.axes)
        return jnp.concatenate([by_turns, self.by_betas], -1) * self.deviations[None, None]


class Linearised(NamedTuple):
    """The keypoints near a displacement d: x^(d') = x - target + rows (d' / s_d).

    Both are weighted by the square root of the confidences, and the three directions in which
    the camera moves the keypoints are projected out (variable projection).

    Attributes:
      rows: [2K, M] derivative A of the keypoints by the displacement over its deviations.
      correlated: [2K, M] A C, C the prior's correlation.
      target: [2K] x - x^(d) + A d.
      offset: [M] d / s_d.
      unused: [] dimensions of the 2K that hold nothing: hidden keypoints and the camera.
      joints: how the 24 joints move.
    """

    rows: jax.Array
    correlated: jax.Array
    target: jax.Array
    offset: jax.Array
    unused: jax.Array
    joints: Motion


class Measurement(NamedTuple):
    """What is measured.

    Attributes:
      model: the body model.
      selection: [K, P] from the body's points to the keypoints.
      observed: the keypoints.
      deviation: [K] of each keypoint's coordinates, relative to one another.
    """

    model: joints.JointModel
    selection: jax.Array
    observed: Keypoints2D
    deviation: jax.Array


def linearise(measurement: Measurement, prior: GaussianPrior, at: Displacement) -> Linearised:
    """The keypoints as a linear function of the displacement, near `at`."""
    model, selection, observed, deviation = measurement
    checks.arrays(("selection", selection, "[K, P] to the keypoints"), P=len(model.names))
    keypoints2d.check(observed, K=len(selection))
    parameters.check(prior.body, model.betas, "prior.body")
    checks.arrays(
        ("deviation", deviation, "[K] of the keypoints"),
        ("prior.turn_deviation", prior.turn_deviation, "[24, 3] radians"),
        ("prior.betas_deviation", prior.betas_deviation, "[B]"),
        ("prior.correlation", prior.correlation, "[M, M] of turns and betas"),
        ("at.turn", at.turn, "[24, 3] axis-angle, radians"),
        ("at.betas", at.betas, "[B]"),
        B=model.betas,
        M=3 * smpl.JOINTS + model.betas,
        K=len(selection),
    )
    count = selection.shape[0]
    body = displaced(prior.body, at)
    points = joints.evaluate(model, body.local, body.betas)
    keypoints = selection @ points.positions
    root = jnp.where(observed.confidence > 0, TYPICAL_NOISE / deviation, 0.0)
    view = camera.solve_weak(keypoints, observed.points, root**2, observed.intrinsics)
    slopes = camera.slopes(observed.points, observed.intrinsics)
    # dX_i / d turn_k = [w x]_ik G_k J_r(turn_k)
    axes = rotations.compose(points.world, rotations.right_jacobian(at.turn))
    spread = jnp.concatenate([prior.turn_deviation.reshape(-1), prior.betas_deviation])
    moved = Motion(joints.levers(model, points), axes, points.shape_jacobian, spread)
    by_all = moved._replace(
        levers=jnp.tensordot(selection, moved.levers, 1),
        by_betas=jnp.tensordot(selection, moved.by_betas, 1),
    ).derivative()
    # d x^ = s d(X + Z (x - c) / f)
    across = by_all[:, :2] * jnp.asarray(camera.FLIP)[None, :, None]
    jacobian = view.scale * (across + slopes[:, :, None] * by_all[:, 2:])
    offset = jnp.concatenate([at.turn.reshape(-1), at.betas]) / spread
    estimate = view.scale * camera.along(keypoints, slopes) + view.translation[None]
    residual = observed.points - estimate + jacobian @ offset
    root = root[:, None]
    free = _camera_directions(estimate, root)
    hidden = (observed.confidence <= 0).sum()
    rows = _without(free, (root[..., None] * jacobian).reshape(2 * count, -1))
    return Linearised(
        rows,
        jnp.matmul(rows, prior.correlation, precision=jax.lax.Precision.HIGHEST),
        _without(free, (root * residual).reshape(-1, 1))[:, 0],
        offset,
        2 * hidden + 3,
        moved._replace(levers=moved.levers[: smpl.JOINTS], by_betas=moved.by_betas[: smpl.JOINTS]),
    )


NOISES = np.geomspace(1e-3, 0.4, 10, dtype=np.float32)
"""Deviations that are thought possible of a keypoint whose deviation is said to be typical,
normalised image units."""


def log_evidence(near: Linearised) -> jax.Array:
    """How probable the keypoints are under each of `NOISES`, given the prior: [S] log densities.

    The marginal likelihood (MacKay 1992): exact keypoints can be followed to the millimetre,
    noisy ones must not be, and which they are shows in whether a believable body explains them.
    """
    noises = jnp.asarray(NOISES)
    found = linear_solve.shifted(_gram(near), near.target, noises**2)
    # log N(target; 0, A C A^T + s^2 I), less the dimensions that hold nothing
    return near.unused * jnp.log(noises) - 0.5 * (found.log_determinant + found.form)


def most_likely_noise(near: Linearised) -> jax.Array:
    """The noise, of `NOISES`, under which the keypoints are most probable given the prior: []."""
    return jnp.asarray(NOISES)[jnp.argmax(log_evidence(near))]


EVEN_NOISE = 0.007
NOISE_EXAGGERATION = 0.6
"""Chosen on validation subjects: errors fall by 1 to 3 %, on exact keypoints and on noisy ones."""


def assumed_noise(likely: jax.Array) -> jax.Array:
    """The noise that steps assume: the most likely one, taken further from `EVEN_NOISE`: [].

    The prior was made of the same keypoints. Where they are noisy it has followed them a part of
    the way, and the evidence thinks them better than they are; where they are exact it has not
    come as near as they deserve, and they are thought worse. Ours.
    """
    # s' = s (s / s_e)^b
    return likely * (likely / EVEN_NOISE) ** NOISE_EXAGGERATION


def correction(
    measurement: Measurement, prior: GaussianPrior, noise: jax.Array
) -> Callable[[Displacement, jax.Array], Displacement]:
    """One Gauss-Newton step towards the most probable displacement, for `loop.refine`.

    Minimises z^T C^-1 z + sum_i |x^_i(d) - x_i|^2 / (s s_i)^2 over d = s_d z and the camera, C
    being the prior's correlation. After linearisation the minimum is (the update of an iterated
    Kalman filter, Bell and Cathey 1993)

        d' = s_d C A^T (A C A^T + s^2 I)^-1 (x - x^(d) + A d / s_d)

    with A = `Linearised.rows`: a system as large as the keypoints' 2K coordinates.

    Args:
      measurement: body and keypoints of one example.
      prior: where the body is thought to be.
      noise: [] standard deviation s of the keypoints' coordinates.
    """

    def correct(at: Displacement, t: jax.Array) -> Displacement:
        del t
        return _to_minimum(linearise(measurement, prior, at), prior, noise)

    return correct


def _to_minimum(near: Linearised, prior: GaussianPrior, noise: jax.Array) -> Displacement:
    """d' - d of `correction`'s equation."""
    best = near.correlated.T @ linear_solve.solve(_innovation(near, noise), near.target)
    turn, betas = jnp.split(best - near.offset, [3 * smpl.JOINTS])
    return Displacement(
        turn.reshape(smpl.JOINTS, 3) * prior.turn_deviation, betas * prior.betas_deviation
    )


def most_probable(measurement: Measurement, prior: GaussianPrior, steps: int) -> Body:
    """The body after `steps` Gauss-Newton steps, to train through: as `map_estimate`'s.

    Written out step by step and without the spread, it is differentiated in half the time.
    """
    checks.count("steps", steps)
    at = at_rest(prior)
    likely = most_likely_noise(jax.lax.stop_gradient(linearise(measurement, prior, at)))
    correct = correction(measurement, prior, assumed_noise(likely))
    for step in range(steps):
        at = jax.tree.map(jnp.add, at, correct(at, jnp.asarray(step)))
    return displaced(prior.body, at)


class Spread(NamedTuple):
    """Standard deviations of the 24 joints from the pelvis, metres.

    Attributes:
      image: [24] along either axis of the image.
      depth: [24] along the line of sight.
    """

    image: jax.Array
    depth: jax.Array


def joint_spread(near: Linearised, correlation: jax.Array, noise: jax.Array) -> Spread:
    """How far off the joints of the most probable body may be, to first order.

    The covariance of the displacement, in units of its deviations s_d, is that of `correction`'s
    Gaussian, C - C A^T (A C A^T + s^2 I)^-1 A C (Bell and Cathey 1993), the camera being free; the
    joints move with it by their derivative.

    Args:
      near: the keypoints near that body.
      correlation: [M, M] C, the prior's.
      noise: [] standard deviation s of the keypoints' coordinates.
    """
    moved = near.joints.derivative()
    moved = (moved - moved[:1]).reshape(3 * smpl.JOINTS, -1)
    # diag(J C J^T - (A C J^T)^T (A C A^T + s^2 I)^-1 (A C J^T))
    crossed = jnp.matmul(near.correlated, moved.T, precision=jax.lax.Precision.HIGHEST)
    explained = (crossed * linear_solve.solve(_innovation(near, noise), crossed)).sum(0)
    before = (jnp.matmul(moved, correlation, precision=jax.lax.Precision.HIGHEST) * moved).sum(1)
    variance = jnp.maximum(before - explained, 1e-8).reshape(smpl.JOINTS, 3)
    return Spread(jnp.sqrt((variance[:, 0] + variance[:, 1]) / 2), jnp.sqrt(variance[:, 2]))


class Estimate(NamedTuple):
    """Where second-order steps led.

    Attributes:
      bodies: after 1 .. S steps, a leading axis of S.
      noise: [] that was settled on: of a keypoint whose deviation is typical.
      spread: how far off the last one's joints may be.
    """

    bodies: Body
    noise: jax.Array
    spread: Spread


def map_estimate(measurement: Measurement, prior: GaussianPrior, steps: int) -> Estimate:
    """The bodies after 1 .. `steps` Gauss-Newton steps from the prior's mean, for one example.

    The noise is settled on before the first step; it is piecewise constant in the keypoints and
    taken as a constant by derivatives.
    """
    checks.count("steps", steps)

    def correct(
        state: tuple[Displacement, jax.Array], t: jax.Array
    ) -> tuple[tuple[Displacement, jax.Array], Spread]:
        at, noise = state
        near = linearise(measurement, prior, at)
        settled = jax.lax.cond(
            t == 0, lambda: most_likely_noise(jax.lax.stop_gradient(near)), lambda: noise
        )
        unknown = jnp.zeros(smpl.JOINTS)
        change, spread = jax.lax.cond(
            t < steps,
            lambda: (_to_minimum(near, prior, assumed_noise(settled)), Spread(unknown, unknown)),
            lambda: (
                jax.tree.map(jnp.zeros_like, at),
                joint_spread(near, prior.correlation, settled),
            ),
        )
        return (change, settled - noise), spread

    # The noise is part of the state, and the last turn of the loop moves nothing but looks how far
    # off the joints may be: so bodies are looked at in one place, which is compiled once.
    start = (at_rest(prior), jnp.zeros(()))
    (visited, noise), spread = loop.refine_traced(correct, start, steps + 1)
    visited = jax.tree.map(lambda d: d[1 : steps + 1], visited)
    bodies = jax.vmap(lambda d: displaced(prior.body, d))(visited)
    return Estimate(bodies, noise[-1], jax.tree.map(lambda each: each[-1], spread))


def _innovation(near: Linearised, noise: jax.Array) -> jax.Array:
    """A C A^T + s^2 I."""
    return _gram(near) + noise**2 * jnp.eye(len(near.rows))


def _gram(near: Linearised) -> jax.Array:
    """A C A^T, its diagonal raised by what float32 cannot resolve, so that it stays positive."""
    # In full float32 on accelerators too: less is far more than the 3e-7.
    gram = jnp.matmul(near.correlated, near.rows.T, precision=jax.lax.Precision.HIGHEST)
    return gram + 3e-7 * jnp.trace(gram) * jnp.eye(len(gram))


def _camera_directions(estimate: jax.Array, root: jax.Array) -> jax.Array:
    """Orthonormal directions [2K, 3] in which weighted keypoints move with the camera."""
    count = len(estimate)
    one, zero = jnp.ones((count, 1)), jnp.zeros((count, 1))
    mean = (root**2 * estimate).sum(0, keepdims=True) / jnp.maximum((root**2).sum(), 1e-9)
    # d x^ / d t_x, d x^ / d t_y, d x^ / d log s: orthogonal, the last being centred
    columns = [jnp.concatenate(c, 1) for c in ([one, zero], [zero, one])]
    columns.append(estimate - mean)
    matrix = jnp.stack([(root * c).reshape(-1) for c in columns], -1)
    return matrix * jax.lax.rsqrt((matrix**2).sum(0, keepdims=True) + 1e-9)


def _without(directions: jax.Array, rows: jax.Array) -> jax.Array:
    """Projects [2K, n] onto the complement of orthonormal `directions` [2K, 3]."""
    return rows - directions @ (directions.T @ rows)
