"""Calls in threads: their results in order, and the end of it all at the first error."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from ief_jax import threads


def test_results_come_in_order_from_calls_that_run_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)
    taken: list[int] = []

    def call(number: int) -> int:
        meeting.wait()  # for the two others
        return number

    def calls() -> Iterator[Callable[[], int]]:
        for number in range(9):
            taken.append(number)
            yield partial(call, number)

    results = threads.in_order(calls(), 3)
    assert next(results) == 0
    # Three run, and one is ahead.
    assert taken == [0, 1, 2, 3]
    assert list(results) == list(range(1, 9))


def test_an_error_comes_in_its_place_and_no_further_call_is_taken() -> None:
    taken: list[int] = []

    def calls() -> Iterator[Callable[[], int]]:
        for number in range(9):
            taken.append(number)
            yield partial(divmod, 6, number - 3) if number == 3 else partial(int, number)

    results = threads.in_order(calls(), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert taken == [0, 1, 2, 3, 4, 5]
    assert list(results) == []
