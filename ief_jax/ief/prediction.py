"""Keypoints of people in square crops: all corrections, compiled."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ief_jax import checks, compiling, loop, stored_programs
from ief_jax.ief import iteration
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import IEFConfig
from ief_jax.io.checkpoint_files import Weights


@stored_programs.writable
class Prediction(NamedTuple):
    """Keypoints of N people.

    Attributes:
      path: [N, T + 1, K, 2] y_0 .. y_T, pixels of the crops.
      presence: [N, K] logits of whether each keypoint can be seen, as the last step saw it; None
        where the network does not say, or no step was made.
    """

    path: jax.Array | np.ndarray
    presence: jax.Array | np.ndarray | None


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

    Raises:
      ValueError: an argument has another shape or dtype; or, where values are there (not while
        tracing), images are in 0 to 1 or anything is not finite.
    """
    return jnp.asarray(predict_with_presence(checkpoint, images, marked, steps).path)


def predict_with_presence(
    checkpoint: Checkpoint, images: ArrayLike, marked: ArrayLike, steps: int | None = None
) -> Prediction:
    """As `predict`, and whether each keypoint can be seen."""
    return _predict(*arguments(checkpoint, images, marked, steps))


def arguments(
    checkpoint: Checkpoint, images: ArrayLike, marked: ArrayLike, steps: int | None
) -> tuple[IEFConfig, int, Weights, jax.Array, jax.Array]:
    """What compiled functions take, checked as for `predict`: static first, arrays as arrays."""
    configuration = checkpoint.configuration
    count = configuration.steps if steps is None else steps
    checks.count("steps", count)
    checks.arrays(
        ("images", images, "[N, S, S, 3] crops, RGB, 0 to 255"),
        ("marked", marked, "[N, 2] a point inside each person, pixels of the crops"),
        S=configuration.size,
    )
    _check_values(images, marked)
    return configuration, count, checkpoint.weights, jnp.asarray(images), jnp.asarray(marked)


def _check_values(images: ArrayLike, marked: ArrayLike) -> None:
    points, pixels = checks.values(marked), checks.values(images)
    if points is not None and not np.isfinite(points).all():
        raise ValueError("marked: expected finite pixels of the crops, got NaN or infinity")
    if pixels is None or pixels.dtype.kind != "f" or not pixels.size:
        return
    largest = pixels.max()
    if not np.isfinite(largest) or not np.isfinite(pixels.min()):
        raise ValueError("images: expected 0 to 255, got NaN or infinity")
    if largest <= 1 and pixels.any():
        raise ValueError(f"images: expected 0 to 255, got {pixels.min():g} to {largest:g}")


@partial(stored_programs.jit, options=compiling.LEAN, static_argnums=(0, 1))
def _predict(
    configuration: IEFConfig,
    steps: int,
    weights: Weights,
    images: jax.Array,
    marked: jax.Array,
) -> Prediction:
    features = iteration.encode_image(configuration, weights["network"], images, marked)
    start = jnp.broadcast_to(weights["start"], (len(images), *weights["start"].shape))
    correct = iteration.correction_and_presence(configuration, weights["network"], features)

    def bounded(y: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        e, presence = correct(y, t)
        return iteration.apply_bound(configuration, e), presence

    path, presence = loop.refine_traced(bounded, start, steps)
    last = None if presence is None or not steps else presence[-1]
    return Prediction(jnp.moveaxis(path, 0, 1), last)
