"""Convolutions with one filter for each channel."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from ief_jax.ief.backbones.windows import add_up, backwards, extents, shifts


def depthwise_convolution(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """One k x k filter for each channel, with SAME padding.

    On a CPU, XLA's grouped convolution takes 6 to 40 times as long as shifted multiply-adds do,
    and what JAX derives from those is slow again, so that they have a derivative of their own.

    Args:
      x: [B, H, W, C].
      kernel: [k, k, C].
      stride: the same on both axes.
    """
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: _shifted(x, kernel, stride),
        default=lambda x, kernel: _grouped(x, kernel, stride),
    )


def _grouped(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _shifted(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    # y[h, w] = sum_ij x[s h + i, s w + j] kernel[i, j]
    weights = kernel.reshape(-1, 1, 1, 1, kernel.shape[-1])
    return add_up(
        shifted * weight
        for shifted, weight in zip(shifts(x, len(kernel), stride, "SAME"), weights, strict=True)
    )


def _shifted_forward(
    x: jax.Array, kernel: jax.Array, stride: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _shifted(x, kernel, stride), (x, kernel)


def _shifted_backward(
    stride: int, saved: tuple[jax.Array, jax.Array], dy: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    return _shifted_dx(x.shape, kernel, stride, dy), _shifted_dkernel(x, kernel.shape, stride, dy)


_shifted.defvjp(_shifted_forward, _shifted_backward)


def _shifted_dx(shape: tuple[int, ...], kernel: jax.Array, stride: int, dy: jax.Array) -> jax.Array:
    # dx[h, w] = sum of dy kernel[i, j] over the taps (i, j) that reach (h, w)
    if stride == 1 and len(kernel) % 2:
        return _shifted(dy, kernel[::-1, ::-1], 1)

    def term(tap: tuple[int, int], _phase: tuple[int, int], dy: jax.Array) -> jax.Array:
        return dy * kernel[tap].reshape(1, 1, 1, -1)

    return backwards(shape, len(kernel), stride, "SAME", (dy,), term)


def _shifted_dkernel(x: jax.Array, shape: tuple[int, ...], stride: int, dy: jax.Array) -> jax.Array:
    # dkernel[i, j] = sum over images, h, w of x[s h + i, s w + j] dy[h, w]:
    # at each (h, w) a whole kernel, one multiply-add
    size = shape[0]
    height, width = dy.shape[1:3]
    pads = [extents(x.shape[axis], size, stride, "SAME")[1:] for axis in (1, 2)]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))

    def kernels(x: jax.Array, dy: jax.Array) -> jax.Array:
        """The sum over the positions of a few rows: dy's rows, and the rows of x they see."""
        return add_up(
            x[s * stride : s * stride + size, t * stride : t * stride + size]
            * dy[s : s + 1, t : t + 1]
            for s in range(len(dy))
            for t in range(width)
        )

    def add_row(
        total: jax.Array, row: jax.Array, x: jax.Array, dy: jax.Array
    ) -> tuple[jax.Array, None]:
        seen = lax.dynamic_slice_in_dim(x, row * stride, size)
        return total + kernels(seen, lax.dynamic_slice_in_dim(dy, row, 1)), None

    # One image at a time stays in the cache; of large maps one row, for the compiler's sake.
    def add_image(total: jax.Array, image: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        if height * width <= _UNROLLED:
            return total + kernels(*image), None
        return lax.scan(lambda t, row: add_row(t, row, *image), total, jnp.arange(height))

    return lax.scan(add_image, jnp.zeros(shape, x.dtype), (x, dy))[0]


_UNROLLED = 64
"""Positions that one expression sums over."""
