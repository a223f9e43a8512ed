"""The devices that a step runs on: of one process, or of several that train together."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ief_jax.io.files import InputError, OutputError, reason
from ief_jax.training.run_options import Hosts
from ief_jax.training.state import TrainState

MOMENT = 2.0
"""Seconds that the first process waits before it ends: without it JAX ends the others, who may be
about to say the same."""


def join(hosts: Hosts) -> None:
    """Makes this process one of several, if that is wanted; before any device is used.

    Raises:
      InputError: the others are not said, and cannot be found.
    """
    if not (hosts.distributed or hosts.coordinator):
        return
    try:
        jax.distributed.initialize(hosts.coordinator, hosts.processes, hosts.process)
    except ValueError as error:
        raise InputError(
            f"--distributed finds no other processes ({error}); give --coordinator HOST:PORT, "
            "--processes and --process"
        ) from error


@contextmanager
def together(hosts: Hosts) -> Iterator[None]:
    """Makes this process one of several for the block, if that is wanted.

    Of several, one that fails says why and ends at once, with status 2 for what was no good and 1
    where another is gone: the others would wait for it for minutes.

    Raises:
      InputError: as `join`.
    """
    join(hosts)
    try:
        yield
    except (InputError, OutputError) as error:
        if jax.process_count() == 1:
            raise
        print(f"error: {error}", file=sys.stderr)
        if jax.process_index() == 0:
            time.sleep(MOMENT)
        leave(2)
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        print(f"{gone(error)}; start all of them again, to go on", file=sys.stderr)
        leave(1)


def gone(error: jax.errors.JaxRuntimeError) -> str:
    """What is wrong where the work with other processes fails."""
    return f"another process of the run is gone ({reason(error)})"


def leave(status: int) -> NoReturn:
    """Ends this process at once, when another one is gone.

    At a usual end JAX waits for all of them, for minutes, and then ends this one with pages.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def own_rows(batch_size: int, mesh: Mesh) -> np.ndarray:
    """Which rows of a global batch this process feeds, those of its devices: all if it is alone."""
    found = of_batch(mesh).addressable_devices_indices_map((batch_size,)).values()
    return np.sort(np.concatenate([np.arange(batch_size)[index] for index in found]))


def spread(items: Any, sharding: NamedSharding) -> Any:
    """Host arrays on their way to the devices; what is there already stays as it is.

    Nobody waits for them: items that are spread while the devices work are there when they are
    needed.

    Args:
      items: a tree of arrays: what this process feeds of each, `own_rows` along the axis `batch`.
      sharding: of each.
    """

    def place(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array):
            return leaf
        if jax.process_count() == 1:
            return jax.device_put(leaf, sharding)
        return jax.make_array_from_process_local_data(sharding, np.asarray(leaf))

    return jax.tree.map(place, items)


def of_batch(mesh: Mesh) -> NamedSharding:
    """Of arrays whose first axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec("batch"))


def replicate(state: TrainState, mesh: Mesh) -> TrainState:
    """A copy of the state on every device of the mesh, where `step` leaves it.

    A step that is first given a state from elsewhere compiles once for it and once for its own.
    """
    everywhere = NamedSharding(mesh, PartitionSpec())
    if jax.process_count() > 1:
        return spread(jax.device_get(state), everywhere)
    # A copy first: over several devices `may_alias` is not heeded, and a step would give up the
    # caller's arrays.
    copy = jax.device_put(state, mesh.devices.flat[0], may_alias=False)
    return jax.device_put(copy, everywhere)


def device_mesh() -> Mesh:
    """All devices in one axis, `batch`."""
    return jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
