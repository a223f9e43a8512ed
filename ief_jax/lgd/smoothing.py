"""Second-order steps over a window of frames: keypoints, each frame's prior, and smooth motion.

As `gauss_newton` does for one frame, these find the most probable motion: bodies of one shape that
explain the keypoints, are near each frame's own prior, and do not accelerate much:

    sum_ti rho(|x^_ti - x_ti|^2 / s_ti^2) + sum_tk rho(|log(P_tk^T R_tk) / p_tk|^2)
        + sum_tj h(|X''_tj| / a) + sum_tk h(l |R''_tk| / a) + sum_tj rho(|X'_tj|^2 / v^2)

over the rotations R_tk and the cameras of all frames t. P are the priors' rotations, X' and X''
first and second differences in time of the joints' places, R'' second ones of the local rotations.
rho is Cauchy's: a stray keypoint, and a limb whose depth the prior mirrors, count little in the
end, and joints that hardly move are held still, others not. h is Huber's, smoothed: bodies may now
and then be stopped. Each step solves, exactly, the normal equations that all this reweights
(Holland and Welsch 1977). These couple each frame with two on either side, and are eliminated block
by block.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import joints, smpl
from ief_jax.geometry import camera, keypoints2d, rotations
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import linear_solve

ACCELERATION = 1.4
"""a: standard deviation of a joint's acceleration while it is below `KNEE`, m / s^2."""
KNEE = 0.25
"""Acceleration from which its cost grows linearly, m / s^2."""
SPEED = 0.15
"""v: standard deviation of the speed of a joint that is held still, m / s."""
HARDLY = 0.015
"""Speed at which a joint has lost half of what holds it still, m / s."""
LEVER = 0.15
"""l: a joint's turn counts as the motion of points so far away from its axis, metres."""
RATE = 30.0
"""Frames a second at which each counts fully; of more frames each counts less."""
OUTLIER = 3.0
"""Standard deviations at which keypoints and priors have lost half of their weight."""
QUADRATIC_STEPS = 4
"""Steps before outliers are told from others: before that, good ones would be taken for such."""
FARTHEST = 10.0
"""Metres at most from the camera: farther away, or where no lens is known, depth says little."""
DAMPING = 0.1
"""1 / rad^2: holds what nothing else does."""
LARGEST_TURN = 0.5
"""Radians that a joint is turned at most by one step."""
PARAMETERS = 3 * smpl.JOINTS + 3
"""Of a frame, M: its joints' turns, the camera's translation and the logarithm of its scale."""


class Body(NamedTuple):
    """What all frames share: the body model, the keypoints' selection [K, P], the betas [B]."""

    model: joints.JointModel
    selection: jax.Array
    betas: jax.Array


class Frames(NamedTuple):
    """What is known of W frames, W even; each with a leading axis of W.

    Attributes:
      observed: keypoints, normalised in one square, with a lens each.
      precision: [W, K] 1 / variance of the keypoints' coordinates; 0 for hidden ones.
      prior: [W, 24, 3, 3] the local rotations that each frame by itself makes most probable.
      prior_precision: [W, 24, 3] 1 / variance of turns from these, 1 / rad^2; 0 for none.
      difference: [W, 3] of `differences`; zeros where a frame before or after is missing.
      rate: [W] of `rates`; zero where the frame after is missing.
      fixed: bool [W] whether a frame is to stay as it is.
    """

    observed: Keypoints2D
    precision: jax.Array
    prior: jax.Array
    prior_precision: jax.Array
    difference: jax.Array
    rate: jax.Array
    fixed: jax.Array


class Path(NamedTuple):
    """A motion: local rotations [W, 24, 3, 3], and the camera of each of the W frames."""

    local: jax.Array
    view: camera.WeakPerspective


