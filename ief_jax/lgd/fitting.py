"""Bodies fitted to keypoints with a trained checkpoint: pixels in, pixels and metres out."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ief_jax import batches, checks, compiling, stored_programs, threads
from ief_jax.body import joints
from ief_jax.geometry import camera, keypoints2d, rotations
from ief_jax.io import checkpoint_files
from ief_jax.lgd import build, checkpoints, inference, reprojection, uncertainty, upright
from ief_jax.lgd.config import LGDConfig
from ief_jax.lgd.parameters import Theta

PART = 128
"""People that one call of a CPU's program fits: larger arrays leave its cache."""


@stored_programs.writable
class Bodies(NamedTuple):
    """Fitted bodies, with any leading axes.

    Attributes:
      poses: [..., 72] axis-angle, radians, the root first.
      betas: [..., B].
      scale: [...] pixels per metre, at the depth of the body's origin.
      translation: [..., 2] pixels, where the body's origin is seen.
      inverse_focal: [...] of the lens, 1 / pixels; 0 for weak perspective.
      principal: [..., 2] of the lens, pixels.
      joints: [..., 24, 3] metres.
      keypoints: [..., 27, 2] where the body's own keypoints are seen, pixels.
      error: [...] mean distance of the seen keypoints from these, pixels.
      deviation: [..., 24, 2] standard deviations of the joints from the pelvis, metres, in the
        image and in depth (`uncertainty.of_joints`); None where nothing is known of them: of
        checkpoints without second-order steps, and of a `Trace`, which has its own.
    """

    poses: jax.Array
    betas: jax.Array
    scale: jax.Array
    translation: jax.Array
    inverse_focal: jax.Array
    principal: jax.Array
    joints: jax.Array
    keypoints: jax.Array
    error: jax.Array
    deviation: jax.Array | None = None

    @property
    def view(self) -> camera.WeakPerspective:
        """With `intrinsics`, the camera: points are seen at `camera.project`."""
        return camera.WeakPerspective(self.scale, self.translation)

    @property
    def intrinsics(self) -> camera.Intrinsics:
        """Of the lens, pixels."""
        return camera.Intrinsics(self.inverse_focal, self.principal)


@stored_programs.writable
class Moves(NamedTuple):
    """How a body moves as Theta goes along a direction: derivatives by how far it goes, at 0.

    Attributes:
      joints: [..., 24, 3] metres.
      keypoints: [..., 27, 2] where the body's own keypoints are seen, pixels.
    """

    joints: jax.Array
    keypoints: jax.Array


