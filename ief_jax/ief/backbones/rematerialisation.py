"""Backbones in less memory: what lies within a stage is computed anew for its gradient.

Of a network's forward pass the results of its stages are kept alone (Chen et al. 2016, "Training
deep nets with sublinear memory cost"): about one more forward pass, for a part of the memory.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
from jax.ad_checkpoint import checkpoint_name

STAGE = "stage"

P = ParamSpec("P")
Result = TypeVar("Result")


def kept(x: jax.Array) -> jax.Array:
    """A stage's result, which `rematerialised` keeps."""
    return checkpoint_name(x, STAGE)


def rematerialised(function: Callable[P, Result]) -> Callable[P, Result]:
    """The same function of a backbone's weights, whose derivative takes less memory.

    On a CPU it does not: XLA sees there that the same is computed twice, and keeps it.
    """
    policy = jax.checkpoint_policies.save_only_these_names(STAGE)
    found: Callable[P, Result] = jax.checkpoint(function, policy=policy)
    return found
