"""Human body fitting by learned gradient descent (Song, Chen, Hilliges 2020).

    Theta_{n+1} = Theta_n + N_w(dE/dTheta (Theta_n), Theta_n, x)          (Eq. 4)

E is the reprojection error of the body Theta_n; the network sees its gradient, the state and the
keypoints, and puts out the update. Keypoints are normalised (`observations`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import camera, feedback, joints
from ief_jax.observations import Observation
from ief_jax.parameters import Body, Parameterisation, Theta

ROBUST = 0.1
"""Residual, in normalised image units, from which the error grows linearly."""
LARGEST_GRADIENT = 3.0
"""Entries of the gradient are clipped to this before the network sees them."""


class Problem(NamedTuple):
    """What stays the same during a fit and from person to person.

    Attributes:
      parameterisation: what Theta stands for.
      model: the body.
      selection: [K, P] from the body's points to the keypoints (`skeletons.selection`).
      opposite: [K] each keypoint's counterpart on the other side (`skeletons.opposite`).
    """

    parameterisation: Parameterisation
    model: joints.JointModel
    selection: jax.Array
    opposite: np.ndarray


class Reprojection(NamedTuple):
    """A body seen again: the body, its camera, its points [P, 3] and keypoints x^ [K, 2]."""

    body: Body
    view: camera.WeakPerspective
    points: jax.Array
    keypoints: jax.Array


def reproject(problem: Problem, theta: Theta, observed: Observation) -> Reprojection:
    """x^ = s Pi(R X(theta, beta)) + t of one example (Eq. 1)."""
    body = problem.parameterisation.body(theta)
    points = joints.positions(problem.model, body.local, body.betas)
    # X = W M(theta, beta)
    keypoints = problem.selection @ points
    view = problem.parameterisation.view(theta, keypoints, observed)
    return Reprojection(body, view, points, camera.project_weak(view, keypoints))


def robust_error(estimate: jax.Array, observed: Observation) -> jax.Array:
    """Sum over keypoints of c_i rho(|x^_i - x_i|), rho the pseudo-Huber function: []."""
    # rho(r) = 2 d^2 (sqrt(1 + r^2 / d^2) - 1): r^2 near zero, 2 d r far away
    squared = ((estimate - observed.points) ** 2).sum(-1) / ROBUST**2
    return (observed.confidence * 2 * ROBUST**2 * (jnp.sqrt(1 + squared) - 1)).sum()


def reprojection_error(problem: Problem, theta: Theta, observed: Observation) -> jax.Array:
    """L(Theta) of one example: how far the body's keypoints are from the observed ones."""
    return robust_error(reproject(problem, theta, observed).keypoints, observed)


class Slope(NamedTuple):
    """The error of one example, and its gradient dL/dTheta."""

    error: jax.Array
    gradient: Theta


Slopes = Callable[[Problem, Theta, Observation], Slope]


def error_slope(problem: Problem, theta: Theta, observed: Observation) -> Slope:
    """L(Theta) and dL/dTheta of one example, by `jax.value_and_grad`."""
    return Slope(*jax.value_and_grad(reprojection_error, argnums=1)(problem, theta, observed))


def detached_slope(problem: Problem, theta: Theta, observed: Observation) -> Slope:
    """As `error_slope`, for training, which does not differentiate through the gradient."""
    return jax.lax.stop_gradient(error_slope(problem, theta, observed))


Features = Callable[[Theta, Theta, Observation], jax.Array]
"""(gradient, Theta, keypoints) of one example to what the network sees, [F]."""


def gradient_features(gradient: Theta, theta: Theta, observed: Observation) -> jax.Array:
    """The gradient, its entries clipped: [D]."""
    del theta, observed
    return jnp.clip(flatten(gradient), -LARGEST_GRADIENT, LARGEST_GRADIENT)


def theta_features(gradient: Theta, theta: Theta, observed: Observation) -> jax.Array:
    """The state: [D]."""
    del gradient, observed
    return flatten(theta)


def keypoint_features(gradient: Theta, theta: Theta, observed: Observation) -> jax.Array:
    """Coordinates and confidences, [3 K]."""
    del gradient, theta
    return jnp.concatenate([observed.points.reshape(-1), observed.confidence])


def together(*parts: Features) -> Features:
    """Several features one after the other."""

    def features(gradient: Theta, theta: Theta, observed: Observation) -> jax.Array:
        return jnp.concatenate([part(gradient, theta, observed) for part in parts])

    return features


all_features = together(gradient_features, theta_features, keypoint_features)
"""What the paper's network sees: the gradient, Theta and the keypoints."""


def flatten(theta: Theta) -> jax.Array:
    """The groups of Theta one after the other, in alphabetical order as in any pytree: [..., D]."""
    return jnp.concatenate([theta[name] for name in sorted(theta)], -1)


