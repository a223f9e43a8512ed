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
    rate: float | optax.Schedule = learning_rate
    if schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(
            0.0, learning_rate, max(1, min(200, iterations // 10)), max(iterations, 2)
        )
    steps = optax.adam(rate) if name == "adam" else optax.sgd(rate, momentum=momentum)
    return optax.chain(optax.clip_by_global_norm(clip), steps) if clip else steps


def adam(learning_rate: float, iterations: int) -> optax.GradientTransformation:
    """Adam, its rate warmed up and then lowered to nothing along a cosine; clipped gradients."""
    return optimiser("adam", learning_rate, iterations)
