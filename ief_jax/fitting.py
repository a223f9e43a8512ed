"""Bodies fitted to keypoints with a trained checkpoint: pixels in, pixels and metres out."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ief_jax import (
    camera,
    checkpoints,
    gauss_newton,
    joints,
    lgd,
    parameters,
    rotations,
    skeletons,
    weight_files,
)
from ief_jax import observations as obs
from ief_jax.configurations import Configuration
from ief_jax.parameters import Body, Theta
from ief_jax.update_network import UpdateNetwork

PARAMETERISATIONS = {
    "axis_angle": parameters.AXIS_ANGLE,
    "six_d": parameters.SIX_D,
}
FEATURES = {
    "gradient": lgd.gradient_features,
    "theta": lgd.theta_features,
    "keypoints": lgd.keypoint_features,
}
LAYOUT = skeletons.COCO_18
"""The keypoints that the networks know."""


class Bodies(NamedTuple):
    """Fitted bodies, with any leading axes.

    Attributes:
      poses: [..., 72] axis-angle, radians, the root first.
      betas: [..., B].
      scale: [...] pixels per metre.
      translation: [..., 2] pixels: a point X is seen at scale (X, -Y) + translation.
      joints: [..., 24, 3] metres.
      keypoints: [..., 18, 2] where the body's own keypoints are seen, pixels.
      error: [...] mean distance of the seen keypoints from these, pixels.
    """

    poses: jax.Array
    betas: jax.Array
    scale: jax.Array
    translation: jax.Array
    joints: jax.Array
    keypoints: jax.Array
    error: jax.Array


class Trace(NamedTuple):
    """What each of T learned steps saw and did, for N people; then S second-order steps.

    Attributes:
      bodies: the start, after each learned, then each second-order step: [N, T + 1 + S, ...].
      error: [N, T + 1 + S] L(Theta_n) of the normalised keypoints.
      gradient: dL/dTheta_n by group, [N, T, d].
      update: Theta_{n+1} - Theta_n by group, [N, T, d].
      cosine: between the update and the negative gradient by group, [N, T].
    """

    bodies: Bodies
    error: jax.Array
    gradient: Theta
    update: Theta
    cosine: Theta


def problem(configuration: Configuration, model: joints.JointModel) -> lgd.Problem:
    """The fitting problem of a configuration on a body."""
    model = joints.restrict(model, LAYOUT)
    return lgd.Problem(
        PARAMETERISATIONS[configuration.parameterisation],
        model,
        jnp.asarray(skeletons.selection(LAYOUT, model.names)),
        skeletons.opposite(LAYOUT),
    )


def features(configuration: Configuration) -> lgd.Features:
    """What a configuration's network sees."""
    return lgd.together(*(FEATURES[name] for name in configuration.inputs))


def network(configuration: Configuration, task: lgd.Problem) -> UpdateNetwork:
    """A configuration's network, without weights."""
    outputs = lgd.size(task)
    if configuration.second_order_steps:
        outputs += gauss_newton.outputs(task.model.betas)
    return UpdateNetwork(outputs, configuration.width, configuration.blocks)


def proposal(
    configuration: Configuration, task: lgd.Problem, weights: weight_files.Weights
) -> lgd.Proposal:
    """What a configuration's network proposes, as it is trained."""
    module = network(configuration, task)

    def apply(shown: jax.Array) -> jax.Array:
        return jnp.asarray(module.apply(weights, shown))

    return lgd.proposal(apply, features(configuration))


def initial_weights(
    configuration: Configuration, task: lgd.Problem, key: jax.Array
) -> weight_files.Weights:
    """Random weights of a configuration's network."""
    theta = task.parameterisation.start(task.model.betas)
    observed = obs.Observation(jnp.zeros((len(LAYOUT), 2)), jnp.ones(len(LAYOUT)))
    shown = features(configuration)(theta, theta, observed)
    return network(configuration, task).init(key, shown[None])


def fit(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: ArrayLike,
    confidence: ArrayLike,
    steps: int | None = None,
) -> Bodies:
    """Fits a body to each of N people.

    Args:
      checkpoint: of `checkpoints.load`.
      model: the body, of `joints.fold`.
      points: [N, 18, 2] keypoints in pixels, in `skeletons.COCO_18`'s order.
      confidence: [N, 18] in [0, 1]; keypoints of confidence 0 are ignored.
      steps: learned steps; the checkpoint's own number by default.

    Returns:
      `Bodies` with one leading axis; pure and differentiable, compiled once a batch size.
    """
    return _fit(*_arguments(checkpoint, model, points, confidence, steps))


def trace(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: ArrayLike,
    confidence: ArrayLike,
    steps: int | None = None,
) -> Trace:
    """As `fit`, with every step laid open."""
    return _trace(*_arguments(checkpoint, model, points, confidence, steps))


def _arguments(
    checkpoint: checkpoints.Checkpoint,
    model: joints.JointModel,
    points: ArrayLike,
    confidence: ArrayLike,
    steps: int | None,
) -> tuple[Configuration, int, weight_files.Weights, joints.JointModel, jax.Array, jax.Array]:
    """What the compiled functions take: static first, arrays as arrays."""
    configuration = checkpoint.configuration
    count = configuration.steps if steps is None else steps
    return (
        configuration,
        count,
        checkpoint.weights,
        model,
        jnp.asarray(points),
        jnp.asarray(confidence),
    )


