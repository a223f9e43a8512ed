"""Human body fitting by learned gradient descent (Song, Chen, Hilliges 2020).

    Theta_{n+1} = Theta_n + N_w(dE/dTheta (Theta_n), Theta_n, x)          (Eq. 4)

E is the reprojection error of the body Theta_n; the network sees its gradient, the state and the
keypoints, and puts out the update. Keypoints are normalised (`keypoints2d.normalise`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks, loop
from ief_jax.geometry import keypoints2d
from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import features, parameters, reprojection
from ief_jax.lgd.features import Features
from ief_jax.lgd.parameters import Theta
from ief_jax.lgd.reprojection import GradientFunction, Problem

Network = Callable[[jax.Array], jax.Array]
"""[N, F] features to [N, >= D] outputs: an applied `UpdateNetwork`. The first D are the update."""

Proposal = Callable[[Problem, Theta, Theta, Keypoints2D], tuple[Theta, jax.Array]]
"""(problem, gradients, states, keypoints) of a batch to (updates, further outputs [N, R])."""


def proposal(network: Network, features: Features = features.all_features) -> Proposal:
    """The paper's: the network's output is the update."""

    def propose(
        problem: Problem, gradient: Theta, theta: Theta, observed: Keypoints2D
    ) -> tuple[Theta, jax.Array]:
        # Delta Theta_n = N_w(dL/dTheta_n, Theta_n, x)
        output = network(jax.vmap(features)(gradient, theta, observed))
        checks.arrays(("the network's output", output, "[N, D] update and more"))
        if output.shape[-1] < theta_size(problem):
            raise ValueError(
                f"the network's output: expected [N, {theta_size(problem)}] at least, the size of "
                f"Theta, got {output.shape}"
            )
        update, extra = jnp.split(output, [theta_size(problem)], axis=-1)
        return parameters.unflatten(update, theta), extra

    return propose


def mirror_averaged(propose: Proposal, mirror_extra: Callable[[jax.Array], jax.Array]) -> Proposal:
    """The mean of a proposal and of the mirrored proposal for the mirror image.

    The result treats left and right alike, which a network learns only roughly.

    Args:
      propose: any proposal.
      mirror_extra: what mirroring does to the further outputs [R].
    """

    def both(
        problem: Problem, gradient: Theta, theta: Theta, observed: Keypoints2D
    ) -> tuple[Theta, jax.Array]:
        mirror = jax.vmap(problem.parameterisation.mirror)
        image = jax.vmap(lambda seen: mirror_keypoints(seen, problem.opposite))(observed)
        # One batch of twice the size compiles in half the time of two calls.
        seen = (gradient, theta, observed)
        mirrored = (mirror(gradient), mirror(theta), image)
        both_seen = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), seen, mirrored)
        found = propose(problem, *both_seen)
        count = len(observed.points)
        update, extra = jax.tree.map(lambda part: part[:count], found)
        other, other_extra = jax.tree.map(lambda part: part[count:], found)
        mean = jax.tree.map(lambda a, b: (a + b) / 2, update, mirror(other))
        return mean, (extra + jax.vmap(mirror_extra)(other_extra)) / 2

    return both


def mirror_keypoints(observed: Keypoints2D, opposite: np.ndarray) -> Keypoints2D:
    """Normalised keypoints of the mirror image."""
    keypoints2d.check(observed, K=len(opposite))
    mirror = jnp.array([-1.0, 1.0])
    lens = observed.intrinsics
    if lens is not None:
        lens = lens._replace(centre=lens.centre * mirror)
    points = observed.points[opposite] * mirror[None]
    return Keypoints2D(points, observed.confidence[opposite], lens)


class StepRecord(NamedTuple):
    """One step of a batch: the error, its gradient, and what the network put out.

    Attributes:
      error: [N] L(Theta_n).
      gradient: dL/dTheta_n by group, [N, d].
      extra: [N, R] what the network put out beyond the update.
    """

    error: jax.Array
    gradient: Theta
    extra: jax.Array


def correction(
    problem: Problem,
    propose: Proposal,
    observed: Keypoints2D,
    differentiate: GradientFunction = reprojection.error_and_gradient,
) -> Callable[[Theta, jax.Array], tuple[Theta, StepRecord]]:
    """The update of Eq. 4 for a batch, to be run by `loop.refine_traced`.

    Args:
      problem: body, keypoints, parameterisation.
      propose: what the network makes of gradient, state and keypoints.
      observed: [N, K, 2] and [N, K], normalised.
      differentiate: `reprojection.error_and_gradient`; in training `detached_error_and_gradient`.
    """

    keypoints2d.check_batch(observed, K=len(problem.selection))

    def correct(theta: Theta, step: jax.Array) -> tuple[Theta, StepRecord]:
        del step
        error, gradient = jax.vmap(lambda y, x: differentiate(problem, y, x))(theta, observed)
        update, extra = propose(problem, gradient, theta, observed)
        return update, StepRecord(error, gradient, extra)

    return correct


def initial_theta(problem: Problem, observed: Keypoints2D) -> Theta:
    """Theta_0 = 0 for each of the N examples observed."""
    keypoints2d.check_batch(observed, K=len(problem.selection))
    zero = problem.parameterisation.start(problem.model.betas)
    count = observed.points.shape[0]
    return jax.tree.map(lambda group: jnp.zeros((count, *group.shape)), zero)


def unroll(
    problem: Problem,
    propose: Proposal,
    observed: Keypoints2D,
    steps: int,
    differentiate: GradientFunction = reprojection.error_and_gradient,
) -> tuple[Theta, StepRecord]:
    """Runs the steps on a batch; arguments as for `correction`.

    Returns:
      (Theta_0 .. Theta_steps: groups of [steps + 1, N, d]; what each step saw: [steps, N, ...]).
    """
    correct = correction(problem, propose, observed, differentiate)
    return loop.refine_traced(correct, initial_theta(problem, observed), steps)


def gradient_descent(
    problem: Problem, observed: Keypoints2D, rate: float | jax.Array
) -> Callable[[Theta, jax.Array], Theta]:
    """The gradient-descent baseline of Eq. 3 without a prior: -rate dL/dTheta, for a batch."""

    keypoints2d.check_batch(observed, K=len(problem.selection))
    checks.arrays(("rate", rate, "[]"))

    def correct(theta: Theta, step: jax.Array) -> Theta:
        del step
        at = jax.vmap(lambda y, x: reprojection.error_and_gradient(problem, y, x))(theta, observed)
        return jax.tree.map(lambda g: -rate * g, at.gradient)

    return correct


def theta_size(problem: Problem) -> int:
    """D, the number of entries of Theta."""
    return sum(group.size for group in _zero(problem).values())


def _zero(problem: Problem) -> dict[str, Any]:
    return jax.eval_shape(lambda: problem.parameterisation.start(problem.model.betas))
