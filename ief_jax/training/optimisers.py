"""Optimisers: Adam, or gradient descent with momentum, and their learning rates."""

from typing import Literal

import optax

OptimizerName = Literal["adam", "sgd"]
ScheduleName = Literal["cosine", "constant"]


def optimiser(
    name: OptimizerName,
    learning_rate: float,
    iterations: int,
    *,
    schedule: ScheduleName = "cosine",
    momentum: float = 0.9,
    clip: float = 1.0,
) -> optax.GradientTransformation:
    """Adam, or gradient descent with momentum.

    Args:
      name: which.
      learning_rate: at its peak.
      iterations: of the run.
      schedule: cosine: warmed up, and then lowered to nothing along a cosine; constant.
      momentum: mu in v <- mu v + g, w <- w - rate v, of gradient descent alone.
      clip: the longest that the gradient of all weights together is let be; 0 for any.
    """
    rate = rates(learning_rate, iterations, schedule)
    steps = optax.adam(rate) if name == "adam" else optax.sgd(rate, momentum=momentum)
    return optax.chain(optax.clip_by_global_norm(clip), steps) if clip else steps


def rates(learning_rate: float, iterations: int, schedule: ScheduleName) -> optax.Schedule:
    """From the number of steps made to the learning rate of the next; arguments of `optimiser`."""
    if schedule == "constant":
        return optax.constant_schedule(learning_rate)
    return optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, max(1, min(200, iterations // 10)), max(iterations, 2)
    )


def adam(learning_rate: float, iterations: int) -> optax.GradientTransformation:
    """Adam, its rate warmed up and then lowered to nothing along a cosine; clipped gradients."""
    return optimiser("adam", learning_rate, iterations)