def check(checkpoint: checkpoints.Checkpoint, model: joints.JointModel) -> None:
    """Sees that a checkpoint's weights fit its configuration and the body.

    Raises:
      InputError: they do not; the message lists the differences.
    """
    configuration = checkpoint.configuration
    task = problem(configuration, model)
    expected = jax.eval_shape(
        lambda key: initial_weights(configuration, task, key), jax.random.key(0)
    )
    weight_files.check(checkpoint.weights, expected, f"checkpoint '{configuration.name}'")


def second_order_states(
    configuration: Configuration,
    task: lgd.Problem,
    theta: Theta,
    logits: jax.Array,
    observed: obs.Observation,
) -> Theta:
    """The states after each second-order step, for one example: groups of [steps, d].

    Args:
      configuration: how many steps.
      task: the body.
      theta: where the learned steps ended.
      logits: what the network put out beyond its last update: how sure it is.
      observed: normalised keypoints.
    """
    belief = gauss_newton.belief(task.parameterisation.body(theta), logits)
    sight = gauss_newton.Sight(task.model, task.selection, observed)

    def encode(body: Body) -> Theta:
        points = joints.positions(task.model, body.local, body.betas)
        view = camera.solve_weak(task.selection @ points, observed.points, observed.confidence)
        return task.parameterisation.encode(body, view)

    bodies = gauss_newton.most_probable(sight, belief, configuration.second_order_steps)
    return jax.vmap(encode)(bodies)


class Run(NamedTuple):
    """A batch of N fits.

    Attributes:
      states: Theta_0, after each learned and then each second-order step: [T + 1 + S, N, d].
      seen: what each learned step saw: [T, N, ...].
      observed: the normalised keypoints, [N, ...].
      frame: the squares they were normalised in, [N, ...].
    """

    states: Theta
    seen: lgd.Seen
    observed: obs.Observation
    frame: obs.Frame


def run(
    configuration: Configuration,
    steps: int,
    weights: weight_files.Weights,
    model: joints.JointModel,
    points: jax.Array,
    confidence: jax.Array,
) -> Run:
    """Normalises keypoints [N, 18, 2] and runs all steps on them; none if `steps` is 0."""
    task = problem(configuration, model)
    # A keypoint that the body has no point for (no landmarks, say) is as good as hidden.
    known = (task.selection.sum(1) > 0).astype(confidence.dtype)
    pixels = obs.Observation(points, confidence * known[None])
    square = jax.vmap(obs.frame)(pixels)
    observed = jax.vmap(obs.normalise)(pixels, square)
    propose = proposal(configuration, task, weights)
    if configuration.symmetric:
        propose = lgd.symmetric(propose, gauss_newton.mirror_logits)
    states, seen = lgd.unroll(task, propose, observed, steps)
    if configuration.second_order_steps and steps:
        last = jax.tree.map(lambda group: group[-1], states)
        further = jax.vmap(partial(second_order_states, configuration, task), out_axes=1)
        states = jax.tree.map(
            lambda a, b: jnp.concatenate([a, b]), states, further(last, seen.rest[-1], observed)
        )
    return Run(states, seen, observed, square)


@partial(jax.jit, static_argnums=(0, 1))
def _fit(
    configuration: Configuration,
    steps: int,
    weights: weight_files.Weights,
    model: joints.JointModel,
    points: jax.Array,
    confidence: jax.Array,
) -> Bodies:
    # While tracing: once a compilation, not once a call.
    check(checkpoints.Checkpoint(configuration, weights), model)
    ran = run(configuration, steps, weights, model, points, confidence)
    last = jax.tree.map(lambda group: group[-1], ran.states)
    return jax.vmap(partial(_bodies, problem(configuration, model)))(last, ran.observed, ran.frame)


@partial(jax.jit, static_argnums=(0, 1))
def _trace(
    configuration: Configuration,
    steps: int,
    weights: weight_files.Weights,
    model: joints.JointModel,
    points: jax.Array,
    confidence: jax.Array,
) -> Trace:
    # While tracing: once a compilation, not once a call.
    check(checkpoints.Checkpoint(configuration, weights), model)
    task = problem(configuration, model)
    ran = run(configuration, steps, weights, model, points, confidence)

    def of_person(
        states: Theta, gradient: Theta, observed: obs.Observation, square: obs.Frame
    ) -> Trace:
        update = jax.tree.map(lambda group: group[1 : steps + 1] - group[:steps], states)
        return Trace(
            jax.vmap(lambda theta: _bodies(task, theta, observed, square))(states),
            jax.vmap(lambda theta: lgd.reprojection_error(task, theta, observed))(states),
            gradient,
            update,
            jax.tree.map(lambda u, g: _cosine(u, -g), update, gradient),
        )

    return jax.vmap(of_person, in_axes=(1, 1, 0, 0))(
        ran.states, ran.seen.slope.gradient, ran.observed, ran.frame
    )


def _bodies(
    task: lgd.Problem, theta: Theta, observed: obs.Observation, square: obs.Frame
) -> Bodies:
    again = lgd.reproject(task, theta, observed)
    pixels = obs.camera_to_pixels(again.view, square)
    seen = observed.confidence > 0
    distance = jnp.linalg.norm(again.keypoints - observed.points, axis=-1)
    error = jnp.where(seen, distance, 0.0).sum() / jnp.maximum(seen.sum(), 1)
    return Bodies(
        rotations.matrix_to_axis_angle(again.body.local).reshape(-1),
        again.body.betas,
        pixels.scale,
        pixels.translation,
        again.points[: len(task.model.parents)],
        camera.project_weak(pixels, task.selection @ again.points),
        error * square.half,
    )


def _cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    lengths = jnp.linalg.norm(a, axis=-1) * jnp.linalg.norm(b, axis=-1)
    return (a * b).sum(-1) / jnp.maximum(lengths, 1e-12)