def differences(times: jax.Array) -> jax.Array:
    """What of a frame before, of itself and of one after is its acceleration: [T, 3].

    Args:
      times: [T] increasing, seconds.

    Returns:
      Second divided differences times the root of the frame's weight, 1 / s^2; zeros for the first
      and the last.
    """
    checks.arrays(("times", times, "[T] seconds"))
    if len(times) < 3:
        return jnp.zeros((len(times), 3))
    before, after = jnp.diff(times)[:-1], jnp.diff(times)[1:]
    mean = (before + after) / 2
    # X'' = ((X_{t+1} - X_t) / h_{t+1} - (X_t - X_{t-1}) / h_t) / h, weighted by h
    inner = jnp.stack([1 / before, -1 / before - 1 / after, 1 / after], -1) / mean[:, None]
    return jnp.pad(jnp.sqrt(RATE * mean)[:, None] * inner, ((1, 1), (0, 0)))


def rates(times: jax.Array) -> jax.Array:
    """What of the way to the next frame is a frame's velocity: [T].

    Args:
      times: [T] increasing, seconds.

    Returns:
      Inverse durations times the root of the frame's weight, 1 / s; zero for the last.
    """
    checks.arrays(("times", times, "[T] seconds"))
    # X' = (X_{t+1} - X_t) / h, weighted by h
    return jnp.pad(jnp.sqrt(RATE / jnp.diff(times)), (0, 1))


def steps(body: Body, frames: Frames, start: Path, strength: float | jax.Array, count: int) -> Path:
    """The motion after `count` second-order steps from `start`.

    Args:
      body: what all frames share.
      frames: what is known of them.
      start: a motion near the most probable one, such as each frame's own body.
      strength: [] of the smoothness; at 0 frames do not know of one another.
      count: static.
    """
    checks.count("count", count)
    keypoints2d.check_batch(frames.observed, K=len(body.selection))
    checks.arrays(
        ("body.selection", body.selection, "[K, P] from the body's points to the keypoints"),
        ("body.betas", body.betas, "[B] shape coefficients"),
        ("frames.precision", frames.precision, "[W, K] 1 / variance"),
        ("frames.prior", frames.prior, "[W, 24, 3, 3] rotations"),
        ("frames.prior_precision", frames.prior_precision, "[W, 24, 3] 1 / rad^2"),
        ("frames.difference", frames.difference, "[W, 3] second differences"),
        ("frames.rate", frames.rate, "[W] inverse durations"),
        ("frames.fixed", frames.fixed, "bool [W]"),
        ("start.local", start.local, "[W, 24, 3, 3] rotations"),
        ("strength", strength, "[]"),
        P=len(body.model.names),
        B=body.model.betas,
    )
    if len(start.local) % 2:
        raise ValueError(f"start: expected an even number of frames, got {len(start.local)}")

    def step(path: Path, number: jax.Array) -> tuple[Path, None]:
        robust = jnp.where(number < QUADRATIC_STEPS, 0.0, 1.0)
        change = _solve(_normal_equations(body, frames, path, strength, robust))
        return _moved(path, change), None

    return jax.lax.scan(step, start, jnp.arange(count))[0]


class Equations(NamedTuple):
    """Symmetric equations of W frames with M unknowns each, banded.

    Attributes:
      own: [W, M, M] blocks on the diagonal.
      next: [W, M, M] of frame t with t + 1; the last is zero.
      second: [W, M, M] of frame t with t + 2; the last two are zero.
      right: [W, M].
    """

    own: jax.Array
    next: jax.Array
    second: jax.Array
    right: jax.Array


