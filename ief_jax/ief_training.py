"""Training IEF: what a correction is taught, and on which states (IEF, section 2).

Nothing here reads files or keeps state: `train.py ief` runs these functions.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import corrections, ief
from ief_jax.ief_configurations import Configuration
from ief_jax.weight_files import Weights

LARGEST_CORRECTION = 20 / 224
"""L, as a share of the crop's side."""


class Crop(NamedTuple):
    """A person in a square crop; in batches with a leading axis.

    Attributes:
      image: [S, S, 3] RGB, 0 to 255.
      points: [K, 2] y, pixels of the crop; any finite number where not annotated.
      annotated: [K].
      marked: [2] a point inside the person, pixels of the crop.
    """

    image: jax.Array
    points: jax.Array
    annotated: jax.Array
    marked: jax.Array


class Lesson(NamedTuple):
    """One correction step as a training example; in batches with a leading axis.

    Attributes:
      crop: the person.
      state: [K, 2] y_t, pixels of the crop.
      correction: [K, 2] e(y, y_t), pixels.
    """

    crop: Crop
    state: jax.Array
    correction: jax.Array


def square(error: jax.Array) -> jax.Array:
    """|e|^2 of errors [..., 2] in units of L, as in the paper."""
    return jnp.square(error).sum(-1)


def length(error: jax.Array) -> jax.Array:
    """About |e|: wrong annotations count for less. Smooth below a fifth of L."""
    return jnp.sqrt(jnp.square(error).sum(-1) + 0.04)


class Method(NamedTuple):
    """What is taught.

    Attributes:
      bounded: corrections are taught to be at most L long.
      consolidated: one step first, then two, and so on (Fixed Path Consolidation, Algorithm 1);
        else all from the beginning.
      own: steps are taught where the network's own corrections lead to, not on the fixed path.
      jitter: states off the start are moved by up to this many L (standard deviation).
      steps: T.
      cut: corrections are cut to L when they are made.
      h: what an error counts, [..., 2] in units of L.
    """

    bounded: bool
    consolidated: bool
    own: bool
    jitter: float
    steps: int
    cut: bool = False
    h: Callable[[jax.Array], jax.Array] = square


METHODS: Mapping[str, Method] = {
    # Algorithm 1.
    "ief": Method(True, True, False, 0.0, 4),
    # Figure 4: all steps from the first epoch on.
    "no_fpc": Method(True, False, False, 0.0, 4),
    # Table 3: the whole correction in one step.
    "direct": Method(False, False, False, 0.0, 1),
    # Table 3: the whole correction, again and again, from wherever the last one led.
    "iterative_direct": Method(False, True, True, 0.0, 4),
    # Ours: on the fixed path the direction can be read off y_t - y_0 without a look at the image,
    # but at test time the steps before were not as good. Moved states take that away.
    "jittered": Method(True, True, False, 1.0, 4),
    # Ours, for networks that say where a keypoint is: the whole way is taught, the first L of it
    # is made, and the next lesson is where that led.
    "pursuit": Method(False, True, True, 0.0, 4, cut=True, h=length),
}


