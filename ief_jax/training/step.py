"""Training anything: the state of a run, its optimiser, and one step over all devices.

Nothing here reads files or keeps state: the commands of `train.py` run these functions.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ief_jax import stored_programs
from ief_jax.training.mesh import of_batch, spread
from ief_jax.training.state import TrainState

MakeExample = Callable[[jax.Array, Any], tuple[Any, ...]]
"""(a random key, an item from outside or None) to one example."""

Objective = Callable[..., jax.Array | tuple[jax.Array, dict[str, jax.Array]]]
"""(weights, and an example's parts, batched) to the mean loss, or also to numbers by name, which
the state shows after the step."""

Step = Callable[[TrainState, Any], tuple[TrainState, jax.Array]]
"""(state, items with a leading axis [B], or None) to (state, loss). Of several processes that train
together each gives its own items, `mesh.own_rows` of the B."""

Steps = Callable[[TrainState, Sequence[Any]], tuple[TrainState, jax.Array]]
"""(state, the items of each of n steps) to (state, losses; the first n of them count)."""

FUSED = 64
"""Most steps that one call of a program makes."""


def training_step(
    make: MakeExample,
    objective: Objective,
    optimiser: optax.GradientTransformation,
    batch_size: int,
    mesh: Mesh,
    average: optax.GradientTransformation | None = None,
    microbatches: int = 1,
) -> Step:
    """One training step, compiled for all devices of a mesh.

    Examples are made where they are needed, each from a key of its own and its item: the batch is
    split over the mesh's axis `batch`, the state is everywhere the same. `batch_size` must be a
    multiple of its devices. The state that goes in is given up to the one that comes out. With
    `average`, of `state.moving_average`, the state keeps that of the weights.

    With `microbatches` a batch is made and differentiated in so many equal parts, one after the
    other, in that much less memory; gradient, loss and numbers are the means of the
    devices' and the parts'. For an objective that is a mean over examples this is the step of the
    whole batch, to rounding. `batch_size` must be a multiple of devices times parts.
    """
    split, everywhere = _shardings(mesh)
    differentiate = _device_by_device(_differentiate(make, objective), mesh)
    compiled = _compiled(
        _advance(differentiate, optimiser, batch_size, mesh, average, microbatches),
        mesh,
        (everywhere, split),
    )
    return lambda state, items: compiled(_forgetful(state), spread(items, split))


def fused_steps(
    make: MakeExample,
    objective: Objective,
    optimiser: optax.GradientTransformation,
    batch_size: int,
    mesh: Mesh,
    average: optax.GradientTransformation | None = None,
    most: int = FUSED,
    microbatches: int = 1,
) -> Steps:
    """As `training_step`, several steps a call, so that calling never limits a small network.

    One program makes any number of steps up to `most`: however a run is cut into calls, it comes to
    the same weights. Within a call each device updates its share of the weights, with its share of
    the optimiser's memory (ZeRO, Rajbhandari et al. 2020): not all of them the same ones. How the
    examples are split is then left to the compiler, which need not read all weights everywhere.
    """
    _, everywhere = _shardings(mesh)
    of_steps = NamedSharding(mesh, PartitionSpec(None, "batch"))
    # Inlined: it is traced once, for what it notes and for the loop.
    advance = jax.jit(
        _advance(
            *(_differentiate(make, objective), optimiser, batch_size, mesh, average, microbatches),
            partial(_shared, mesh=mesh),
        ),
        inline=True,
    )

    def several(state: TrainState, items: Any, count: jax.Array) -> tuple[TrainState, jax.Array]:
        def of_step(index: jax.Array) -> Any:
            return jax.tree.map(lambda leaf: leaf[index], items)

        def body(index: jax.Array, carried: tuple[TrainState, jax.Array, Any]) -> Any:
            state, losses, _ = carried
            after, loss = advance(state, of_step(index))
            return _forgetful(after), losses.at[index].set(loss), after.noted

        noted = jax.eval_shape(advance, state, of_step(jnp.int32(0)))[0].noted
        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), noted)
        first = (state, jnp.zeros(most), nothing)
        state, losses, noted = jax.lax.fori_loop(0, count, body, first)
        return dataclasses.replace(state, noted=noted), losses

    compiled = _compiled(several, mesh, (everywhere, of_steps, everywhere))

    def call(state: TrainState, items: Sequence[Any]) -> tuple[TrainState, jax.Array]:
        if not 1 <= len(items) <= most:
            raise ValueError(f"items: expected those of 1 to {most} steps, got {len(items)}")
        # All calls have the same shape: what is beyond the count is not looked at.
        padded = [*items, *[items[-1]] * (most - len(items))]
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *padded)
        return compiled(_forgetful(state), spread(stacked, of_steps), np.int32(len(items)))

    return call


def one_by_one(advance: Step) -> Steps:
    """Several calls of a step."""

    def call(state: TrainState, items: Sequence[Any]) -> tuple[TrainState, jax.Array]:
        losses = []
        for item in items:
            state, loss = advance(state, item)
            losses.append(loss)
        return state, jnp.stack(losses)

    return call


def _forgetful(state: TrainState) -> TrainState:
    """The state without what was noted: programs take it as it was first given."""
    return dataclasses.replace(state, noted=None)


def _shardings(mesh: Mesh) -> tuple[NamedSharding, NamedSharding]:
    """(of a batch, of what is the same on all devices)"""
    return of_batch(mesh), NamedSharding(mesh, PartitionSpec())


def _compiled(
    function: Callable[..., tuple[TrainState, jax.Array]],
    mesh: Mesh,
    shardings: tuple[NamedSharding, ...],
) -> Callable[..., tuple[TrainState, jax.Array]]:
    """A program of (state, ...) to (state, losses), which gives up the state; its first makes the
    longest wait of a run that goes on, so that of one device it is kept between processes."""
    if mesh.size > 1:
        everywhere = _shardings(mesh)[1]
        return jax.jit(function, donate_argnums=0, in_shardings=shardings, out_shardings=everywhere)

    # As lists and dictionaries, which are all that a kept program can have.
    def of_leaves(structure: Any, leaves: list[jax.Array], *rest: Any) -> Any:
        after, losses = function(jax.tree.unflatten(structure, leaves), *rest)
        return jax.tree.leaves(_forgetful(after)), losses, after.noted

    kept = stored_programs.jit(of_leaves, {}, static_argnums=(0,), donate_argnums=(1,))

    def call(state: TrainState, *rest: Any) -> tuple[TrainState, jax.Array]:
        leaves, structure = jax.tree.flatten(state)
        leaves, losses, noted = kept(structure, leaves, *rest)
        return dataclasses.replace(jax.tree.unflatten(structure, leaves), noted=noted), losses

    return call


Differentiate = Callable[[Any, jax.Array, Any], Any]
"""(weights, a key for each example [B], items) to ((mean loss, numbers by name), gradient)."""


def _differentiate(make: MakeExample, objective: Objective) -> Differentiate:
    def noting(weights: Any, *batch: Any) -> tuple[jax.Array, dict[str, jax.Array] | None]:
        found = objective(weights, *batch)
        return found if isinstance(found, tuple) else (found, None)

    def differentiate(weights: Any, keys: jax.Array, items: Any) -> Any:
        batch = jax.vmap(make)(keys, items)
        return jax.value_and_grad(noting, has_aux=True)(weights, *batch)

    return differentiate


def _device_by_device(differentiate: Differentiate, mesh: Mesh) -> Differentiate:
    """The mean over devices, each of which makes and differentiates its own examples.

    Left to itself, a compiler gathers all examples wherever one is looked at by itself.
    """
    if mesh.size == 1:
        return differentiate
    split, everywhere = (sharding.spec for sharding in _shardings(mesh))
    return jax.shard_map(
        lambda *own: jax.lax.pmean(differentiate(*own), "batch"),
        mesh=mesh,
        in_specs=(everywhere, split, split),
        out_specs=everywhere,
        check_vma=False,  # else JAX adds up gradients of weights by itself
    )


def _advance(
    differentiate: Differentiate,
    optimiser: optax.GradientTransformation,
    batch_size: int,
    mesh: Mesh,
    average: optax.GradientTransformation | None,
    microbatches: int,
    share: Callable[[Any], Any] = lambda tree: tree,
) -> Step:
    """One step, to be compiled; `share` says how weights are split over devices to be updated."""
    split, everywhere = _shardings(mesh)

    def advance(state: TrainState, items: Any) -> tuple[TrainState, jax.Array]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        keys = jax.lax.with_sharding_constraint(jax.random.split(key, batch_size), split)
        (value, noted), gradient = _mean_of_parts(
            partial(differentiate, state.weights), (keys, items), microbatches, mesh
        )
        own = share(state.weights)
        update, memory = optimiser.update(share(gradient), share(state.optimiser), own)
        weights = optax.apply_updates(own, update)
        # a_n = decay a_{n-1} + (1 - decay) w_n
        mean = None if average is None else average.update(weights, share(state.average))[1]
        weights = jax.lax.with_sharding_constraint(weights, everywhere)
        return TrainState(
            state.step + 1, weights, share(memory), state.key, share(mean), noted
        ), value

    return advance


def _shared(tree: Any, mesh: Mesh) -> Any:
    """Each array split over the devices along the first axis that they divide, if there is one."""

    def split(leaf: jax.Array) -> jax.Array:
        axes = [axis for axis, size in enumerate(leaf.shape) if size % mesh.size == 0]
        spec = PartitionSpec(*[None] * axes[0], "batch") if axes else PartitionSpec()
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec))

    return jax.tree.map(split, tree)


def _mean_of_parts(
    compute: Callable[..., Any], batch: tuple[Any, ...], parts: int, mesh: Mesh
) -> Any:
    """The mean of what `compute` makes of equal parts of a batch, one after the other."""
    if parts == 1:
        return compute(*batch)
    of_parts = NamedSharding(mesh, PartitionSpec(None, "batch"))

    def cut(leaf: jax.Array) -> jax.Array:
        # Every so many-th example is of one part: each device keeps the examples that it has.
        parted = jnp.swapaxes(leaf.reshape(-1, parts, *leaf.shape[1:]), 0, 1)
        return jax.lax.with_sharding_constraint(parted, of_parts)

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, compute(*part)), None

    cut_batch = jax.tree.map(cut, batch)
    first = jax.eval_shape(compute, *jax.tree.map(lambda leaf: leaf[0], cut_batch))
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), first)
    total, _ = jax.lax.scan(add, nothing, cut_batch)
    return jax.tree.map(lambda leaf: leaf / parts, total)
