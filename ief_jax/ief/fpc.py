"""Fixed Path Consolidation (Carreira et al. 2016, Algorithm 1): examples, stages and the loss.

The target of every step is known before training: y_t moves from y_0 straight to y, by L at most.
Training begins with the first step of each person, and adds the second, the third, ... one by one.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ief_jax import checks
from ief_jax.ief import corrections, iteration, losses, training_data
from ief_jax.ief.config import MAX_CORRECTION, IEFConfig
from ief_jax.ief.training_data import PersonCrop
from ief_jax.ief.training_methods import Method
from ief_jax.io.checkpoint_files import Weights


class TrainingExample(NamedTuple):
    """One correction step of one person; in batches with a leading axis.

    Attributes:
      crop: the person.
      state: [K, 2] y_t, pixels of the crop.
      correction: [K, 2] e(y, y_t), pixels.
    """

    crop: PersonCrop
    state: jax.Array
    correction: jax.Array


def training_stages(method: Method, iterations: int, first: int = 1) -> list[tuple[int, int]]:
    """(first iteration, steps trained from there on): Algorithm 1's growing set.

    Every stage is an equal number of passes over its examples. Where each step of each person is
    an example by itself, a stage of t steps has t times as many of them as the first.

    Args:
      method: of training.
      iterations: of the run.
      first: steps that a consolidated method begins with; the others are added one by one.
    """
    checks.count("iterations", iterations)
    checks.count("first", first, least=1)
    if not method.consolidated:
        return [(0, method.steps)]
    steps_of_stages = range(first, method.steps + 1)
    lengths = [1 if method.on_policy else steps for steps in steps_of_stages]
    before = itertools.accumulate(lengths[:-1], initial=0)
    return [
        (iterations * passed // sum(lengths), steps)
        for passed, steps in zip(before, steps_of_stages, strict=True)
    ]


def max_correction(configuration: IEFConfig, method: Method) -> float:
    """L in pixels; infinite where target corrections are not bounded."""
    return MAX_CORRECTION * configuration.size if method.bounded else float("inf")


def training_example(
    key: jax.Array,
    item: tuple[jax.Array, PersonCrop],
    configuration: IEFConfig,
    method: Method,
    start: jax.Array,
) -> tuple[TrainingExample]:
    """One of the first steps on the way from y_0 to y, at random (Algorithm 1).

    Args:
      key: for the choice of the step, and the jitter.
      item: how many steps there are to choose from, and a person.
      configuration: of the network.
      method: of training.
      start: y_0 [K, 2], pixels.
    """
    steps, crop = item
    checks.arrays(
        ("item[0]", steps, "int [] how many steps"),
        ("start", start, "[K, 2] y_0, pixels of the crop"),
        K=len(configuration.joints),
    )
    training_data.check(crop, K=len(start), S=configuration.size)
    step_key, amount_key, jitter_key = jax.random.split(key, 3)
    bound = max_correction(configuration, method)
    y = training_data.target_pose(crop, start)
    # y_{t+1} = y_t + e(y, y_t), whatever the network would say
    path = corrections.fixed_path(y, start, bound, method.steps - 1)
    t = jax.random.randint(step_key, (), 0, steps)
    widest = MAX_CORRECTION * configuration.size * method.jitter
    spread = jnp.where(t > 0, widest, 0.0) * jax.random.uniform(amount_key)
    state = path[t] + spread * jax.random.normal(jitter_key, start.shape)
    return (TrainingExample(crop, state, corrections.bounded(y, state, bound)),)


def training_loss(
    configuration: IEFConfig, method: Method, compute: DTypeLike | None = None
) -> Callable[[Weights, TrainingExample], jax.Array]:
    """h(f(x_t), e(y, y_t)) of a batch, every correction step an example by itself (Eq. 4).

    Args:
      configuration: of the network.
      method: of training.
      compute: dtype that the network is computed in; by default that of its weights.
    """

    def loss(weights: Weights, examples: TrainingExample) -> jax.Array:
        crops = examples.crop
        features = iteration.encode_image(
            configuration, weights, crops.image, crops.marked, compute
        )
        correct = iteration.correction(configuration, weights, features)
        found = correct(examples.state, jnp.int32(0))
        return losses.mean_error(
            method.h, found, examples.correction, crops.annotated, configuration.max_correction
        )

    return loss
