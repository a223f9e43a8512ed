"""One person's keypoints over many frames to one smooth motion: pixels in, pixels and metres out.

Each frame is fitted by itself, as `fitting.fit` does; from all of them come the person's one shape
and how exact the keypoints are; then `smoothing.steps` find the motion, window by window: programs
are compiled once, and of memory only what each frame has by itself grows with their number.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ief_jax import checks
from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d, rotations, skeletons
from ief_jax.io import checkpoint_files
from ief_jax.lgd import (
    belief,
    build,
    checkpoints,
    fitting,
    gauss_newton,
    inference,
    reprojection,
    smoothing,
    uncertainty,
    upright,
)
from ief_jax.lgd.config import LGDConfig
from ief_jax.lgd.fitting import Bodies
from ief_jax.lgd.parameters import Body, Theta

T = TypeVar("T")

WINDOW = 64
"""Frames that are fitted, and then smoothed, together."""
AHEAD = 16
"""Of these, how many at a window's end are only looked at: the next window settles them."""
BEHIND = 2
"""How many at a window's beginning stay as the window before left them."""
STEPS = 12
"""Second-order steps of each window."""
LENS_FRAMES = 31
"""Frames over which the middle of an assumed lens follows the person."""


def fit(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: ArrayLike,
    confidence: ArrayLike,
    times: ArrayLike,
    intrinsics: camera.Intrinsics | None = None,
    strength: float | jax.Array = 1.0,
) -> Bodies:
    """Fits one moving body to T frames of one person.

    Args:
      checkpoint: of `checkpoints.load`, one with second-order steps.
      model: the body, of `joints.fold`.
      points: [T, 27, 2] keypoints in pixels, in `skeletons.UNION_27`'s order.
      confidence: [T, 27] in [0, 1]; keypoints of confidence 0 are ignored. In frames without any,
        the body moves on as smoothly as the others let it.
      times: [T] of the frames, increasing, seconds.
      intrinsics: as in `fitting.fit`.
      strength: [] of the smoothness; 1 for people who walk, dance or stand, less for those who
        move more abruptly. At 0 only the shape is shared.

    Returns:
      `Bodies` with a leading axis of T, all of the same betas; pure and differentiable. Its
      deviations are those of each frame by itself: the motion is surer than that.

    Raises:
      ValueError: as `fitting.fit` does; the checkpoint has no second-order steps; nobody is seen in
        any frame; times do not increase; or the strength is negative.
      InputError: as `fitting.fit` does.
    """
    configuration, count, weights, model, pixels = fitting.arguments(
        checkpoint, model, points, confidence, None, intrinsics
    )
    total = len(pixels.points)
    checks.arrays(
        ("times", times, "[T] seconds"), ("strength", strength, "[] of the smoothness"), T=total
    )
    _check_values(configuration, pixels, times, strength)
    each = _by_window(
        lambda rows: _guess(configuration, count, weights, model, _rows(pixels, rows)), total
    )
    track, deviation = _track(each, pixels, jnp.asarray(times, jnp.float32)), each.joint_deviation
    del each  # the rest of it, which long videos have no room for
    stride = WINDOW - AHEAD - BEHIND
    settled: list[smoothing.Path] = []
    carried: smoothing.Path | None = None
    for start in range(0, max(total - AHEAD - BEHIND, 1), stride):
        frames, path = _rows((track.frames, track.start), _upto(start, total))
        number = np.arange(WINDOW)
        fixed = start + number >= total
        if carried is not None:
            fixed |= number < BEHIND
            path = jax.tree.map(lambda a, b: jnp.concatenate([a, b[len(a) :]]), carried, path)
        found = _smooth(model, track.betas, frames, path, fixed, start + number < total, strength)
        settled.append(jax.tree.map(lambda leaf: leaf[:stride], found))
        carried = jax.tree.map(lambda leaf: leaf[stride:], found)
    path = jax.tree.map(lambda *p: jnp.concatenate(p)[:total], *settled, carried)
    confidence = track.frames.observed.confidence
    seen = (path, track.lens, pixels.points, confidence)
    bodies = _by_window(
        lambda rows: _bodies(model, track.betas, track.square, *_rows(seen, rows)), total
    )
    return bodies._replace(deviation=deviation)


def _by_window(function: Callable[[np.ndarray], T], total: int) -> T:
    """A function of the rows of a window, for all `total` frames."""
    parts = [function(_upto(start, total)) for start in range(0, total, WINDOW)]
    return jax.tree.map(lambda *each: jnp.concatenate(each)[:total], *parts)


def _upto(start: int, total: int) -> np.ndarray:
    """The rows of a window; behind the end, the last one again."""
    return np.minimum(np.arange(start, start + WINDOW), total - 1)


def _rows(tree: T, rows: np.ndarray) -> T:
    return jax.tree.map(lambda leaf: leaf[rows], tree)


