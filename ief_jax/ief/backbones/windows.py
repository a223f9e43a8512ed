"""Where the windows of convolutions and pooling lie. Arrays are NHWC."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

Padding = Literal["SAME", "CEIL"] | tuple[int, int]
"""TensorFlow's rule; nothing before and after what the last, partial window needs, as in PyTorch's
`ceil_mode`; or (before, after) on both axes."""


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


def shifts(
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


def add_up(terms: Iterable[jax.Array]) -> jax.Array:
    """The sum of arrays, in this order."""
    return functools.reduce(jnp.add, terms)


def backwards(
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
        add_up(
            term((i, j), (r, q), *(cut(output, a, b, down, across) for output in padded))
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


def cut(x: jax.Array, top: int, left: int, height: int, width: int) -> jax.Array:
    """x[:, top : top + height, left : left + width], with zeros past the end."""
    below, right = top + height - x.shape[1], left + width - x.shape[2]
    if below > 0 or right > 0:
        x = jnp.pad(x, ((0, 0), (0, max(below, 0)), (0, max(right, 0)), (0, 0)))
    return x[:, top : top + height, left : left + width]
