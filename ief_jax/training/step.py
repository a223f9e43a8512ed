"""Training anything: the state of a run, its optimiser, and one step over all devices.

Nothing here reads files or keeps state: the commands of `train.py` run these functions.
"""

from collections.abc import Callable
from typing import Any

import jax
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ief_jax.training.state import TrainState

MakeExample = Callable[[jax.Array, Any], tuple[Any, ...]]
"""(a random key, an item from outside or None) to one example."""

Objective = Callable[..., jax.Array]
"""(weights, and an example's parts, batched) to the mean loss."""

Step = Callable[[TrainState, Any], tuple[TrainState, jax.Array]]
"""(state, items with a leading axis [B], or None) to (state, loss)."""


def training_step(
    make: MakeExample,
    objective: Objective,
    optimiser: optax.GradientTransformation,
    batch_size: int,
    mesh: Mesh,
) -> Step:
    """One training step, compiled for all devices of a mesh.

    Examples are made where they are needed, each from a key of its own and its item: the batch is
    split over the mesh's axis `batch`, the state is everywhere the same. `batch_size` must be a
    multiple of its devices. The state that goes in is given up to the one that comes out.
    """
    split = NamedSharding(mesh, PartitionSpec("batch"))
    everywhere = NamedSharding(mesh, PartitionSpec())

    def advance(state: TrainState, items: Any) -> tuple[TrainState, jax.Array]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        keys = jax.lax.with_sharding_constraint(jax.random.split(key, batch_size), split)
        batch = jax.vmap(make)(keys, items)
        value, gradient = jax.value_and_grad(objective)(state.weights, *batch)
        update, memory = optimiser.update(gradient, state.optimiser, state.weights)
        weights = optax.apply_updates(state.weights, update)
        return TrainState(state.step + 1, weights, memory, state.key), value

    return jax.jit(
        advance,
        donate_argnums=0,
        in_shardings=(everywhere, split),
        out_shardings=everywhere,
    )