@stored_programs.writable
class Trace(NamedTuple):
    """What each of T learned steps saw and did, for N people; then S second-order steps.

    Attributes:
      bodies: the start, after each learned, then each second-order step: [N, T + 1 + S, ...].
      theta: Theta_n of these by group, [N, T + 1 + S, d].
      error: [N, T + 1 + S] L(Theta_n) of the normalised keypoints.
      gradient: dL/dTheta_n by group, [N, T, d].
      update: Theta_{n+1} - Theta_n by group, [N, T, d].
      cosine: between the update and the negative gradient by group, [N, T].
      moved_by_descent: how the body would move along the negative gradient, [N, T, ...]; per unit
        of a learning rate.
      moved_by_update: how it moves along the update, [N, T, ...].
      deviation: [N, 24, 2] of the last bodies, as of `Bodies`.
    """

    bodies: Bodies
    theta: Theta
    error: jax.Array
    gradient: Theta
    update: Theta
    cosine: Theta
    moved_by_descent: Moves
    moved_by_update: Moves
    deviation: jax.Array | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What each of the T + 1 + S bodies came of: start, learned N, second-order N."""
        learned = next(iter(self.cosine.values())).shape[-1]
        further = self.error.shape[-1] - 1 - learned
        return (
            "start",
            *(f"learned {step + 1}" for step in range(learned)),
            *(f"second-order {step + 1}" for step in range(further)),
        )


def fit(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: ArrayLike,
    confidence: ArrayLike,
    steps: int | None = None,
    intrinsics: camera.Intrinsics | None = None,
) -> Bodies:
    """Fits a body to each of N people.

    Args:
      checkpoint: of `checkpoints.load`.
      model: the body, of `joints.fold`.
      points: [N, 27, 2] keypoints in pixels, in `skeletons.UNION_27`'s order.
      confidence: [N, 27] in [0, 1]; keypoints of confidence 0 are ignored.
      steps: learned steps; the checkpoint's own number by default.
      intrinsics: of each person's lens, pixels: [N] inverse focal lengths and [N, 2] principal
        points, or one for all. Without them people are taken to be a few metres away
        (`inference.ASSUMED_INVERSE_FOCAL`); an inverse focal length of 0 is weak perspective.

    Returns:
      `Bodies` with one leading axis; pure and differentiable, compiled once a batch size. CPUs
      fit more than `PART` people in parts, as many at a time as there are cores.

    Raises:
      ValueError: an argument has another shape or dtype; or, where values are there (not while
        tracing), a confidence is not in [0, 1] or a keypoint that counts is not finite.
      InputError: the checkpoint's weights are not those of its configuration, or of this body.
    """
    given = arguments(checkpoint, model, points, confidence, steps, intrinsics)
    configuration, count, weights, model, pixels = given
    if len(pixels.points) <= PART or not _on_one_cpu(given):
        return _fit(*given)
    part = partial(_fit, configuration, count, weights, model)
    pixels = jax.device_get(pixels)
    return jax.device_put(batches.map_in_chunks(part, PART, pixels, threads=threads.cores()))


def _on_one_cpu(given: Any) -> bool:
    """Whether it is run now, and by a single CPU device."""
    arrays = [leaf for leaf in jax.tree.leaves(given) if isinstance(leaf, jax.Array)]
    return compiling.runs_on_cpu(arrays) and all(len(array.devices()) == 1 for array in arrays)


def trace(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: ArrayLike,
    confidence: ArrayLike,
    steps: int | None = None,
    intrinsics: camera.Intrinsics | None = None,
) -> Trace:
    """As `fit`, with every step laid open."""
    return _trace(*arguments(checkpoint, model, points, confidence, steps, intrinsics))


def arguments(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: ArrayLike,
    confidence: ArrayLike,
    steps: int | None,
    intrinsics: camera.Intrinsics | None,
) -> tuple[LGDConfig, int, checkpoint_files.Weights, joints.JointModel, keypoints2d.Keypoints2D]:
    """What compiled functions take, checked as for `fit`: static first, arrays as arrays."""
    configuration = checkpoint.configuration
    count = configuration.steps if steps is None else steps
    checks.count("steps", count)
    checks.arrays(
        ("points", points, "[N, 27, 2] keypoints in skeletons.UNION_27's order, pixels"),
        ("confidence", confidence, "[N, 27] of skeletons.UNION_27's keypoints, 0 to 1"),
    )
    _check_values(points, confidence)
    people = jnp.shape(points)[0]
    lens = None
    if intrinsics is not None:
        lens = camera.Intrinsics(
            jnp.broadcast_to(_on_device(intrinsics.inverse_focal), (people,)),
            jnp.broadcast_to(_on_device(intrinsics.centre), (people, 2)),
        )
    pixels = keypoints2d.Keypoints2D(_on_device(points), _on_device(confidence), lens)
    return configuration, count, checkpoint.weights, model, pixels


def _on_device(array: ArrayLike) -> jax.Array:
    """As `jnp.asarray`, which compiles a program for numpy's arrays of another dtype."""
    return array if isinstance(array, jax.Array) else jax.device_put(np.asarray(array))


def _check_values(points: ArrayLike, confidence: ArrayLike) -> None:
    sure, places = checks.values(confidence), checks.values(points)
    if sure is None:
        return
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(f"confidence: expected 0 to 1, got {sure.min():g} to {sure.max():g}")
    if places is not None and not np.isfinite(places[sure > 0]).all():
        raise ValueError("points: expected finite pixels where confidence is not 0, got others")


def fitted(
    configuration: LGDConfig,
    steps: int,
    weights: checkpoint_files.Weights,
    model: joints.JointModel,
    pixels: keypoints2d.Keypoints2D,
) -> Bodies:
    """`fit` of what `arguments` gives, not compiled."""
    bodies, ran = ended(configuration, steps, weights, model, pixels)
    return bodies._replace(deviation=_deviation(ran, pixels))


_fit = stored_programs.jit(fitted, compiling.LEAN, static_argnums=(0, 1))


