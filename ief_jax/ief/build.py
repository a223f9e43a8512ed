"""A keypoint estimator from its configuration: the network and its first weights."""

from functools import partial

import jax
import jax.numpy as jnp

from ief_jax import stored_programs
from ief_jax.ief.backbones import NAMED, Backbone
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import IEFConfig
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import Weights
from ief_jax.io.files import InputError


def network(configuration: IEFConfig) -> Backbone:
    """A configuration's network, without weights."""
    count = len(configuration.joints)
    return NAMED[configuration.backbone](
        outputs=2 * count,
        maps=count + 1,
        heatmap_stage=configuration.heatmap_stage,
        pool_size=configuration.pool_size,
        heatmap_gain=configuration.heatmap_gain,
    )


def initial_weights(configuration: IEFConfig, key: jax.Array) -> Weights:
    """Random weights of a configuration's network."""

    def initial(key: jax.Array) -> Weights:
        side = configuration.size
        image = jnp.zeros((1, side, side, 3))
        maps = jnp.zeros((1, side, side, len(configuration.joints) + 1))
        return network(configuration).init(jax.random.wrap_key_data(key), image, maps)

    return stored_programs.jit(initial, {})(jax.random.key_data(key))


def check_checkpoint(checkpoint: Checkpoint, source: str) -> None:
    """Sees that a checkpoint's weights are those of its configuration's network.

    Args:
      checkpoint: to be checked.
      source: where it comes from, for messages.

    Raises:
      InputError: there is no such backbone, or none with such a stage or size; or names what is
        missing, unknown or of another shape.
    """
    configuration = checkpoint.configuration
    if configuration.backbone not in NAMED:
        raise InputError(
            f"{source}: backbone '{configuration.backbone}' is not one of {', '.join(NAMED)}"
        )
    expected = checkpoint_files.shapes(partial(initial_weights, configuration), source)
    start = jax.ShapeDtypeStruct((len(configuration.joints), 2), jnp.float32)
    checkpoint_files.check_weights(
        checkpoint.weights, {"network": expected, "start": start}, source
    )
