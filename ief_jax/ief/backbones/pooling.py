"""Maxima and means of windows. Arrays are NHWC."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ief_jax.ief.backbones.windows import Padding, add_up, backwards, cut, extents, shifts


def max_pool(x: jax.Array, window: int, stride: int, padding: Padding) -> jax.Array:
    """The maximum of each window, of [B, H, W, C].

    What is padded is never the maximum. Where several entries of a window are, they share the
    gradient. On a CPU this takes 2 to 10 times less time than what JAX derives for XLA's pooling.

    Args:
      window: its width and height, at least `stride`.
    """
    return lax.platform_dependent(
        x,
        cpu=lambda x: _shifted_max(x, window, stride, padding),
        default=lambda x: _window_max(x, window, stride, padding),
    )


def _window_max(x: jax.Array, window: int, stride: int, padding: Padding) -> jax.Array:
    pads = [extents(x.shape[axis], window, stride, padding)[1:] for axis in (1, 2)]
    sizes, strides = (1, window, window, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, sizes, strides, ((0, 0), *pads, (0, 0)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _shifted_max(x: jax.Array, window: int, stride: int, padding: Padding) -> jax.Array:
    return functools.reduce(jnp.maximum, shifts(x, window, stride, padding, -jnp.inf))


def _shifted_max_forward(
    x: jax.Array, window: int, stride: int, padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    y = _shifted_max(x, window, stride, padding)
    return y, (x, y)


def _shifted_max_backward(
    window: int,
    stride: int,
    padding: Padding,
    saved: tuple[jax.Array, jax.Array],
    dy: jax.Array,
) -> tuple[jax.Array]:
    x, y = saved
    seen = shifts(x, window, stride, padding, -jnp.inf)
    share = dy / add_up((value == y).astype(dy.dtype) for value in seen)
    down, across = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    whole = cut(x, 0, 0, down * stride, across * stride)

    # dx[h, w] = sum of the shares of the windows whose maximum x[h, w] is
    def term(_tap: object, phase: tuple[int, int], y: jax.Array, share: jax.Array) -> jax.Array:
        r, q = phase
        return jnp.where(whole[:, r::stride, q::stride] == y, share, 0)

    return (backwards(x.shape, window, stride, padding, (y, share), term),)


_shifted_max.defvjp(_shifted_max_forward, _shifted_max_backward)


def averaging(size: int, pool_size: int) -> np.ndarray:
    """The matrix [pool_size, size] that averages over `pool_size` equal parts of an axis.

    Parts that do not divide evenly overlap, as in PyTorch's `adaptive_avg_pool2d`.
    """
    matrix = np.zeros((pool_size, size), np.float32)
    for cell in range(pool_size):
        start, stop = cell * size // pool_size, -(-(cell + 1) * size // pool_size)
        matrix[cell, start:stop] = 1 / (stop - start)
    return matrix


def average_pool(x: jax.Array, height: int, width: int) -> jax.Array:
    """[B, H, W, C] averaged to [B, height, width, C]."""
    if (height, width) == (1, 1):
        return x.mean((1, 2), keepdims=True)
    across = averaging(x.shape[2], width).astype(x.dtype)
    down = averaging(x.shape[1], height).astype(x.dtype)
    return jnp.einsum("yh,bhxc->byxc", down, jnp.einsum("xw,bhwc->bhxc", across, x))
