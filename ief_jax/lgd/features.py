"""What the update network sees of one example: the gradient, Theta, the keypoints (LGD, Eq. 4)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ief_jax.geometry.keypoints2d import Keypoints2D
from ief_jax.lgd import parameters
from ief_jax.lgd.parameters import Theta

GRADIENT_CLIP = 3.0
"""Entries of the gradient are clipped to this before the network sees them."""

Features = Callable[[Theta, Theta, Keypoints2D], jax.Array]
"""(gradient, Theta, keypoints) of one example to what the network sees, [F]."""


def gradient_features(gradient: Theta, theta: Theta, observed: Keypoints2D) -> jax.Array:
    """The gradient, its entries clipped: [D]."""
    del theta, observed
    return jnp.clip(parameters.flatten(gradient), -GRADIENT_CLIP, GRADIENT_CLIP)


def theta_features(gradient: Theta, theta: Theta, observed: Keypoints2D) -> jax.Array:
    """The state: [D]."""
    del gradient, observed
    return parameters.flatten(theta)


def keypoint_features(gradient: Theta, theta: Theta, observed: Keypoints2D) -> jax.Array:
    """Coordinates, confidences and the lens, [3 K + 3]."""
    del gradient, theta
    lens = observed.intrinsics
    if lens is None:
        seen_through = jnp.zeros(3)
    else:
        # 1 / f, and by how much the square's middle is off the optical axis
        seen_through = lens.inverse_focal * jnp.concatenate([jnp.ones(1), lens.centre])
    return jnp.concatenate([observed.points.reshape(-1), observed.confidence, seen_through])


def concatenate(*parts: Features) -> Features:
    """Several features one after the other."""

    def features(gradient: Theta, theta: Theta, observed: Keypoints2D) -> jax.Array:
        return jnp.concatenate([part(gradient, theta, observed) for part in parts])

    return features


all_features = concatenate(gradient_features, theta_features, keypoint_features)
"""What the paper's network sees: the gradient, Theta and the keypoints."""
