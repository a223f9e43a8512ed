"""How large gradients, updates and weights are, by groups of weights.

The optimiser notes the first two within the step (`optax.snapshot`): a few sums over the weights,
whichever way steps are fused.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax

from ief_jax.training.state import TrainState

GRADIENT, UPDATE, WEIGHTS = "gradient_norm", "update_norm", "weight_norm"

Observe = Callable[[TrainState], Mapping[str, float]]
"""(a state on the host) to further numbers of a line of metrics, by name."""


def nothing(state: TrainState) -> Mapping[str, float]:
    """Observes nothing."""
    return {}


def norms(weights: Any, norm: Callable[[Any], jax.Array] = optax.tree.norm) -> dict[str, jax.Array]:
    """The Euclidean norm of each group of weights, by its name.

    Args:
      weights: a tree. A group is what has a name of its own at the top, or below a `params` that
        stands there; of a tree without names all weights are the group `all`.
      norm: of one tree.
    """
    groups = dict(weights) if isinstance(weights, Mapping) else {"all": weights}
    groups = {**groups.pop("params", {}), **groups}
    return {name: norm(group) for name, group in groups.items()}


def noting(optimiser: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same optimiser, whose state has the norms of the last gradient and of the last update."""
    return optax.chain(optax.snapshot(GRADIENT, norms), optimiser, optax.snapshot(UPDATE, norms))


def observed(state: TrainState) -> dict[str, float]:
    """Norms by kind and group, as `gradient_norm/Dense_0`, and what was noted in the last step.

    Args:
      state: on the host, of an optimiser of `noting`.
    """
    found = {
        GRADIENT: optax.tree.get(state.optimiser, GRADIENT),
        UPDATE: optax.tree.get(state.optimiser, UPDATE),
        WEIGHTS: norms(state.weights, _norm_on_host),
    }
    by_name = {f"{kind}/{name}": n for kind, groups in found.items() for name, n in groups.items()}
    return {name: float(number) for name, number in {**by_name, **(state.noted or {})}.items()}


def _norm_on_host(tree: Any) -> Any:
    """Of arrays in NumPy: JAX compiles a program for each shape among them."""
    squares = [np.sum(np.square(leaf, dtype=np.float64)) for leaf in jax.tree.leaves(tree)]
    return np.sqrt(np.sum(squares))