def ended(
    configuration: LGDConfig,
    steps: int,
    weights: checkpoint_files.Weights,
    model: joints.JointModel,
    pixels: keypoints2d.Keypoints2D,
) -> tuple[Bodies, inference.Run]:
    """The bodies that `fit` ends with, without their deviations, and how it came to them.

    Arguments are those that `arguments` gives.
    """
    # While tracing: once a compilation, not once a call.
    build.check_checkpoint(checkpoints.Checkpoint(configuration, weights), model)
    ran = inference.infer(configuration, steps, weights, model, pixels)
    task = build.problem(configuration, model)
    last = jax.tree.map(lambda group: group[-1], ran.states)
    return jax.vmap(partial(_bodies, task))(last, ran.observed, ran.frame), ran


def traced(
    configuration: LGDConfig,
    steps: int,
    weights: checkpoint_files.Weights,
    model: joints.JointModel,
    pixels: keypoints2d.Keypoints2D,
) -> Trace:
    """`trace` of what `arguments` gives, not compiled."""
    # While tracing: once a compilation, not once a call.
    build.check_checkpoint(checkpoints.Checkpoint(configuration, weights), model)
    task = build.problem(configuration, model)
    ran = inference.infer(configuration, steps, weights, model, pixels)

    def of_person(
        states: Theta,
        gradient: Theta,
        observed: keypoints2d.Keypoints2D,
        square: keypoints2d.Square,
    ) -> Trace:
        update = jax.tree.map(lambda group: group[1 : steps + 1] - group[:steps], states)
        descent = jax.tree.map(jnp.negative, gradient)
        before = jax.tree.map(lambda group: group[:steps], states)

        def moved_along(direction: Theta, theta: Theta) -> Moves:
            def seen(theta: Theta) -> Moves:
                body = _bodies(task, theta, observed, square)
                return Moves(body.joints, body.keypoints)

            # d/dr X(Theta_n + r direction) at r = 0
            return jax.jvp(seen, (theta,), (direction,))[1]

        each = jax.vmap(jax.vmap(moved_along), (0, None))
        moved = each(jax.tree.map(lambda *both: jnp.stack(both), descent, update), before)
        return Trace(
            jax.vmap(lambda theta: _bodies(task, theta, observed, square))(states),
            states,
            jax.vmap(lambda theta: reprojection.reprojection_error(task, theta, observed))(states),
            gradient,
            update,
            jax.tree.map(_cosine, update, descent),
            jax.tree.map(lambda moved: moved[0], moved),
            jax.tree.map(lambda moved: moved[1], moved),
        )

    found = jax.vmap(of_person, in_axes=(1, 1, 0, 0))(
        ran.states, ran.record.gradient, ran.observed, ran.frame
    )
    return found._replace(deviation=_deviation(ran, pixels))


_trace = stored_programs.jit(traced, compiling.LEAN, static_argnums=(0, 1))


def _deviation(ran: inference.Run, pixels: keypoints2d.Keypoints2D) -> jax.Array | None:
    if ran.spread is None:
        return None
    return uncertainty.of_joints(ran, pixels.intrinsics is not None)


def _bodies(
    task: reprojection.Problem,
    theta: Theta,
    observed: keypoints2d.Keypoints2D,
    square: keypoints2d.Square,
) -> Bodies:
    again = reprojection.reproject(task, theta, observed)
    body, view = upright.to_pixels(task.model, again.body, again.view, square)
    lens = keypoints2d.lens_to_pixels(observed.intrinsics, square)
    keypoints = camera.project(again.view, task.selection @ again.points, observed.intrinsics)
    error = mean_distance(keypoints, observed.points, observed.confidence > 0)
    points = upright.turn_points(again.points[: len(task.model.parents)], square.turn)
    return Bodies(
        rotations.matrix_to_axis_angle(body.local).reshape(-1),
        body.betas,
        view.scale,
        view.translation,
        lens.inverse_focal,
        lens.centre,
        points,
        keypoints2d.to_pixels(keypoints, square),
        error * square.half,
    )


def mean_distance(found: jax.Array, points: jax.Array, seen: jax.Array) -> jax.Array:
    """Of found keypoints [K, 2] from observed ones, over those that are seen, bool [K]: []."""
    squared = jnp.where(seen[:, None], found - points, 0.0) ** 2
    # Zeros, whose root has no derivative, are those of keypoints that do not count.
    distance = jnp.sqrt(jnp.where(seen, squared.sum(-1), 1.0))
    return jnp.where(seen, distance, 0.0).sum() / jnp.maximum(seen.sum(), 1)


def _cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    lengths = jnp.linalg.norm(a, axis=-1) * jnp.linalg.norm(b, axis=-1)
    return (a * b).sum(-1) / jnp.maximum(lengths, 1e-12)
