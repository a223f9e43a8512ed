"""Human pose estimation with iterative error feedback (Carreira et al. 2016).

    e_t = f(x_t)                                                          (Eq. 1)
    y_{t+1} = y_t + e_t                                                   (Eq. 2)
    x_{t+1} = I (+) g(y_{t+1})                                            (Eq. 3)

y are K keypoints in pixels of a square crop, g draws one Gaussian each, (+) stacks them on the
image, and the network f puts out what is wrong with them. A last heatmap holds a marked point
inside the person, which never moves.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ief_jax import corrections, feedback, heatmaps, weight_files
from ief_jax.backbones import NAMED, Backbone
from ief_jax.files import InputError
from ief_jax.ief_configurations import Configuration
from ief_jax.keypoint_checkpoints import Checkpoint
from ief_jax.weight_files import Weights


class Sight(NamedTuple):
    """What a network sees of N crops that does not depend on the keypoints.

    Attributes:
      seen: the backbone's own, leading axis N.
      marked: [N, 2] a point inside each person, pixels.
    """

    seen: Any
    marked: jax.Array


def network(configuration: Configuration) -> Backbone:
    """A configuration's network, without weights."""
    count = len(configuration.joints)
    return NAMED[configuration.backbone](
        outputs=2 * count,
        maps=count + 1,
        enters=configuration.enters,
        cells=configuration.cells,
    )


def initial_weights(configuration: Configuration, key: jax.Array) -> Weights:
    """Random weights of a configuration's network."""
    side = configuration.size
    image = jnp.zeros((1, side, side, 3))
    maps = jnp.zeros((1, side, side, len(configuration.joints) + 1))
    return jax.jit(network(configuration).init)(key, image, maps)


def check(checkpoint: Checkpoint, source: str) -> None:
    """Sees that a checkpoint's weights are those of its configuration's network.

    Args:
      checkpoint: to be checked.
      source: where it comes from, for messages.

    Raises:
      InputError: there is no such backbone; or names what is missing, unknown or of another shape.
    """
    configuration = checkpoint.configuration
    if configuration.backbone not in NAMED:
        raise InputError(
            f"{source}: backbone '{configuration.backbone}' is not one of {', '.join(NAMED)}"
        )
    expected = jax.eval_shape(partial(initial_weights, configuration), jax.random.key(0))
    start = jax.ShapeDtypeStruct((len(configuration.joints), 2), jnp.float32)
    weight_files.check(checkpoint.weights, {"network": expected, "start": start}, source)


def see(
    configuration: Configuration, weights: Weights, images: jax.Array, marked: jax.Array
) -> Sight:
    """All that is computed once, however many corrections follow.

    Args:
      configuration: of the network.
      weights: of the network.
      images: [N, S, S, 3] crops, RGB, 0 to 255.
      marked: [N, 2] pixels of the crops.
    """
    module = network(configuration)
    seen = module.apply(weights, module.normalise(images), method="see")
    return Sight(seen, jnp.asarray(marked))


def correction(
    configuration: Configuration, weights: Weights, sight: Sight
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """e_t = f(I (+) g(y_t)) of a batch, [N, K, 2] pixels, to be run by `feedback.refine`.

    As in the paper nothing bounds it: the network was taught corrections that are. `made` is what
    becomes of it where the configuration says so.
    """
    module = network(configuration)
    size = (configuration.size, configuration.size)

    def correct(y: jax.Array, step: jax.Array) -> jax.Array:
        del step
        points = jnp.concatenate([y, sight.marked[:, None]], 1)
        # g(y_t)
        factors = heatmaps.profiles(points, size, configuration.sigma)
        # e_t = f(x_t)
        found = module.apply(weights, sight.seen, factors.rows, factors.columns, method="correct")
        numbers = jnp.asarray(found)
        return module.corrections(numbers, y, configuration.size, configuration.unit)

    return correct


def made(configuration: Configuration, correction: jax.Array) -> jax.Array:
    """The part of a correction [..., K, 2] that is made in one step."""
    if not configuration.bounded:
        return correction
    return corrections.limited(correction, configuration.unit)


def predict(
    checkpoint: Checkpoint, images: ArrayLike, marked: ArrayLike, steps: int | None = None
) -> jax.Array:
    """Keypoints of N people.

    Args:
      checkpoint: the trained network and y_0.
      images: [N, S, S, 3] crops, RGB, 0 to 255; S is the configuration's size.
      marked: [N, 2] a point inside each person, pixels of the crops.
      steps: T; the configuration's own number by default.

    Returns:
      y_0 .. y_T of each: [N, T + 1, K, 2], pixels of the crops. Compiled once a batch size.
    """
    configuration = checkpoint.configuration
    count = configuration.steps if steps is None else steps
    weights = checkpoint.weights
    return _predict(configuration, count, weights, jnp.asarray(images), jnp.asarray(marked))


@partial(jax.jit, static_argnums=(0, 1))
def _predict(
    configuration: Configuration,
    steps: int,
    weights: Weights,
    images: jax.Array,
    marked: jax.Array,
) -> jax.Array:
    sight = see(configuration, weights["network"], images, marked)
    start = jnp.broadcast_to(weights["start"], (len(images), *weights["start"].shape))
    correct = correction(configuration, weights["network"], sight)
    path = feedback.refine(lambda y, t: made(configuration, correct(y, t)), start, steps)
    return jnp.moveaxis(path, 0, 1)
