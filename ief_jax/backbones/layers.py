"""The layers that the backbones are made of. Arrays are NHWC, kernels [height, width, in, out]."""

import functools
from collections.abc import Iterable, Iterator
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Padding = Literal["SAME"] | tuple[int, int]
"""TensorFlow's rule, or (before, after) on both axes."""

_he = nn.initializers.he_normal()


def extents(size: int, kernel: int, stride: int, padding: Padding) -> tuple[int, int, int]:
    """(outputs, before, after): how many positions a kernel takes along an axis of `size` entries,
    and how many zeros come before and after it."""
    if padding == "SAME":
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + kernel - size, 0)
        return outputs, total // 2, total - total // 2
    before, after = padding
    return (size + before + after - kernel) // stride + 1, before, after


def convolution(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """[B, H, W, I] with a kernel [k, k, I, O] to [B, h, w, O]."""
    pads = [extents(x.shape[axis], kernel.shape[axis - 1], stride, padding)[1:] for axis in (1, 2)]
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def separable(
    rows: jax.Array, columns: jax.Array, kernel: jax.Array, stride: int, padding: Padding
) -> jax.Array:
    """The convolution of maps that are products of profiles, without the maps.

    Map m is rows[m, y] columns[m, x], as a Gaussian is, and so the sum over the kernel's columns
    and the sum over its rows are two thin matrix products:

        v[i, m, x, o]  = sum_j columns[m, s x + j] kernel[i, j, m, o]
        out[y, x, o]   = sum_(i, m) rows[m, s y + i] v[i, m, x, o]

    Args:
      rows: [B, M, H].
      columns: [B, M, W].
      kernel: [k, k, M, O].

    Returns:
      [B, h, w, O], what `convolution` of the maps [B, H, W, M] gives.
    """
    height, width = kernel.shape[:2]
    row_taps = _taps(rows, height, stride, padding)
    column_taps = _taps(columns, width, stride, padding)
    v = jnp.einsum("bmxj,ijmo->bimxo", column_taps, kernel)
    return jnp.einsum("bmyi,bimxo->byxo", row_taps, v)


def _taps(profiles: jax.Array, kernel: int, stride: int, padding: Padding) -> jax.Array:
    """[B, M, N] to [B, M, n, k]: what each position of a kernel of k entries covers."""
    outputs, before, after = extents(profiles.shape[-1], kernel, stride, padding)
    padded = jnp.pad(profiles, ((0, 0), (0, 0), (before, after)))
    last = (outputs - 1) * stride + 1
    return jnp.stack([padded[..., i : i + last : stride] for i in range(kernel)], -1)


def averaging(size: int, cells: int) -> np.ndarray:
    """The matrix [cells, size] that averages over `cells` equal parts of an axis.

    Parts that do not divide evenly overlap, as in PyTorch's `adaptive_avg_pool2d`.
    """
    matrix = np.zeros((cells, size), np.float32)
    for cell in range(cells):
        start, stop = cell * size // cells, -(-(cell + 1) * size // cells)
        matrix[cell, start:stop] = 1 / (stop - start)
    return matrix


def average_pool(x: jax.Array, height: int, width: int) -> jax.Array:
    """[B, H, W, C] averaged to [B, height, width, C]."""
    if (height, width) == (1, 1):
        return x.mean((1, 2), keepdims=True)
    across, down = averaging(x.shape[2], width), averaging(x.shape[1], height)
    return jnp.einsum("yh,bhxc->byxc", down, jnp.einsum("xw,bhwc->bhxc", across, x))


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
    return _sum(
        shifted * weight
        for shifted, weight in zip(_shifts(x, kernel.shape[0], stride), weights, strict=True)
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
    """For each phase (r, q) of the stride, the taps that reach x[s a + r, s b + q] from dy:

    dx[s a + r, s b + q] = sum_ij dy[a + (r + p - i) / s, b + (q + p' - j) / s] kernel[i, j]
    where s divides r + p - i and q + p' - j, p and p' being the padding before x.
    """
    batch, height, width, channels = shape
    size = kernel.shape[0]
    margin = size
    around = jnp.pad(dy, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    down, across = -(-height // stride), -(-width // stride)

    def taps(phase: int, extent: int) -> list[tuple[int, int]]:
        before = extents(extent, size, stride, "SAME")[1]
        reach = phase + before
        return [(i, (reach - i) // stride) for i in range(size) if (reach - i) % stride == 0]

    phases = [
        _sum(
            lax.slice_in_dim(
                lax.slice_in_dim(around, margin + a, margin + a + down, axis=1),
                margin + b,
                margin + b + across,
                axis=2,
            )
            * kernel[i, j].reshape(1, 1, 1, -1)
            for i, a in taps(r, height)
            for j, b in taps(q, width)
        )
        for r in range(stride)
        for q in range(stride)
    ]
    if stride == 1:
        return phases[0]
    # [phase r, phase q, B, a, b, C] to [B, a, r, b, q, C], which is [B, H, W, C].
    interleaved = jnp.stack(phases).reshape(stride, stride, batch, down, across, channels)
    whole = interleaved.transpose(2, 3, 0, 4, 1, 5)
    whole = whole.reshape(batch, down * stride, across * stride, channels)
    return whole[:, :height, :width]


def _shifted_dkernel(x: jax.Array, shape: tuple[int, ...], stride: int, dy: jax.Array) -> jax.Array:
    # dkernel[i, j] = sum over images, h, w of x[s h + i, s w + j] dy[h, w]
    size, channels = shape[0], shape[-1]

    def add_image(
        total: tuple[jax.Array, ...], image: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, ...], None]:
        x, dy = image
        # One image at a time stays in the cache. The barrier keeps XLA from fusing the product
        # into the sum, which it then would not vectorise.
        products = (
            lax.optimization_barrier(shifted[0] * dy) for shifted in _shifts(x[None], size, stride)
        )
        return tuple(t + p.sum((0, 1)) for t, p in zip(total, products, strict=True)), None

    nothing = (jnp.zeros(channels, x.dtype),) * size**2
    total, _ = lax.scan(add_image, nothing, (x, dy))
    return jnp.stack(total).reshape(shape)


def _shifts(x: jax.Array, size: int, stride: int) -> Iterator[jax.Array]:
    """What each tap (i, j) of a size x size kernel sees: x[:, s h + i, s w + j]."""
    batch, height, width, channels = x.shape
    rows, *around_rows = extents(height, size, stride, "SAME")
    columns, *around_columns = extents(width, size, stride, "SAME")
    padded = jnp.pad(x, ((0, 0), around_rows, around_columns, (0, 0)))
    down, across = (rows - 1) * stride + 1, (columns - 1) * stride + 1
    for i in range(size):
        for j in range(size):
            yield lax.slice(
                padded,
                (0, i, j, 0),
                (batch, i + down, j + across, channels),
                (1, stride, stride, 1),
            )


def _sum(terms: Iterable[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, terms)


class Convolution(nn.Module):
    """y = x * kernel + bias.

    Attributes:
      inputs: channels of x.
      outputs: channels of y.
      size: of the square kernel.
      stride: the same on both axes.
      padding: see `Padding`.
    """

    inputs: int
    outputs: int
    size: int = 1
    stride: int = 1
    padding: Padding = "SAME"

    def setup(self) -> None:
        shape = (self.size, self.size, self.inputs, self.outputs)
        self.kernel = self.param("kernel", _he, shape)
        self.bias = self.param("bias", nn.initializers.zeros, (self.outputs,))

    def weights(self) -> jax.Array:
        """The kernel [size, size, inputs, outputs] that x meets."""
        return self.kernel

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, inputs] to [B, h, w, outputs]."""
        y = convolution(x, self.weights(), self.stride, self.padding)
        return y + self.bias.reshape(1, 1, 1, -1)


class ScaledConvolution(Convolution):
    """y = scale (x * kernel) + bias: a convolution and what follows it in pretrained networks, a
    batch normalisation, here an affine map whose statistics are part of `scale` and `bias`.

    The scale multiplies the kernel, which is small, instead of the result, which is large.
    """

    def setup(self) -> None:
        super().setup()
        self.scale = self.param("scale", nn.initializers.ones, (self.outputs,))

    def weights(self) -> jax.Array:
        return self.kernel * self.scale.reshape(1, 1, 1, -1)


class ScaledDepthwise(nn.Module):
    """y = scale (x * kernel) + bias, one filter for each channel, with SAME padding.

    Attributes:
      channels: of x and of y.
      size: of the square kernel.
      stride: the same on both axes.
    """

    channels: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, channels] to [B, h, w, channels]."""
        he = nn.initializers.normal((2 / self.size**2) ** 0.5)
        kernel = self.param("kernel", he, (self.size, self.size, self.channels))
        scale = self.param("scale", nn.initializers.ones, (self.channels,))
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        y = depthwise_convolution(x, kernel * scale.reshape(1, 1, -1), self.stride)
        return y + bias.reshape(1, 1, 1, -1)
