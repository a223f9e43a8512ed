"""How bodies are posed: a Gaussian mixture over the body's joint angles and its tilt.

Fitted by data/pose_prior/build.py. One example's numbers are the 63 axis-angle coordinates of
SMPL's joints 1 to 21 and, behind them, the root's tilt (its rotation without yaw, as the x and z
of an axis-angle vector), so that a bent body also leans as bent bodies do.
"""

import os
from importlib import resources
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax import checks
from ief_jax.body import smpl
from ief_jax.io import npz
from ief_jax.io.files import InputError

BODY = 63
"""Angles of SMPL's joints 1 to 21. The two hand joints are not posed."""
TILT = 2


class PosePrior(NamedTuple):
    """A mixture of C Gaussians over 63 body angles and 2 of tilt, and one Gaussian over the angles.

    Attributes:
      log_weights: [C] log of the components' shares.
      means: [C, 65] radians.
      cholesky: [C, 65, 65] lower factors of the covariances.
      whitening: [C, 63, 63] inverses of the factors' upper left blocks: those of the body angles.
      log_normalisers: [C] log of the densities of the body angles at their component's mean.
      mean: [63] of the single Gaussian.
      mean_whitening: [63, 63] inverse of the factor of its covariance.
    """

    log_weights: jax.Array
    means: jax.Array
    cholesky: jax.Array
    whitening: jax.Array
    log_normalisers: jax.Array
    mean: jax.Array
    mean_whitening: jax.Array


def embedded() -> PosePrior:
    """The prior shipped with the package."""
    with resources.as_file(resources.files("ief_jax") / "assets" / "pose_prior.npz") as path:
        return load(path)


def load(path: str | os.PathLike[str]) -> PosePrior:
    """Reads a prior written by data/pose_prior/build.py.

    Raises:
      InputError: there is no such file, or it is not a pose prior; the message names the file
        and what is wrong.
    """
    arrays = npz.read(path, _SHAPES, "a pose prior")
    count = len(arrays["weights"]) if np.ndim(arrays.get("weights", 0)) else 0
    for key, shape in _SHAPES.items():
        expected = tuple(count if size == "C" else size for size in shape)
        if key not in arrays:
            raise InputError(f"{path}: a pose prior has an array '{key}', this file has none")
        if arrays[key].shape != expected:
            raise InputError(f"{path}: '{key}' has shape {arrays[key].shape}, expected {expected}")
        npz.require_finite(path, key, arrays[key])
    weights = arrays["weights"].astype(np.float64)
    cholesky = _lower(arrays["cholesky"], BODY + TILT)
    # The marginal of the first 63 of 65 numbers has the upper left block of the factor.
    block = cholesky[:, :BODY, :BODY]
    diagonal = np.diagonal(block, axis1=-2, axis2=-1)
    if (weights <= 0).any() or (diagonal <= 0).any():
        raise InputError(f"{path}: weights and diagonals of 'cholesky' must be positive")
    return PosePrior(
        *(
            jnp.asarray(array, jnp.float32)
            for array in (
                np.log(weights / weights.sum()),
                arrays["means"],
                cholesky,
                np.linalg.inv(block),
                -0.5 * BODY * np.log(2 * np.pi) - np.log(diagonal).sum(-1),
                arrays["mean"],
                np.linalg.inv(_lower(arrays["mean_cholesky"], BODY)),
            )
        )
    )


def sample(prior: PosePrior, key: jax.Array) -> jax.Array:
    """One pose: axis-angle vectors [24, 3] in radians; the root has tilt and no yaw."""
    component_key, normal_key = jax.random.split(key)
    component = jax.random.categorical(component_key, prior.log_weights)
    normal = jax.random.normal(normal_key, (BODY + TILT,))
    # x = mu_c + L_c n
    values = prior.means[component] + (prior.cholesky[component] * normal[None]).sum(-1)
    root = jnp.stack([values[BODY], jnp.zeros_like(values[0]), values[BODY + 1]])
    hands = jnp.zeros((smpl.JOINTS - 1) * 3 - BODY)
    return jnp.concatenate([root, values[:BODY], hands]).reshape(smpl.JOINTS, 3)


def component_log_densities(prior: PosePrior, body_pose: jax.Array) -> jax.Array:
    """log w_c + log N(body_pose; mu_c, S_c) of each component: [63] to [C]."""
    _check_pose(body_pose)
    centred = body_pose[None] - prior.means[:, :BODY]
    whitened = jnp.einsum("cij,cj->ci", prior.whitening, centred)
    # log w_c - (63 log 2 pi + log |S_c| + (x - mu)^T S_c^-1 (x - mu)) / 2
    return prior.log_weights + prior.log_normalisers - 0.5 * (whitened**2).sum(-1)


def largest_component(prior: PosePrior, body_pose: jax.Array) -> jax.Array:
    """The largest of `component_log_densities`, with a derivative that costs one component: []."""
    densities = component_log_densities(prior, jax.lax.stop_gradient(body_pose))
    best = densities.argmax()
    whitened = prior.whitening[best] @ (body_pose - prior.means[best, :BODY])
    return prior.log_weights[best] + prior.log_normalisers[best] - 0.5 * (whitened**2).sum()


def log_density(prior: PosePrior, body_pose: jax.Array) -> jax.Array:
    """Log density of the mixture at the angles [63] of joints 1 to 21: []."""
    return jax.nn.logsumexp(component_log_densities(prior, body_pose))


def gaussian_energy(prior: PosePrior, body_pose: jax.Array) -> jax.Array:
    """Half the squared Mahalanobis distance of [63] angles under the single Gaussian: []."""
    _check_pose(body_pose)
    return 0.5 * ((prior.mean_whitening @ (body_pose - prior.mean)) ** 2).sum()


def _check_pose(body_pose: jax.Array) -> None:
    checks.arrays(("body_pose", body_pose, "[63] angles of joints 1 to 21, radians"))


_SHAPES = {
    "weights": ("C",),
    "means": ("C", BODY + TILT),
    "cholesky": ("C", (BODY + TILT) * (BODY + TILT + 1) // 2),
    "mean": (BODY,),
    "mean_cholesky": (BODY * (BODY + 1) // 2,),
}


def _lower(packed: np.ndarray, size: int) -> np.ndarray:
    """Row-wise packed lower triangles [..., size (size + 1) / 2] to [..., size, size]."""
    matrix = np.zeros((*packed.shape[:-1], size, size))
    rows, columns = np.tril_indices(size)
    matrix[..., rows, columns] = packed
    return matrix