def stages(method: Method, iterations: int, first: int = 1) -> list[tuple[int, int]]:
    """(first iteration, steps taught from there on): Algorithm 1's growing set.

    Every stage is an equal number of passes over its lessons. Where each step of each person is a
    lesson by itself, a stage of t steps has t times as many of them as the first.

    Args:
      method: what is taught.
      iterations: of the run.
      first: steps that a consolidated method teaches from the beginning; the others are added one
        by one.
    """
    if not method.consolidated:
        return [(0, method.steps)]
    taught = range(first, method.steps + 1)
    lengths = [1 if method.own else steps for steps in taught]
    before = itertools.accumulate(lengths[:-1], initial=0)
    return [
        (iterations * passed // sum(lengths), steps)
        for passed, steps in zip(before, taught, strict=True)
    ]


def median_pose(points: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """y_0 [K, 2]: the median of each joint over N poses [N, K, 2] where annotated [N, K]."""
    known = np.where(annotated[..., None], points, np.nan)
    return np.nanmedian(known, 0).astype(np.float32)


def longest(configuration: Configuration, method: Method) -> float:
    """L in pixels; infinite where corrections are not bounded."""
    return LARGEST_CORRECTION * configuration.size if method.bounded else float("inf")


def target(crop: Crop, start: jax.Array) -> jax.Array:
    """y [K, 2] as it is taught: joints that are not annotated stay where they start."""
    return jnp.where(crop.annotated[:, None], crop.points, start)


def lesson(
    key: jax.Array,
    item: tuple[jax.Array, Crop],
    configuration: Configuration,
    method: Method,
    start: jax.Array,
) -> tuple[Lesson]:
    """A correction step to teach: any of the first ones on the way from y_0 to y (Algorithm 1).

    Args:
      key: for the choice of the step, and the jitter.
      item: how many steps there are to choose from, and a person.
      configuration: of the network.
      method: what is taught.
      start: y_0 [K, 2], pixels.
    """
    steps, crop = item
    step_key, amount_key, jitter_key = jax.random.split(key, 3)
    largest = longest(configuration, method)
    y = target(crop, start)
    path = corrections.fixed_path(y, start, largest, method.steps - 1)
    t = jax.random.randint(step_key, (), 0, steps)
    widest = LARGEST_CORRECTION * configuration.size * method.jitter
    spread = jnp.where(t > 0, widest, 0.0) * jax.random.uniform(amount_key)
    state = path[t] + spread * jax.random.normal(jitter_key, start.shape)
    return (Lesson(crop, state, corrections.bounded(y, state, largest)),)


def loss_of_lessons(
    configuration: Configuration, method: Method
) -> Callable[[Weights, Lesson], jax.Array]:
    """h(f(x_t), e(y, y_t)) of a batch of lessons, every correction step by itself (Eq. 4)."""

    def mean(weights: Weights, lessons: Lesson) -> jax.Array:
        crops = lessons.crop
        sight = ief.see(configuration, weights, crops.image, crops.marked)
        found = ief.correction(configuration, weights, sight)(lessons.state, jnp.int32(0))
        return _mean(method, configuration, found, lessons.correction, crops.annotated)

    return mean


def loss_of_path(
    configuration: Configuration, method: Method, start: jax.Array, steps: int
) -> Callable[[Weights, Crop], jax.Array]:
    """The same, averaged over the states that the network's own corrections lead to.

    Args:
      configuration: of the network.
      method: what is taught.
      start: y_0 [K, 2], pixels.
      steps: how many steps are taught. No gradient goes through the states.
    """
    largest = longest(configuration, method)

    def mean(weights: Weights, crops: Crop) -> jax.Array:
        sight = ief.see(configuration, weights, crops.image, crops.marked)
        correct = ief.correction(configuration, weights, sight)
        y = jax.vmap(lambda crop: target(crop, start))(crops)
        state, total = jnp.broadcast_to(start, y.shape), jnp.zeros(())
        for t in range(steps):
            found = correct(state, jnp.int32(t))
            taught = corrections.bounded(y, state, largest)
            total += _mean(method, configuration, found, taught, crops.annotated)
            state = jax.lax.stop_gradient(state + ief.made(configuration, found))
        return total / steps

    return mean


def _mean(
    method: Method,
    configuration: Configuration,
    found: jax.Array,
    taught: jax.Array,
    annotated: jax.Array,
) -> jax.Array:
    # h(f(x_t), e(y, y_t)), in units of L; joints that are not annotated teach nothing
    error = method.h((found - taught) / configuration.unit)
    return jnp.where(annotated, error, 0.0).sum() / jnp.maximum(annotated.sum(), 1)