def unflatten(vector: jax.Array, like: Theta) -> Theta:
    """[..., D] to the groups of `like`."""
    names = sorted(like)
    ends = np.cumsum([like[name].shape[-1] for name in names])[:-1]
    return dict(zip(names, jnp.split(vector, ends, axis=-1), strict=True))


Network = Callable[[jax.Array], jax.Array]
"""[N, F] features to [N, >= D] outputs: an applied `UpdateNetwork`. The first D are the update."""


Proposal = Callable[[Problem, Theta, Theta, Observation], tuple[Theta, jax.Array]]
"""(problem, gradients, states, keypoints) of a batch to (updates, further outputs [N, R])."""


def proposal(network: Network, features: Features = all_features) -> Proposal:
    """The paper's: the network's output is the update."""

    def propose(
        problem: Problem, gradient: Theta, theta: Theta, observed: Observation
    ) -> tuple[Theta, jax.Array]:
        # Delta Theta_n = N_w(dL/dTheta_n, Theta_n, x)
        output = network(jax.vmap(features)(gradient, theta, observed))
        update, rest = jnp.split(output, [size(problem)], axis=-1)
        return unflatten(update, theta), rest

    return propose


def symmetric(propose: Proposal, mirror_rest: Callable[[jax.Array], jax.Array]) -> Proposal:
    """The mean of a proposal and of the mirrored proposal for the mirror image.

    The result treats left and right alike, which training teaches a network only roughly.

    Args:
      propose: any proposal.
      mirror_rest: what mirroring does to the further outputs [R].
    """

    def both(
        problem: Problem, gradient: Theta, theta: Theta, observed: Observation
    ) -> tuple[Theta, jax.Array]:
        mirror = jax.vmap(problem.parameterisation.mirror)
        image = jax.vmap(lambda seen: mirror_observation(seen, problem.opposite))(observed)
        update, rest = propose(problem, gradient, theta, observed)
        other, other_rest = propose(problem, mirror(gradient), mirror(theta), image)
        mean = jax.tree.map(lambda a, b: (a + b) / 2, update, mirror(other))
        return mean, (rest + jax.vmap(mirror_rest)(other_rest)) / 2

    return both


def mirror_observation(observed: Observation, opposite: np.ndarray) -> Observation:
    """Normalised keypoints of the mirror image."""
    points = observed.points[opposite] * jnp.array([[-1.0, 1.0]])
    return Observation(points, observed.confidence[opposite])


class Seen(NamedTuple):
    """What one step saw and said, of a batch.

    Attributes:
      slope: the error [N] and its gradient at Theta_n.
      rest: [N, R] what the network put out beyond the update.
    """

    slope: Slope
    rest: jax.Array


def correction(
    problem: Problem, propose: Proposal, observed: Observation, slopes: Slopes = error_slope
) -> Callable[[Theta, jax.Array], tuple[Theta, Seen]]:
    """The update of Eq. 4 for a batch, to be run by `feedback.refine_traced`.

    Args:
      problem: body, keypoints, parameterisation.
      propose: what the network makes of gradient, state and keypoints.
      observed: [N, K, 2] and [N, K], normalised.
      slopes: `error_slope`, or `detached_slope` in training.
    """

    def correct(theta: Theta, step: jax.Array) -> tuple[Theta, Seen]:
        del step
        slope = jax.vmap(lambda y, x: slopes(problem, y, x))(theta, observed)
        update, rest = propose(problem, slope.gradient, theta, observed)
        return update, Seen(slope, rest)

    return correct


def start(problem: Problem, observed: Observation) -> Theta:
    """Theta_0 = 0 for each of the N examples observed."""
    zero = problem.parameterisation.start(problem.model.betas)
    count = observed.points.shape[0]
    return jax.tree.map(lambda group: jnp.zeros((count, *group.shape)), zero)


def unroll(
    problem: Problem,
    propose: Proposal,
    observed: Observation,
    steps: int,
    slopes: Slopes = error_slope,
) -> tuple[Theta, Seen]:
    """Runs the steps on a batch; arguments as for `correction`.

    Returns:
      (Theta_0 .. Theta_steps: groups of [steps + 1, N, d]; what each step saw: [steps, N, ...]).
    """
    correct = correction(problem, propose, observed, slopes)
    return feedback.refine_traced(correct, start(problem, observed), steps)


def descent(
    problem: Problem, observed: Observation, rate: float | jax.Array
) -> Callable[[Theta, jax.Array], Theta]:
    """The gradient-descent baseline of Eq. 3 without a prior: -rate dL/dTheta, for a batch."""

    def correct(theta: Theta, step: jax.Array) -> Theta:
        del step
        slope = jax.vmap(lambda y, x: error_slope(problem, y, x))(theta, observed)
        return jax.tree.map(lambda g: -rate * g, slope.gradient)

    return correct


def size(problem: Problem) -> int:
    """D, the number of entries of Theta."""
    return sum(group.size for group in _zero(problem).values())


def _zero(problem: Problem) -> dict[str, Any]:
    return jax.eval_shape(lambda: problem.parameterisation.start(problem.model.betas))
