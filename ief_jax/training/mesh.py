"""The devices that a step runs on."""

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ief_jax.training.state import TrainState


def replicate(state: TrainState, mesh: Mesh) -> TrainState:
    """A copy of the state on every device of the mesh, where `step` leaves it.

    A step that is first given a state from elsewhere compiles once for it and once for its own.
    """
    # A copy first: over several devices `may_alias` is not heeded, and a step would give up the
    # caller's arrays.
    copy = jax.device_put(state, mesh.devices.flat[0], may_alias=False)
    return jax.device_put(copy, NamedSharding(mesh, PartitionSpec()))


def device_mesh() -> Mesh:
    """All devices in one axis, `batch`."""
    return jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
