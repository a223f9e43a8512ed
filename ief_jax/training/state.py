"""All that a training run is at one moment."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct


@struct.dataclass
class TrainState:
    """All that a run is at one moment: what a checkpoint of it holds.

    Attributes:
      step: how many were made.
      weights: that are trained.
      optimiser: its state.
      key: that all randomness comes from.
      average: of the weights, if it is kept.
      noted: numbers by name that the objective gave in the last step; in no checkpoint.
    """

    step: jax.Array
    weights: Any
    optimiser: Any
    key: jax.Array
    average: Any = None
    noted: Any = None


def initial_state(
    weights: Any,
    optimiser: optax.GradientTransformation,
    seed: int,
    average: optax.GradientTransformation | None = None,
) -> TrainState:
    """The state before the first step. The key is kept as raw data, which any file can hold."""

    def empty(weights: Any) -> tuple[Any, Any]:
        return optimiser.init(weights), None if average is None else average.init(weights)

    # One program, where each small operation would be compiled for itself.
    memory, mean = jax.jit(empty)(weights)
    key = jax.random.key_data(jax.random.key(seed))
    return TrainState(jnp.int32(0), weights, memory, key, mean)


def moving_average(decay: float) -> optax.GradientTransformation | None:
    """Keeps the exponential moving average of weights; none if `decay` is 0."""
    return optax.ema(decay) if decay else None


def averaged_weights(state: TrainState, decay: float) -> Any:
    """The moving average of the weights over the steps so far; they themselves if none is kept."""
    if not decay or not int(state.step):
        return state.weights
    # The average begins at nothing: a_n / (1 - decay^n)
    share = 1 - decay ** int(state.average.count)
    return jax.tree.map(lambda mean: mean / share, state.average.ema)
