"""The optimiser that the options of a command say, and what is observed of it."""

from collections.abc import Mapping

import jax.numpy as jnp
import optax
from jax.typing import DTypeLike

from experiments import checks
from experiments.options import OptimiserOptions, Precision
from ief_jax.io.files import InputError
from ief_jax.training import measures, optimisers
from ief_jax.training.state import TrainState

COMPUTE: Mapping[Precision, DTypeLike | None] = {"float32": None, "bf16": jnp.bfloat16}
"""The dtype that networks are cast to, if they are."""


def from_options(options: OptimiserOptions, iterations: int) -> optax.GradientTransformation:
    """The optimiser of a run of so many iterations.

    Raises:
      InputError: names the option that makes no sense.
    """
    checks.at_least(options, {"momentum": 0, "clip": 0, "ema": 0})
    if options.ema >= 1:
        raise InputError(f"--ema is {options.ema}, expected less than 1")
    return optimisers.optimiser(
        options.optimizer,
        options.learning_rate,
        iterations,
        schedule=options.schedule,
        momentum=options.momentum,
        clip=options.clip,
    )


def observer(options: OptimiserOptions, iterations: int) -> measures.Observe:
    """Observes the last step's learning rate, and the norms that `measures.noting` notes."""
    rates = optimisers.rates(options.learning_rate, iterations, options.schedule)

    def observe(state: TrainState) -> Mapping[str, float]:
        return {"learning_rate": float(rates(state.step - 1)), **measures.observed(state)}

    return observe
