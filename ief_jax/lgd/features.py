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
    """Coordinates and confidences, [3 K]."""
    del gradient, theta
    return jnp.concatenate([observed.points.reshape(-1), observed.confidence])


def concatenate(*parts: Features) -> Features:
    """Several features one after the other."""

    def features(gradient: Theta, theta: Theta, observed: Keypoints2D) -> jax.Array:
        return jnp.concatenate([part(gradient, theta, observed) for part in parts])

    return features


all_features = concatenate(gradient_features, theta_features, keypoint_features)
"""What the paper's network sees: the gradient, Theta and the keypoints."""
