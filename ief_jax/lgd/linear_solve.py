"""Small symmetric positive definite systems in plain XLA operations.

`jnp.linalg` calls LAPACK on the CPU. Its batched calls wait, inside a thread of XLA's pool, for
other threads of that pool: with as many devices as threads (two virtual devices on two cores are
enough) all of them wait and none works. Here every factorisation is a loop of a fixed number of
steps over whole rows, which compiles once, quickly, on any device, and splits over a mesh.

All functions take one system; `jax.vmap` makes batches.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

BLOCK = 18
"""Rows that are eliminated one by one before a matrix product takes them out of the others."""


def solve(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """X with A X = B, by Gauss-Jordan elimination.

    Pivots are taken in order, which is stable for positive definite matrices (Higham 2002,
    section 14.4). Derivatives, forward and reverse, are further solutions with A.

    Args:
      matrix: A [n, n], symmetric positive definite.
      right: B [n] or [n, m].

    Returns:
      X, of the shape of B.
    """
    fixed = jax.lax.stop_gradient(matrix)
    columns = right.reshape(len(right), -1)
    solved = jax.lax.custom_linear_solve(
        lambda x: _product(matrix, x),
        columns,
        solve=lambda _, b: _eliminate(fixed, b),
        symmetric=True,
    )
    return solved.reshape(right.shape)


def _eliminate(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """A^-1 B of [n, n] and [n, m], the rows taken `BLOCK` at a time."""
    rows = jnp.concatenate([matrix, right], 1)
    reduced = []
    for start in range(0, len(matrix), BLOCK):
        size = min(BLOCK, len(matrix) - start)
        # [A_11 A_12 B_1] to [I P Y]; then A_22 - A_21 P and B_2 - A_21 Y
        first = _reduce(rows[:size])[:, size:]
        rows = rows[size:, size:] - _product(rows[size:, :size], first)
        reduced.append(first)
    solved = right[:0]
    for first in reversed(reduced):
        # X_1 = Y - P X_2
        couplings, own = jnp.split(first, [len(solved)], 1)
        solved = jnp.concatenate([own - _product(couplings, solved), solved])
    return solved


def _reduce(rows: jax.Array) -> jax.Array:
    """[A B], [n, n + m], to [I A^-1 B] by row operations."""
    number = jnp.arange(len(rows))[:, None]

    def step(k: jax.Array, rows: jax.Array) -> jax.Array:
        # row_k / a_kk; then row_i - a_ik row_k for all other i
        row, column = _slice(rows, k, 0), _slice(rows, k, 1)
        pivot = row / _slice(row, k, 1)
        return jnp.where(number == k, pivot, rows - column * pivot)

    return jax.lax.fori_loop(0, len(rows), step, rows)


def _slice(array: jax.Array, index: jax.Array, axis: int) -> jax.Array:
    """The slice of one at an index, the axis kept; one below 0 is taken for 0."""
    return jax.lax.dynamic_slice_in_dim(array, index, 1, axis, allow_negative_indices=False)


class Shifted(NamedTuple):
    """What `shifted` finds, for each of S shifts.

    Attributes:
      log_determinant: [S] log det(A + s I).
      form: [S] b^T (A + s I)^-1 b.
    """

    log_determinant: jax.Array
    form: jax.Array


@jax.custom_jvp
def shifted(matrix: jax.Array, right: jax.Array, shifts: jax.Array) -> Shifted:
    """log det(A + s I) and b^T (A + s I)^-1 b for several s, from one reduction of A.

    Args:
      matrix: A [n, n], symmetric, positive semidefinite up to rounding.
      right: b [n].
      shifts: s [S], positive.
    """
    diagonal, beside, length = _tridiagonal(matrix, right)

    def step(pivot: jax.Array, entries: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        here, coupling = entries
        # p_i = t_ii + s - t_{i,i+1}^2 / p_{i+1}; A + s I has no pivot below s
        pivot = jnp.maximum(here + shifts - coupling**2 / pivot, shifts)
        return pivot, jnp.log(pivot)

    # From the last row upwards, since b lies along the first.
    last = jnp.maximum(diagonal[-1] + shifts, shifts)
    first, logs = jax.lax.scan(step, last, (diagonal[:-1], beside), reverse=True)
    # det = prod p_i; (T + s I)^-1_11 = 1 / p_1
    return Shifted(jnp.log(last) + logs.sum(0), length**2 / first)


@shifted.defjvp
def _shifted_jvp(
    primals: tuple[jax.Array, jax.Array, jax.Array],
    tangents: tuple[jax.Array, jax.Array, jax.Array],
) -> tuple[Shifted, Shifted]:
    matrix, right, shifts = primals
    identity = jnp.eye(len(matrix), dtype=matrix.dtype)

    def along(shift: jax.Array, shift_tangent: jax.Array) -> Shifted:
        whole = matrix + shift * identity
        change = tangents[0] + shift_tangent * identity
        solved = solve(whole, right)
        # d log det M = tr(M^-1 dM); d b^T M^-1 b = 2 x.db - x^T dM x, x = M^-1 b
        return Shifted(
            jnp.trace(solve(whole, change)),
            2 * (solved * tangents[1]).sum() - (solved * (change * solved[None]).sum(1)).sum(),
        )

    return shifted(*primals), jax.vmap(along)(shifts, tangents[2])


def _tridiagonal(matrix: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """T = Q^T A Q with Q^T b = length e_1, by Householder reflections.

    Returns:
      (diagonal of T [n], entries beside it [n - 1], length [] of b; signs may differ).
    """
    # Half way, what is left is half as large.
    half = max(len(matrix) // 2, 1)
    first = _reflect(matrix, right, jnp.arange(half))
    below = half - 1
    second = _reflect(
        first.matrix[below:, below:], right[below:], jnp.arange(1, len(matrix) - below)
    )
    diagonal = jnp.concatenate([first.diagonal[1:], second.diagonal, second.matrix[-1:, -1]])
    ends = jnp.concatenate([first.ends, second.ends])
    return diagonal, ends[1:], ends[0]


class _Reflected(NamedTuple):
    """A matrix after the reflections of steps k; of each, entries k - 1 on and beside the diagonal.

    The entries of a step 0 are those of b: of no use, and its length.
    """

    matrix: jax.Array
    diagonal: jax.Array
    ends: jax.Array


def _reflect(matrix: jax.Array, right: jax.Array, steps: jax.Array) -> _Reflected:
    number = jnp.arange(len(matrix))

    def step(matrix: jax.Array, k: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        # H makes all of b but its first entry zero; then of row k - 1, all beyond its entry k.
        row = _slice(matrix, k - 1, 0)[0]
        vector = jnp.where(k == 0, right, jnp.where(number >= k, row, 0.0))
        length = jnp.sqrt((vector**2).sum())
        end = jnp.where(_slice(vector, k, 0)[0] < 0, length, -length)
        # H = I - 2 v v^T, v ~ vector - end e_k; nothing to do for a vector of zeros
        v = vector - jnp.where(number == k, end, 0.0)
        v *= jax.lax.rsqrt(jnp.maximum((v**2).sum(), jnp.finfo(v.dtype).tiny))
        # H A H = A - 2 v w^T - 2 w v^T, w = A v - v (v^T A v)
        moved = _product(matrix, v)
        w = moved - (v * moved).sum() * v
        reflected = matrix - 2 * (v[:, None] * w[None] + w[:, None] * v[None])
        return reflected, (_slice(row, k - 1, 0)[0], end)

    reduced, (diagonal, ends) = jax.lax.scan(step, matrix, steps)
    return _Reflected(reduced, diagonal, ends)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    """A B in full float32, on accelerators that would round it."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
