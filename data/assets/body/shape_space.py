"""The linear space of body shapes: principal components scaled to unit variance."""

from __future__ import annotations

import numpy as np

from data.assets.body.arrays import FloatArray, IntArray
from data.assets.body.mesh import volume
from data.assets.body.rotations import MIRROR_FACTORS

SHAPE_COUNT = 10


def principal_components(
    bodies: FloatArray, count: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean [V, 3], components [V, 3, count] and explained share [N] of `bodies` [N, V, 3].

    Each component is scaled by its standard deviation: coefficients have unit variance.
    """
    body_count = len(bodies)
    mean = bodies.mean(axis=0)
    centred = (bodies - mean).reshape(body_count, -1)
    # Eigenvectors of the small Gram matrix [N, N] give those of the covariance.
    variances, directions = np.linalg.eigh(centred @ centred.T)
    variances, directions = variances[::-1], directions[:, ::-1]
    components = (centred.T @ directions[:, :count]) / np.sqrt(body_count)
    shares = np.maximum(variances, 0) / variances.sum()
    return mean, components.reshape(*mean.shape, count), shares


def orient_components(
    mean: FloatArray, components: FloatArray, faces: IntArray, mirror: IntArray
) -> FloatArray:
    """Components [V, 3, K] made mirror symmetric, with signs fixed.

    The first one grows taller with a positive coefficient, the others gain volume.
    """
    oriented = components.copy()
    for k in range(components.shape[2]):
        plus, minus = mean + components[..., k], mean - components[..., k]
        if k == 0:
            gain = float(np.ptp(plus[:, 1]) - np.ptp(minus[:, 1]))
        else:
            gain = volume(plus, faces) - volume(minus, faces)
        oriented[..., k] *= np.sign(gain)
    return 0.5 * (oriented + oriented[mirror] * MIRROR_FACTORS[None, :, None])


def reconstruction_errors(
    bodies: FloatArray, mean: FloatArray, components: FloatArray
) -> FloatArray:
    """Distances [N, V] in metres between `bodies` and their best fit in the shape space."""
    basis = components.reshape(-1, components.shape[2])
    centred = (bodies - mean).reshape(len(bodies), -1)
    coefficients = np.linalg.lstsq(basis, centred.T, rcond=None)[0]
    residual = centred - (basis @ coefficients).T
    return np.linalg.norm(residual.reshape(bodies.shape), axis=2)
