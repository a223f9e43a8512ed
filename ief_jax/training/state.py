"""All that a training run is at one moment."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct


@struct.dataclass
class TrainState:
    """All that a run is at one moment: what a checkpoint of it holds."""

    step: jax.Array
    weights: Any
    optimiser: Any
    key: jax.Array


def initial_state(weights: Any, optimiser: optax.GradientTransformation, seed: int) -> TrainState:
    """The state before the first step. The key is kept as raw data, which any file can hold."""
    key = jax.random.key_data(jax.random.key(seed))
    return TrainState(jnp.int32(0), weights, optimiser.init(weights), key)