def _normal_equations(
    body: Body, frames: Frames, path: Path, strength: float | jax.Array, robust: jax.Array
) -> Equations:
    """Of a step from `path`; keypoints and priors are robust as far as `robust` is 1, not 0."""
    window = len(path.local)
    near = jax.vmap(_linearised, (None, 0, 0, 0))(body, frames.observed, path.local, path.view)
    free = jnp.where(frames.fixed, 0.0, 1.0)

    # Keypoints: rho(r^2) = c^2 log(1 + r^2 / c^2), so that w = rho' = 1 / (1 + r^2 / c^2)
    squared = (near.missed.reshape(window, -1, 2) ** 2).sum(-1) * frames.precision
    weight = jnp.repeat(frames.precision / (1 + robust * squared / OUTLIER**2), 2, axis=-1)
    image = near.image * free[:, None, None]
    weighted = image * weight[..., None]
    own = _product("tim,tin->tmn", weighted, image)
    right = _product("tim,ti->tm", weighted, near.missed)

    # Priors: log(P^T R exp(turn)) = e + J turn, J = I + [e]_x / 2 + [e]_x^2 / 12 + ...
    error = rotations.matrix_to_axis_angle(
        rotations.compose(jnp.swapaxes(frames.prior, -1, -2), path.local)
    )
    cross = rotations.skew(error)
    by_turn = jnp.eye(3)[None, None] + cross / 2 + rotations.compose(cross, cross) / 12
    squared = (error**2 * frames.prior_precision).sum(-1, keepdims=True)
    weight = frames.prior_precision / (1 + robust * squared / OUTLIER**2) * free[:, None, None]
    pulled = jnp.einsum("tkab,tka->tkb", by_turn, weight * error)
    right -= _of_turns(pulled.reshape(window, -1))
    own += _blocks(jnp.einsum("tkac,tka,tkab->tkcb", by_turn, weight, by_turn))
    held = jnp.where(frames.fixed, 1.0, DAMPING)
    own += held[:, None, None] * jnp.eye(PARAMETERS)[None]

    # Accelerations and velocities of places, accelerations of the rotations' columns:
    # |dR|^2 = 2 |turn|^2
    places = jax.tree.map(
        jnp.add,
        _accelerations(frames.difference, near.places, strength / ACCELERATION),
        _velocities(frames.rate, near.places, strength / SPEED),
    )
    turns = _accelerations(
        frames.difference,
        LEVER / np.sqrt(2) * path.local.reshape(window, smpl.JOINTS, 9),
        strength / ACCELERATION,
    )
    moves = near.moves * free[:, None, None, None]
    # dR = R [turn]_x
    spins = jnp.einsum("tkab,cbd->tkadc", path.local, rotations.skew(jnp.eye(3)))
    spins = LEVER / np.sqrt(2) * spins.reshape(window, smpl.JOINTS, 9, 3)
    spins *= free[:, None, None, None]
    bands = []
    for offset in range(3):
        later, spun = jnp.roll(moves, -offset, 0), jnp.roll(spins, -offset, 0)
        shared = places.shared[offset][..., None, None]
        band = _product("tjxm,tjxn->tmn", moves * shared, later)
        shared = turns.shared[offset][..., None, None]
        bands.append(band + _blocks(jnp.einsum("tkea,tkeb->tkab", spins * shared, spun)))
    right -= _product("tjxm,tjx->tm", moves, places.pull)
    right -= _of_turns(jnp.einsum("tkea,tke->tka", spins, turns.pull).reshape(window, -1))
    return Equations(own + bands[0], bands[1], bands[2], right)


class _Linearised(NamedTuple):
    """One frame near its state: values, and derivatives by its M parameters.

    Attributes:
      missed: [2K] x - x^.
      image: [2K, M] derivative of x^.
      places: [25, 3] the joints around the body's origin, and that origin in the world, metres.
      moves: [25, 3, M] their derivative.
    """

    missed: jax.Array
    image: jax.Array
    places: jax.Array
    moves: jax.Array


