"""Human pose estimation with iterative error feedback (Carreira et al. 2016).

    e_t = f(x_t)                                                          (Eq. 1)
    y_{t+1} = y_t + e_t                                                   (Eq. 2)
    x_{t+1} = I (+) g(y_{t+1})                                            (Eq. 3)

y are K keypoints in pixels of a square crop, g draws one Gaussian each, (+) stacks them on the
image, and the network f puts out what is wrong with them. A last heatmap holds a marked point
inside the person, which never moves.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ief_jax import checks
from ief_jax.ief import build, corrections, heatmaps
from ief_jax.ief.config import IEFConfig
from ief_jax.io.checkpoint_files import Weights
from ief_jax.precision import cast


class ImageFeatures(NamedTuple):
    """What a network sees of N crops that does not depend on the keypoints.

    Attributes:
      encoded: the backbone's own, leading axis N.
      marked: [N, 2] a point inside each person, pixels.
    """

    encoded: Any
    marked: jax.Array


def encode_image(
    configuration: IEFConfig,
    weights: Weights,
    images: jax.Array,
    marked: jax.Array,
    compute: DTypeLike | None = None,
) -> ImageFeatures:
    """All that is computed once, however many corrections follow.

    Args:
      configuration: of the network.
      weights: of the network.
      images: [N, S, S, 3] crops, RGB, 0 to 255.
      marked: [N, 2] pixels of the crops.
      compute: dtype that the network is computed in, here and in the corrections that follow; by
        default that of its weights.
    """
    checks.arrays(
        ("images", images, "[N, S, S, 3] crops, RGB, 0 to 255"),
        ("marked", marked, "[N, 2] pixels of the crops"),
        S=configuration.size,
    )
    module = build.network(configuration)
    normalised = cast(module.normalise(images), compute)
    encoded = module.apply(cast(weights, compute), normalised, method="encode_image")
    return ImageFeatures(encoded, jnp.asarray(marked))


def correction(
    configuration: IEFConfig, weights: Weights, features: ImageFeatures
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """e_t = f(I (+) g(y_t)) of a batch, [N, K, 2] pixels, to be run by `loop.refine`.

    As in the paper nothing bounds it: the network is trained on corrections that are bounded.
    `apply_bound` bounds it where the configuration says so.
    """
    correct = correction_and_presence(configuration, weights, features)
    return lambda y, step: correct(y, step)[0]


def correction_and_presence(
    configuration: IEFConfig, weights: Weights, features: ImageFeatures
) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array | None]]:
    """As `correction`, to be run by `loop.refine_traced`.

    Beside e_t it gives logits [N, K] of whether each keypoint can be seen, of backbones that put
    them out (`Backbone.presence`), or else None.
    """
    shown = answer(configuration, weights, features)

    def correct(y: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        del step
        checks.arrays(
            ("y", y, "[N, K, 2] keypoints, pixels of the crops"),
            ("features.marked", features.marked, "[N, 2] pixels of the crops"),
            K=len(configuration.joints),
        )
        return shown(y, jnp.concatenate([y, features.marked[:, None]], 1))

    return correct


def answer(
    configuration: IEFConfig, weights: Weights, features: ImageFeatures
) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array | None]]:
    """What a network answers to heatmaps wherever they are: derivatives by these are feedback's.

    Returns:
      (y [N, K, 2], where the heatmaps of these and of the marked point are [N, K + 1, 2]) ->
      (e [N, K, 2], logits [N, K] or None), as `correction_and_presence` has them.
    """
    module = build.network(configuration)
    size = (configuration.size, configuration.size)
    encoded = jax.tree.leaves(features.encoded)[0].dtype
    compute = encoded if encoded == jnp.bfloat16 else None

    def shown(y: jax.Array, points: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        checks.arrays(
            ("y", y, "[N, K, 2] keypoints, pixels of the crops"),
            ("points", points, "[N, M, 2] centres of the heatmaps, pixels of the crops"),
            K=len(configuration.joints),
            M=len(configuration.joints) + 1,
        )
        # g(y_t)
        factors = heatmaps.profiles(points, size, configuration.sigma)
        # e_t = f(x_t)
        rows, columns = cast((factors.rows, factors.columns), compute)
        seen = (features.encoded, rows, columns)
        found = module.apply(cast(weights, compute), *seen, method="correct")
        numbers = jnp.asarray(found, y.dtype)
        e = module.corrections(numbers, y, configuration.size, configuration.max_correction)
        return e, module.presence(numbers)

    return shown


def apply_bound(configuration: IEFConfig, correction: jax.Array) -> jax.Array:
    """The part of a correction [..., K, 2] that is made in one step."""
    checks.arrays(("correction", correction, "[..., K, 2] pixels"), K=len(configuration.joints))
    if not configuration.bounded:
        return correction
    return corrections.limited(correction, configuration.max_correction)