def _check_values(
    configuration: LGDConfig,
    pixels: keypoints2d.Keypoints2D,
    times: ArrayLike,
    strength: float | jax.Array,
) -> None:
    if not configuration.second_order_steps:
        raise ValueError(
            f"checkpoint: expected one with second-order steps, such as 'released', got "
            f"'{configuration.name}', which says nothing of how sure it is"
        )
    sure, seconds, much = map(checks.values, (pixels.confidence, times, strength))
    if sure is not None and not (sure > 0).any():
        raise ValueError("confidence: expected a keypoint that is seen, got none in any frame")
    if seconds is not None and not (np.isfinite(seconds).all() and (np.diff(seconds) > 0).all()):
        raise ValueError("times: expected seconds, each later than the one before")
    if much is not None and not (np.isfinite(much) and much >= 0):
        raise ValueError(f"strength: expected 0 or more, got {much:g}")


class _Guess(NamedTuple):
    """A frame by itself; all but the evidence in pixels, and in the image's own orientation.

    Attributes:
      prior: local rotations [24, 3, 3], to which the learned steps led.
      turn_deviation: [24, 3] of these.
      body: after the second-order steps; view: its camera; lens: through which it is seen.
      square: round the keypoints.
      confidence: [K] of the keypoints that are used.
      deviation: [K] of their coordinates, if the noise were 1 (`gauss_newton.NOISES`).
      evidence: [S] log probabilities of the `NOISES`.
      joint_deviation: [24, 2] as `fitting.Bodies` has it.
    """

    prior: jax.Array
    turn_deviation: jax.Array
    body: Body
    view: camera.WeakPerspective
    lens: camera.Intrinsics
    square: keypoints2d.Square
    confidence: jax.Array
    deviation: jax.Array
    evidence: jax.Array
    joint_deviation: jax.Array


@partial(jax.jit, static_argnums=(0, 1))
def _guess(
    configuration: LGDConfig,
    steps: int,
    weights: checkpoint_files.Weights,
    model: joints.JointModel,
    pixels: keypoints2d.Keypoints2D,
) -> _Guess:
    build.check_checkpoint(checkpoints.Checkpoint(configuration, weights), model)
    ran = inference.infer(configuration, steps, weights, model, pixels)
    task = build.problem(configuration, model)
    correlation = build.correlation(weights)

    def of_frame(
        theta: Theta,
        end: Theta,
        outputs: jax.Array,
        observed: keypoints2d.Keypoints2D,
        square: keypoints2d.Square,
        joint_deviation: jax.Array,
    ) -> _Guess:
        prior, measurement = belief.of_outputs(task, correlation, theta, outputs, observed)
        near = gauss_newton.linearise(measurement, prior, gauss_newton.at_rest(prior))
        again = reprojection.reproject(task, end, observed)
        turned, _ = upright.to_pixels(task.model, prior.body, again.view, square)
        body, view = upright.to_pixels(task.model, again.body, again.view, square)
        return _Guess(
            turned.local,
            prior.turn_deviation,
            body,
            view,
            keypoints2d.lens_to_pixels(observed.intrinsics, square),
            square,
            observed.confidence,
            measurement.deviation / gauss_newton.TYPICAL_NOISE * square.half,
            gauss_newton.log_evidence(near),
            joint_deviation,
        )

    learned, last = (jax.tree.map(lambda s, n=n: s[n], ran.states) for n in (steps, -1))
    sure = uncertainty.of_joints(ran, pixels.intrinsics is not None)
    return jax.vmap(of_frame)(learned, last, ran.record.extra[-1], ran.observed, ran.frame, sure)


class _Track(NamedTuple):
    """All frames of a person, in one square.

    Attributes:
      betas: [B] of the person.
      square: in which coordinates are normalised; it is upright.
      lens: [T] in pixels.
      frames: what is known of them, [T]; none is fixed.
      start: each frame's own body, and between them where nobody is seen.
    """

    betas: jax.Array
    square: keypoints2d.Square
    lens: camera.Intrinsics
    frames: smoothing.Frames
    start: smoothing.Path


@jax.jit
def _track(each: _Guess, pixels: keypoints2d.Keypoints2D, times: jax.Array) -> _Track:
    seen = (each.confidence > 0).any(-1)
    weight = jnp.where(seen, (each.confidence**2).sum(-1), 0.0)
    share = weight / jnp.maximum(weight.sum(), 1e-9)
    betas = share @ each.body.betas
    evidence = jnp.where(seen[:, None], each.evidence, 0.0).sum(0)
    likely = jnp.asarray(gauss_newton.NOISES)[jnp.argmax(evidence)]
    # Exact keypoints are followed as by single frames; of many noisy ones errors average out.
    noise = jnp.minimum(likely, gauss_newton.assumed_noise(likely))
    half = share @ each.square.half
    square = keypoints2d.Square(share @ each.square.centre, half, jnp.zeros(()))
    lens = each.lens
    if pixels.intrinsics is None:
        inverse_focal = jnp.full(len(seen), inference.ASSUMED_INVERSE_FOCAL) / half
        lens = camera.Intrinsics(inverse_focal, _followed(each.square.centre, seen))
    used = keypoints2d.Keypoints2D(pixels.points, each.confidence, lens)
    deviation = each.deviation * noise / half
    there = seen[:, None, None]
    local, scale, translation = _bridged(each, seen, times)
    return _Track(
        betas,
        square,
        lens,
        smoothing.Frames(
            jax.vmap(keypoints2d.normalise, (0, None))(used, square),
            jnp.where(each.confidence > 0, 1 / deviation**2, 0.0),
            each.prior,
            jnp.where(there, 1 / each.turn_deviation**2, 0.0),
            smoothing.differences(times),
            smoothing.rates(times),
            jnp.zeros(len(seen), bool),
        ),
        smoothing.Path(
            local,
            camera.WeakPerspective(scale / half, (translation - square.centre[None]) / half),
        ),
    )