def _linearised(
    body: Body, observed: Keypoints2D, local: jax.Array, view: camera.WeakPerspective
) -> _Linearised:
    points = joints.evaluate(body.model, local, body.betas)
    slopes = camera.slopes(observed.points, observed.intrinsics)
    plane = view.scale * camera.along(body.selection @ points.positions, slopes)
    # dX_i / d turn_k = [w x]_ik G_k
    levers = joints.levers(body.model, points)
    by_turn = joints.moved_by_turns(levers[: smpl.JOINTS], points.world)
    moved = joints.moved_by_turns(jnp.tensordot(body.selection, levers, 1), points.world)
    # d x^ = s d(X + Z (x - c) / f) + dt + (x^ - t) d log s
    across = moved[:, :2] * jnp.asarray(camera.FLIP)[None, :, None]
    turning = view.scale * (across + slopes[..., None] * moved[:, 2:])
    shifting = jnp.broadcast_to(jnp.eye(2), (len(plane), 2, 2))
    image = jnp.concatenate([turning, shifting, plane[..., None]], -1)
    missed = observed.points - plane - view.translation[None]
    origin, by_view = _origin(view, observed.intrinsics)
    inner = jnp.pad(by_turn, ((0, 0), (0, 0), (0, 3)))
    outer = jnp.pad(by_view, ((0, 0), (PARAMETERS - 3, 0)))
    return _Linearised(
        missed.reshape(-1),
        image.reshape(-1, PARAMETERS),
        jnp.concatenate([points.positions[: smpl.JOINTS], origin[None]]),
        jnp.concatenate([inner, outer[None]]),
    )


def _origin(
    view: camera.WeakPerspective, lens: camera.Intrinsics | None
) -> tuple[jax.Array, jax.Array]:
    """Where the body's origin is, metres [3], and its derivative [3, 3] by (t, log s)."""
    centre = jnp.zeros(2) if lens is None else lens.centre
    inverse_focal = jnp.zeros(()) if lens is None else lens.inverse_focal
    x, y = (view.translation - centre) / view.scale
    # T_z = f / s; beyond FARTHEST its logarithm, continued smoothly
    near = FARTHEST * view.scale * jnp.maximum(inverse_focal, 1e-6)
    depth = FARTHEST * jnp.where(near > 1, 1 / near, 1 - jnp.log(near))
    by_scale = -FARTHEST / jnp.maximum(near, 1)
    one, zero = 1 / view.scale, jnp.zeros(())
    rows = ((one, zero, -x), (zero, one, -y), (zero, zero, by_scale))
    return jnp.stack([x, y, depth]), jnp.stack([jnp.stack(row) for row in rows])


class _Differences(NamedTuple):
    """Reweighted differences in time of J values in each of W frames.

    Attributes:
      pull: [W, J, n] derivative of half the cost by the values.
      shared: (3 x [W, J]) its second derivative by the values of frames t and t + 0, 1, 2.
    """

    pull: jax.Array
    shared: tuple[jax.Array, ...]


def _accelerations(
    difference: jax.Array, values: jax.Array, factor: float | jax.Array
) -> _Differences:
    """Of values [W, J, n], whose accelerations cost (factor |v''|)^2 where they are small."""
    around = jnp.stack([jnp.roll(values, 1, 0), values, jnp.roll(values, -1, 0)], 1)
    second = jnp.einsum("tc,tcjx->tjx", difference, around)
    # h(r) = 2 k^2 (sqrt(1 + r^2 / k^2) - 1), so that w = 1 / sqrt(1 + r^2 / k^2)
    weight = factor**2 / jnp.sqrt(1 + (second**2).sum(-1) / KNEE**2)

    def of_centre(part: int, array: jax.Array) -> jax.Array:
        """For each frame, of the acceleration that it is the `part` of, 0 to 2."""
        return jnp.roll(array, part - 1, 0)

    pull = jnp.zeros_like(values)
    shared = [jnp.zeros_like(weight)] * 3
    for part in range(3):
        own = difference[:, part, None]
        pull += of_centre(part, (own * weight)[..., None] * second)
        for offset in range(3 - part):
            other = difference[:, part + offset, None]
            shared[offset] = shared[offset] + of_centre(part, own * other * weight)
    return _Differences(pull, tuple(shared))


def _velocities(rate: jax.Array, values: jax.Array, factor: float | jax.Array) -> _Differences:
    """Of values [W, J, n], whose velocities cost (factor |v'|)^2 where they are small."""
    first = rate[:, None, None] * (jnp.roll(values, -1, 0) - values)
    # rho(r) = k^2 log(1 + r^2 / k^2), so that w = 1 / (1 + r^2 / k^2)
    weight = factor**2 / (1 + (first**2).sum(-1) / HARDLY**2)
    pull = (rate[:, None] * weight)[..., None] * first
    both = rate[:, None] ** 2 * weight
    return _Differences(
        jnp.roll(pull, 1, 0) - pull, (jnp.roll(both, 1, 0) + both, -both, jnp.zeros_like(both))
    )


