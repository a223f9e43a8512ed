"""Batches of one size: no row is lost, none is there twice."""

import threading

import jax
import numpy as np
import pytest

from ief_jax import batches


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (5, 4, [[0, 1, 2, 3], [4, 4, 4, 4]]),
        (3, 4, [[0, 1, 2, 2]]),
        (4, 2, [[0, 1], [2, 3]]),
        (1, 1, [[0]]),
        (0, 3, []),
    ],
)
def test_the_last_batch_is_filled_up(count: int, size: int, expected: list[list[int]]) -> None:
    assert [rows.tolist() for rows in batches.padded_rows(count, size)] == expected


@pytest.mark.parametrize(("size", "steps"), [(3, [3, 3, 1]), (7, [7]), (9, [7])])
def test_chunks_join_to_the_whole(size: int, steps: list[int]) -> None:
    done: list[int] = []
    sizes = set()

    def double(tree: dict[str, jax.Array], other: jax.Array) -> dict[str, jax.Array]:
        sizes.add(len(other))
        return {"sum": tree["a"].sum(1) + other}

    a, b = np.arange(14.0).reshape(7, 2), np.arange(7.0)
    found = batches.map_in_chunks(double, size, {"a": a}, b, advance=done.append)
    np.testing.assert_array_equal(found["sum"], a.sum(1) + b)
    assert done == steps
    assert sizes == {size}


def test_chunks_that_are_worked_on_at_once_join_in_order() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def double(a: np.ndarray) -> np.ndarray:
        meeting.wait()  # for the other
        return 2 * a

    done: list[int] = []
    a = np.arange(11.0)
    found = batches.map_in_chunks(double, 3, a, advance=done.append, threads=2)
    np.testing.assert_array_equal(found, 2 * a)
    assert done == [3, 3, 3, 2]


def test_what_cannot_be_mapped_is_named() -> None:
    with pytest.raises(ValueError, match="^size: expected an integer, 1 or more, got 0"):
        batches.map_in_chunks(lambda a: a, 0, np.zeros(3))
    with pytest.raises(ValueError, match="^size: expected an integer, 1 or more, got 1.5"):
        list(batches.padded_rows(3, 1.5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^arrays: expected one leading axis, got \[3, 2\]"):
        batches.map_in_chunks(lambda a, b: a, 2, np.zeros(3), np.zeros(2))