def _followed(centre: jax.Array, seen: jax.Array) -> jax.Array:
    """Moving averages of the centres [T, 2] of the frames in which somebody is seen."""
    taps = jnp.hanning(LENS_FRAMES + 2)[1:-1]
    past = LENS_FRAMES // 2

    def blurred(values: jax.Array) -> jax.Array:
        return jnp.convolve(values, taps, "full")[past:-past]

    weight = seen.astype(centre.dtype)
    mean = (weight @ centre) / jnp.maximum(weight.sum(), 1)
    # Far from anybody who is seen, the mean of all.
    total = blurred(weight)[:, None] + 1e-6
    sums = jax.vmap(blurred, 1, 1)(weight[:, None] * (centre - mean[None]))
    return mean[None] + sums / total


def _bridged(
    each: _Guess, seen: jax.Array, times: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Rotations, scales and translations; between the frames that saw the person, where not."""
    number = jnp.arange(len(seen))
    before = jax.lax.cummax(jnp.where(seen, number, -1))
    after = jax.lax.cummin(jnp.where(seen, number, len(seen)), reverse=True)
    before, after = (
        jnp.where(before < 0, after, before),
        jnp.where(after >= len(seen), before, after),
    )
    span = times[after] - times[before]
    part = jnp.where(span > 0, (times - times[before]) / jnp.where(span > 0, span, 1.0), 0.0)
    first, last = each.body.local[before], each.body.local[after]
    # R_0 exp(f log(R_0^T R_1))
    turn = rotations.matrix_to_axis_angle(rotations.compose(jnp.swapaxes(first, -1, -2), last))
    turned = rotations.axis_angle_to_matrix(part[:, None, None] * turn)

    def between(values: jax.Array) -> jax.Array:
        return (1 - part) * values[before] + part * values[after]

    return (
        rotations.compose(first, turned),
        jnp.exp(between(jnp.log(each.view.scale))),
        jax.vmap(between, 1, 1)(each.view.translation),
    )


@jax.jit
def _smooth(
    model: joints.JointModel,
    betas: jax.Array,
    frames: smoothing.Frames,
    start: smoothing.Path,
    fixed: jax.Array,
    there: jax.Array,
    strength: float | jax.Array,
) -> smoothing.Path:
    """One window; only the frames that are `there` count."""
    seen = joints.restrict(model, build.LAYOUT)
    selection = jnp.asarray(skeletons.selection(build.LAYOUT, seen.names))
    count = there.astype(betas.dtype)
    inner = count.at[1:-1].mul(count[2:] * count[:-2]).at[0].set(0.0).at[-1].set(0.0)
    weighted = frames._replace(
        precision=frames.precision * count[:, None],
        prior_precision=frames.prior_precision * count[:, None, None],
        difference=frames.difference * inner[:, None],
        rate=frames.rate * jnp.append(count[:-1] * count[1:], 0.0),
        fixed=fixed,
    )
    body = smoothing.Body(seen, selection, betas)
    return smoothing.steps(body, weighted, start, strength, STEPS)


@jax.jit
def _bodies(
    model: joints.JointModel,
    betas: jax.Array,
    square: keypoints2d.Square,
    path: smoothing.Path,
    lens: camera.Intrinsics,
    points: jax.Array,
    confidence: jax.Array,
) -> Bodies:
    selection = jnp.asarray(skeletons.selection(build.LAYOUT, model.names))

    def of_frame(
        local: jax.Array,
        normalised: camera.WeakPerspective,
        lens: camera.Intrinsics,
        points: jax.Array,
        confidence: jax.Array,
    ) -> Bodies:
        view = camera.WeakPerspective(
            normalised.scale * square.half, normalised.translation * square.half + square.centre
        )
        posed = joints.positions(model, local, betas)
        keypoints = camera.project(view, selection @ posed, lens)
        return Bodies(
            rotations.matrix_to_axis_angle(local).reshape(-1),
            betas,
            view.scale,
            view.translation,
            lens.inverse_focal,
            lens.centre,
            posed[: len(model.parents)],
            keypoints,
            fitting.mean_distance(keypoints, points, confidence > 0),
        )

    return jax.vmap(of_frame)(path.local, path.view, lens, points, confidence)