def _moved(path: Path, change: jax.Array) -> Path:
    """The motion after a change [W, M] of its parameters."""
    turn = change[:, :-3].reshape(-1, smpl.JOINTS, 3)
    squared = (turn**2).sum(-1, keepdims=True)
    turn = turn * jax.lax.rsqrt(jnp.maximum(1.0, squared / LARGEST_TURN**2))
    view = camera.WeakPerspective(
        path.view.scale * jnp.exp(jnp.clip(change[:, -1], -0.5, 0.5)),
        path.view.translation + change[:, -3:-1],
    )
    return Path(rotations.compose(path.local, rotations.axis_angle_to_matrix(turn)), view)


def _solve(equations: Equations) -> jax.Array:
    """The unknowns [W, M]: elimination of two frames at a time, then substitution."""
    own, beside, second, right = equations
    size = right.shape[1]
    # Frames two by two: the diagonal, and each pair with the next.
    transposed = jnp.swapaxes(beside[0::2], 1, 2)
    diagonal = _two_by_two(own[0::2], beside[0::2], transposed, own[1::2])
    upper = _two_by_two(second[0::2], jnp.zeros_like(transposed), beside[1::2], second[1::2])

    Pair = tuple[jax.Array, jax.Array]

    def eliminate(carried: Pair, rows: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[Pair, Pair]:
        filled, known = carried
        block, coupling, right = rows
        # S_k = D_k - U_{k-1}^T S_{k-1}^-1 U_{k-1};  S_k^-1 [U_k, y_k]
        both = jnp.concatenate([coupling, (right - known)[:, None]], 1)
        solved = linear_solve.solve(block - filled, both)
        product = _product("im,in->mn", coupling, solved)
        return (product[:, :-1], product[:, -1]), (solved[:, :-1], solved[:, -1])

    rights = right.reshape(-1, 2 * size)
    zero = (jnp.zeros_like(diagonal[0]), jnp.zeros_like(rights[0]))
    _, (couplings, solved) = jax.lax.scan(eliminate, zero, (diagonal, upper, rights))

    def substitute(after: jax.Array, rows: Pair) -> tuple[jax.Array, jax.Array]:
        # x_k = y_k - S_k^-1 U_k x_{k+1}
        here = rows[1] - _product("mn,n->m", rows[0], after)
        return here, here

    start = jnp.zeros_like(rights[0])
    _, found = jax.lax.scan(substitute, start, (couplings, solved), reverse=True)
    return found.reshape(-1, size)


def _two_by_two(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> jax.Array:
    """[[A, B], [C, D]] of blocks [N, M, M]: [N, 2M, 2M]."""
    return jnp.concatenate([jnp.concatenate([a, b], 2), jnp.concatenate([c, d], 2)], 1)


def _blocks(blocks: jax.Array) -> jax.Array:
    """Blocks of the joints' turns [W, 24, 3, 3] as matrices of all parameters [W, M, M]."""
    spread = jnp.einsum("tkab,kl->tkalb", blocks, jnp.eye(smpl.JOINTS))
    size = 3 * smpl.JOINTS
    return jnp.pad(spread.reshape(-1, size, size), ((0, 0), (0, 3), (0, 3)))


def _of_turns(values: jax.Array) -> jax.Array:
    """Of the turns [W, 72], as of all parameters [W, M]."""
    return jnp.pad(values, ((0, 0), (0, 3)))


def _product(axes: str, a: jax.Array, b: jax.Array) -> jax.Array:
    """`einsum` in full float32, on accelerators that would round it."""
    return jnp.einsum(axes, a, b, precision=jax.lax.Precision.HIGHEST)
