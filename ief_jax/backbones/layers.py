"""The layers that the backbones are made of. Arrays are NHWC, kernels [height, width, in, out]."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Padding = Literal["SAME", "CEIL"] | tuple[int, int]
"""TensorFlow's rule; nothing before and after what the last, partial window needs, as in PyTorch's
`ceil_mode`; or (before, after) on both axes."""

_he = nn.initializers.he_normal()


def extents(size: int, kernel: int, stride: int, padding: Padding) -> tuple[int, int, int]:
    """How many positions a kernel takes along an axis of `size` entries, and the padding for it.

    Returns:
      Positions, padded entries before the axis, padded entries after it.
    """
    if padding == "SAME":
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + kernel - size, 0)
        return outputs, total // 2, total - total // 2
    if padding == "CEIL":
        outputs = -(-(size - kernel) // stride) + 1
        return outputs, 0, (outputs - 1) * stride + kernel - size
    before, after = padding
    return (size + before + after - kernel) // stride + 1, before, after


def convolution(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """[B, H, W, I] with a kernel [k, k, I, O] to [B, h, w, O].

    On a CPU the kernel's gradient is 1.5 to 8 times as fast as that of XLA's convolution.
    """
    if kernel.shape[:2] == (1, 1) and stride == 1 and extents(1, 1, 1, padding) == (1, 0, 0):
        # As one plain matrix: its gradients are up to twice as fast.
        return (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:3], -1)
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: _convolution(x, kernel, stride, padding),
        default=lambda x, kernel: _plain_convolution(x, kernel, stride, padding),
    )


def _plain_convolution(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    pads = [extents(x.shape[axis], len(kernel), stride, padding)[1:] for axis in (1, 2)]
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolution(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    return _plain_convolution(x, kernel, stride, padding)


def _convolution_forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolution(x, kernel, stride, padding), (x, kernel)


def _convolution_backward(
    stride: int, padding: Padding, saved: tuple[jax.Array, jax.Array], dy: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    _, transpose = jax.vjp(lambda x: _plain_convolution(x, kernel, stride, padding), x)
    (dx,) = transpose(dy)
    return dx, _dkernel(x, kernel.shape, stride, padding, dy)


_convolution.defvjp(_convolution_forward, _convolution_backward)


def _dkernel(
    x: jax.Array, shape: tuple[int, ...], stride: int, padding: Padding, dy: jax.Array
) -> jax.Array:
    # dkernel[(i, j, c), o] = sum over images, h, w of x[s h + i, s w + j, c] dy[h, w, o],
    # a matrix product, for a few images at a time
    def add(total: jax.Array, images: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        x, dy = images
        seen = jnp.concatenate(list(_shifts(x, shape[0], stride, padding)), -1)
        return total + jnp.einsum("bhwi,bhwo->io", seen, dy), None

    count = _few(len(x), -(-1024 // (dy.shape[1] * dy.shape[2])))
    images = jax.tree.map(lambda a: a.reshape(-1, count, *a.shape[1:]), (x, dy))
    nothing = jnp.zeros((math.prod(shape[:3]), shape[3]), x.dtype)
    return lax.scan(add, nothing, images)[0].reshape(shape)


def _few(count: int, least: int) -> int:
    """The smallest divisor of `count` that is at least `least`, or else `count`."""
    return next((n for n in range(least, count) if count % n == 0), count)


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

    def one(rows: jax.Array, columns: jax.Array, kernel: jax.Array) -> jax.Array:
        v = jnp.einsum("mxj,ijmo->imxo", columns, kernel)
        return jnp.einsum("myi,imxo->yxo", rows, v)

    # On a CPU, one image after the other takes 0.6 times as long as XLA's batched products.
    return lax.platform_dependent(
        row_taps,
        column_taps,
        kernel,
        cpu=lambda rows, columns, kernel: lax.map(
            lambda r: one(r[0], r[1], kernel), (rows, columns)
        ),
        default=jax.vmap(one, (0, 0, None)),
    )


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
        for shifted, weight in zip(_shifts(x, len(kernel), stride, "SAME"), weights, strict=True)
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

    return _backwards(shape, len(kernel), stride, "SAME", (dy,), term)


def _backwards(
    shape: tuple[int, ...],
    window: int,
    stride: int,
    padding: Padding,
    outputs: tuple[jax.Array, ...],
    term: Callable[..., jax.Array],
) -> jax.Array:
    """Sums, for each entry of x, over the window positions that cover it.

    x[s a + r, s b + q], of phase (r, q), is under tap (i, j) of the window at
    (a + (r + p - i) / s, b + (q + p' - j) / s), where s divides these, p and p' being the padding
    before x.

    Args:
      shape: of x, [B, H, W, C].
      outputs: arrays [B, h, w, C] with an entry for each position of the window.
      term: (tap, phase, *outputs) to what is summed, [B, ceil(H / s), ceil(W / s), C]; the
        outputs are those of the positions whose `tap` covers the entries of `phase`, and zero
        where there is no such position.
    """
    batch, height, width, channels = shape
    down, across = -(-height // stride), -(-width // stride)
    margins = ((0, 0), (window, window), (window, window), (0, 0))
    padded = [jnp.pad(output, margins) for output in outputs]

    def taps(phase: int, extent: int) -> list[tuple[int, int]]:
        reach = phase + extents(extent, window, stride, padding)[1]
        return [
            (tap, window + (reach - tap) // stride)
            for tap in range(window)
            if (reach - tap) % stride == 0
        ]

    phases = [
        _sum(
            term((i, j), (r, q), *(_cut(output, a, b, down, across) for output in padded))
            for i, a in taps(r, height)
            for j, b in taps(q, width)
        )
        for r in range(stride)
        for q in range(stride)
    ]
    if stride == 1:
        return phases[0]
    whole = jnp.stack(phases).reshape(stride, stride, batch, down, across, channels)
    whole = whole.transpose(2, 3, 0, 4, 1, 5)  # [B, a, r, b, q, C]
    return whole.reshape(batch, down * stride, across * stride, channels)[:, :height, :width]


def _cut(x: jax.Array, top: int, left: int, height: int, width: int) -> jax.Array:
    """x[:, top : top + height, left : left + width], with zeros past the end."""
    below, right = top + height - x.shape[1], left + width - x.shape[2]
    if below > 0 or right > 0:
        x = jnp.pad(x, ((0, 0), (0, max(below, 0)), (0, max(right, 0)), (0, 0)))
    return x[:, top : top + height, left : left + width]


def _shifted_dkernel(x: jax.Array, shape: tuple[int, ...], stride: int, dy: jax.Array) -> jax.Array:
    # dkernel[i, j] = sum over images, h, w of x[s h + i, s w + j] dy[h, w]:
    # at each (h, w) a whole kernel, one multiply-add
    size = shape[0]
    height, width = dy.shape[1:3]
    pads = [extents(x.shape[axis], size, stride, "SAME")[1:] for axis in (1, 2)]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))

    def kernels(x: jax.Array, dy: jax.Array) -> jax.Array:
        """The sum over the positions of a few rows: dy's rows, and the rows of x they see."""
        return _sum(
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


def _shifts(
    x: jax.Array, window: int, stride: int, padding: Padding, fill: float = 0
) -> Iterator[jax.Array]:
    """What each tap (i, j) of a window x window kernel sees: x[:, s h + i, s w + j]."""
    batch, height, width, channels = x.shape
    rows, *around_rows = extents(height, window, stride, padding)
    columns, *around_columns = extents(width, window, stride, padding)
    pads = ((0, 0), around_rows, around_columns, (0, 0))
    padded = jnp.pad(x, pads, constant_values=fill)
    down, across = (rows - 1) * stride + 1, (columns - 1) * stride + 1
    for i in range(window):
        for j in range(window):
            yield lax.slice(
                padded,
                (0, i, j, 0),
                (batch, i + down, j + across, channels),
                (1, stride, stride, 1),
            )


def _sum(terms: Iterable[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, terms)


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
    return functools.reduce(jnp.maximum, _shifts(x, window, stride, padding, -jnp.inf))


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
    shifts = _shifts(x, window, stride, padding, -jnp.inf)
    share = dy / _sum((shifted == y).astype(dy.dtype) for shifted in shifts)
    down, across = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    whole = _cut(x, 0, 0, down * stride, across * stride)

    # dx[h, w] = sum of the shares of the windows whose maximum x[h, w] is
    def term(_tap: object, phase: tuple[int, int], y: jax.Array, share: jax.Array) -> jax.Array:
        r, q = phase
        return jnp.where(whole[:, r::stride, q::stride] == y, share, 0)

    return (_backwards(x.shape, window, stride, padding, (y, share), term),)


_shifted_max.defvjp(_shifted_max_forward, _shifted_max_backward)


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
