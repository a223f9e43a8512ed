"""g(y): one Gaussian a keypoint (IEF, section 1).

Pixel (column i, row j) has its centre at (x, y) = (i, j). A keypoint outside the image leaves only
its Gaussian's tail. The Gaussian is the product of one along x and one along y, so a network's
first layer never needs the whole image of it (`backbones`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ief_jax import checks, stored_programs


@stored_programs.writable
class Profiles(NamedTuple):
    """Gaussians along the two axes of the image, one pair a keypoint.

    Attributes:
      rows: [..., M, H] exp(-(j - y)^2 / 2 sigma^2).
      columns: [..., M, W] exp(-(i - x)^2 / 2 sigma^2).
    """

    rows: jax.Array
    columns: jax.Array


def profiles(points: jax.Array, size: tuple[int, int], sigma: float) -> Profiles:
    """The Gaussians' two factors; differentiable in the points.

    Args:
      points: [..., M, 2] (x, y), pixels.
      size: (height, width) of the image.
      sigma: standard deviation, pixels.
    """

    checks.arrays(("points", points, "[..., M, 2] pixels"), ("sigma", sigma, "[] pixels"))

    def along(position: jax.Array, count: int) -> jax.Array:
        centres = jnp.arange(count, dtype=points.dtype)
        distance = jnp.expand_dims(centres, range(position.ndim)) - position[..., None]
        return jnp.exp(-0.5 * jnp.square(distance / sigma))

    height, width = size
    return Profiles(along(points[..., 1], height), along(points[..., 0], width))


def heatmaps(factors: Profiles) -> jax.Array:
    """The images themselves, [..., H, W, M]; one at the keypoint."""
    checks.arrays(
        ("factors.rows", factors.rows, "[..., M, H]"),
        ("factors.columns", factors.columns, "[..., M, W]"),
    )
    # g(y)_jik = exp(-((i - x_k)^2 + (j - y_k)^2) / 2 sigma^2)
    return jnp.einsum("...mh,...mw->...hwm", factors.rows, factors.columns)
