"""Small systems against numpy in float64, their derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from ief_jax.lgd import linear_solve

SIZES = [1, 5, 18, 19, 40]
"""Below, at and above a block, and above two."""
SHIFTS = np.array([1e-2, 0.3, 4.0], np.float32)


def positive(size: int, condition: float, seed: int = 0) -> np.ndarray:
    """A random symmetric matrix [n, n] whose eigenvalues run from 1 to 1 / condition."""
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    return ((turn * np.geomspace(1, 1 / condition, size)) @ turn.T).astype(np.float32)


def right(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("columns", [(), (4,)])
def test_solve_is_that_of_numpy(size: int, columns: tuple[int, ...]) -> None:
    a, b = positive(size, 50), right(size, *columns)
    found = linear_solve.solve(jnp.asarray(a), jnp.asarray(b))
    expected = np.linalg.solve(a.astype(float), b.astype(float))
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("condition", [1e3, 1e5])
def test_error_is_no_worse_than_the_condition(condition: float) -> None:
    """As LAPACK's Cholesky: the residual is float32's, the error that times the condition."""
    a = positive(36, condition)
    for scale in (1e-4, 1.0, 1e4):
        matrix, b = scale * a, right(36)
        found = np.asarray(linear_solve.solve(jnp.asarray(matrix), jnp.asarray(b)), float)
        expected = np.linalg.solve(matrix.astype(float), b.astype(float))
        assert np.abs(found - expected).max() < 2e-7 * condition * np.abs(expected).max()
        lapack = np.linalg.solve(matrix, b).astype(float)
        own, theirs = (np.linalg.norm(matrix @ x - b) for x in (found, lapack))
        assert own < 30 * theirs + 1e-6


def test_batches_of_systems() -> None:
    a = np.stack([positive(36, 10 * (1 + i), i) for i in range(6)]).reshape(2, 3, 36, 36)
    b = right(2, 3, 36)
    found = jax.jit(jax.vmap(jax.vmap(linear_solve.solve)))(a, b)
    expected = np.linalg.solve(a.astype(float), b.astype(float)[..., None])[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_derivatives_of_solve() -> None:
    """Forward and reverse, by the matrix and the right-hand side."""
    a, b = jnp.asarray(positive(5, 4)), jnp.asarray(right(5, 2))
    check_grads(linear_solve.solve, (a, b), order=1, modes=("fwd", "rev"), rtol=2e-2, atol=2e-2)


def test_jacobians_of_solve_both_ways_are_the_formula() -> None:
    """d (A^-1 b) = -A^-1 dA x, for a batch under jit."""
    a, b = positive(20, 10), right(20)
    inverse = np.linalg.inv(a.astype(float))
    expected = -np.einsum("ij,k->ijk", inverse, inverse @ b)
    for jacobian in (jax.jacfwd, jax.jacrev):
        found = jax.jit(jax.vmap(jacobian(linear_solve.solve), (0, None)))(a[None], b)[0]
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("size", SIZES)
def test_determinants_and_forms_of_shifted_matrices(size: int) -> None:
    a, b = positive(size, 1e3), right(size)
    found = linear_solve.shifted(jnp.asarray(a), jnp.asarray(b), jnp.asarray(SHIFTS))
    for i, shift in enumerate(SHIFTS):
        whole = a.astype(float) + shift * np.eye(size)
        sign, expected = np.linalg.slogdet(whole)
        assert sign == 1
        assert float(found.log_determinant[i]) == pytest.approx(expected, abs=1e-4)
        form = b @ np.linalg.solve(whole, b.astype(float))
        assert float(found.form[i]) == pytest.approx(form, rel=1e-4)


@pytest.mark.parametrize("rank", [0, 1, 5, 33])
def test_shifted_matrices_that_are_singular_without_the_shift(rank: int) -> None:
    """As few keypoints make them: most of the matrix is zero, and so is most of b."""
    rows = np.zeros((36, 82), np.float32)
    rows[:rank] = 3 * right(rank, 82)
    b = np.where(np.arange(36) < rank, right(36), 0).astype(np.float32)
    a = rows @ rows.T
    shifts = np.array([1e-6, 1e-2], np.float32)
    found = linear_solve.shifted(jnp.asarray(a), jnp.asarray(b), jnp.asarray(shifts))
    assert all(np.isfinite(part).all() for part in found)
    whole = a[:rank, :rank].astype(float) + 1e-2 * np.eye(rank)
    expected = np.linalg.slogdet(whole)[1] + (36 - rank) * np.log(1e-2)
    assert float(found.log_determinant[1]) == pytest.approx(expected, abs=0.1)
    form = b[:rank] @ np.linalg.solve(whole, b[:rank].astype(float))
    assert float(found.form[1]) == pytest.approx(form, rel=2e-3, abs=1e-6)


def test_shifted_of_a_right_hand_side_of_zeros() -> None:
    a = positive(6, 10)
    found = linear_solve.shifted(jnp.asarray(a), jnp.zeros(6), jnp.asarray(SHIFTS))
    expected = [np.linalg.slogdet(a.astype(float) + s * np.eye(6))[1] for s in SHIFTS]
    np.testing.assert_allclose(found.log_determinant, expected, atol=1e-5)
    np.testing.assert_array_equal(found.form, 0)


def test_derivatives_of_determinants_and_forms() -> None:
    """d log det M = tr(M^-1 dM), d b^T M^-1 b = 2 x.db - x^T dM x with x = M^-1 b."""
    a, b = positive(19, 3), right(19)
    inverse = [np.linalg.inv(a.astype(float) + s * np.eye(19)) for s in SHIFTS]
    x = [m @ b for m in inverse]
    no_shift = np.eye(len(SHIFTS))
    for jacobian in (jax.jacfwd, jax.jacrev):
        determinant, form = jax.jit(jacobian(linear_solve.shifted, (0, 1, 2)))(a, b, SHIFTS)
        np.testing.assert_allclose(determinant[0], inverse, atol=1e-4)
        np.testing.assert_array_equal(determinant[1], 0)
        traces = [np.trace(m) for m in inverse]
        np.testing.assert_allclose(determinant[2], no_shift * traces, rtol=1e-4)
        np.testing.assert_allclose(form[0], [-np.outer(v, v) for v in x], atol=1e-3)
        np.testing.assert_allclose(form[1], 2 * np.stack(x), atol=1e-4)
        np.testing.assert_allclose(form[2], no_shift * [-v @ v for v in x], rtol=1e-4)
