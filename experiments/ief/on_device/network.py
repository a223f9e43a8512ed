"""The network that is trained: IEF on the trunk of MoveNet Thunder."""

from typing import Any

import jax
import jax.numpy as jnp

from experiments.ief.on_device import teacher
from ief_jax.ief import heatmaps
from ief_jax.ief.backbones import movenet
from ief_jax.ief.config import MAX_CORRECTION, IEFConfig

SIGMA = 10 / 224
TRUNK = ("conv1", "stages", "pyramid")
"""Beginnings of the names of the weights that MoveNet has brought."""


def configuration(steps: int) -> IEFConfig:
    """IEF on MoveNet Thunder: whole corrections, on the states that they lead to."""
    size = movenet.THUNDER.size
    return IEFConfig(
        name="movenet_on_policy",
        backbone="movenet_thunder",
        size=size,
        joints=teacher.JOINTS,
        sigma=SIGMA * size,
        max_correction=MAX_CORRECTION * size,
        bounded=False,
        steps=steps,
        heatmap_stage=1,
        pool_size=1,
        heatmap_gain=1.0,
    )


def correction(
    config: IEFConfig, module: Any, weights: Any, encoded: jax.Array, y: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """e_t, and what the network has put out; the marked point is the crop's middle."""
    size = config.size
    middle = jnp.full((len(y), 1, 2), (size - 1) / 2)
    factors = heatmaps.profiles(jnp.concatenate([y, middle], 1), (size, size), config.sigma)
    numbers = module.apply(
        {"params": weights}, encoded, factors.rows, factors.columns, method="correct"
    )
    return module.corrections(numbers, y, size, config.max_correction), numbers
