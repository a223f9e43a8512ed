"""What each correction saw and did: heatmaps, target, and what it depends on."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ief_jax import checks, compiling, loop, stored_programs
from ief_jax.ief import corrections, heatmaps, iteration, prediction
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import IEFConfig
from ief_jax.io.checkpoint_files import Weights


@stored_programs.writable
class Trace(NamedTuple):
    """What each of T corrections of N people's K keypoints saw and did.

    Places and corrections are in pixels of the crops. The heatmaps are those of the keypoints and
    of the marked point, M = K + 1.

    Attributes:
      path: [N, T + 1, K, 2] y_0 .. y_T.
      correction: [N, T, K, 2] e_t = f(x_t), as the network puts it out.
      made: [N, T, K, 2] y_{t+1} - y_t: the correction, bounded where the configuration says so.
      target: [N, T, K, 2] e(y, y_t), the bounded correction that training aims at; None where no
        truth was given.
      presence: [N, T, K] logits of whether each keypoint can be seen; None where the network does
        not say.
      heatmaps: g(y_t), factors of [N, T, M, S]; `heatmaps.heatmaps` makes images of them.
      by_feedback: [N, T, K, 2, M, 2] derivative of each correction by where each heatmap is.
      by_image: [N, T, K, S, S] length of the gradient of |e_t| by each pixel, pixels of the crop
        per grey level of the image (0 to 255).
    """

    path: jax.Array
    correction: jax.Array
    made: jax.Array
    target: jax.Array | None
    presence: jax.Array | None
    heatmaps: heatmaps.Profiles
    by_feedback: jax.Array
    by_image: jax.Array

    @property
    def feedback(self) -> jax.Array:
        """[N, T, K, M] which joints correct which: by how much the correction of k changes, per
        pixel that the heatmap of m is moved; root mean square over the directions."""
        # |A|_F / sqrt 2 is the root mean square of |A u| over unit vectors u.
        return ((self.by_feedback**2).sum((-3, -1)) / 2) ** 0.5

    @property
    def labels(self) -> tuple[str, ...]:
        """What each of the T + 1 estimates came of: start, correction N."""
        return ("start", *(f"correction {step + 1}" for step in range(self.made.shape[1])))


def trace(
    checkpoint: Checkpoint,
    images: ArrayLike,
    marked: ArrayLike,
    truth: ArrayLike | None = None,
    steps: int | None = None,
) -> Trace:
    """As `prediction.predict`, with every correction laid open.

    Args:
      checkpoint: the trained network and y_0.
      images: [N, S, S, 3] crops, RGB, 0 to 255.
      marked: [N, 2] a point inside each person, pixels of the crops.
      truth: [N, K, 2] where the keypoints are, pixels of the crops, if that is known.
      steps: T; the configuration's own number by default.

    Returns:
      `Trace`; compiled once a batch size. Takes K backward passes of the whole network a step.

    Raises:
      ValueError: as `prediction.predict` does, or the truth is of another shape.
    """
    configuration, count, weights, crops, inside = prediction.arguments(
        checkpoint, images, marked, steps
    )
    if truth is not None:
        checks.arrays(
            ("truth", truth, "[N, K, 2] keypoints, pixels of the crops"),
            N=len(crops),
            K=len(configuration.joints),
        )
        truth = jnp.asarray(truth, jnp.float32)
    return _trace(configuration, count, weights, crops, inside, truth)


@partial(stored_programs.jit, options=compiling.LEAN, static_argnums=(0, 1))
def _trace(
    configuration: IEFConfig,
    steps: int,
    weights: Weights,
    images: jax.Array,
    marked: jax.Array,
    truth: jax.Array | None,
) -> Trace:
    network = weights["network"]
    images = images.astype(jnp.float32)
    features, to_images = jax.vjp(
        lambda pixels: iteration.encode_image(configuration, network, pixels, marked), images
    )
    start = jnp.broadcast_to(weights["start"], (len(images), *weights["start"].shape))

    def correct(y: jax.Array, t: jax.Array) -> tuple[jax.Array, tuple[Any, ...]]:
        del t
        points = jnp.concatenate([y, marked[:, None]], 1)

        def shown(points: jax.Array, seen: iteration.ImageFeatures) -> tuple[jax.Array, Any]:
            return iteration.answer(configuration, network, seen)(y, points)

        e, back, presence = jax.vjp(shown, points, features, has_aux=True)

        # Backward, since some backbones' convolutions have their derivatives in this sense alone;
        # one joint after the other, of all people at once: each is as large as the images.
        def joint(one: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            axes, corrected = one
            by_points, by_features = jax.vmap(back)(jnp.broadcast_to(axes, (2, *e.shape)))
            # d|e_k| = e_k . de_k / |e_k|
            along = _direction(corrected)
            length = jax.tree.map(lambda d: jnp.einsum("na,an...->n...", along, d), by_features)
            (by_pixel,) = to_images(length)
            return by_points, jnp.sqrt(jnp.square(by_pixel).sum(-1))

        joints = e.shape[1]
        axes = jnp.eye(2 * joints).reshape(joints, 2, 1, joints, 2)
        by_points, by_pixel = jax.lax.map(joint, (axes, jnp.moveaxis(e, 1, 0)))
        feedback = jnp.moveaxis(by_points, 2, 0)  # [N, K, 2, M, 2]
        saliency = jnp.moveaxis(by_pixel, 1, 0)
        made = iteration.apply_bound(configuration, e)
        return made, (e, made, presence, feedback, saliency)

    path, seen = loop.refine_traced(correct, start, steps)
    path = jnp.moveaxis(path, 0, 1)
    e, made, presence, feedback, saliency = jax.tree.map(lambda s: jnp.moveaxis(s, 0, 1), seen)
    y = path[:, :-1]
    target = None
    if truth is not None:
        to = jnp.broadcast_to(truth[:, None], y.shape)
        target = corrections.bounded(to, y, configuration.max_correction)
    still = jnp.broadcast_to(marked[:, None, None], (*y.shape[:2], 1, 2)).astype(y.dtype)
    size = (configuration.size, configuration.size)
    maps = heatmaps.profiles(jnp.concatenate([y, still], 2), size, configuration.sigma)
    return Trace(path, e, made, target, presence, maps, feedback, saliency)


def _direction(e: jax.Array) -> jax.Array:
    """e / |e|, [N, 2]; zero where e is."""
    square = jnp.square(e).sum(-1, keepdims=True)
    return jnp.where(square > 0, e / jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
