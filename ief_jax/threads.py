"""Calls in several threads, their results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def cores() -> int:
    """How many cores this process may use."""
    # Not every system says which.
    told = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if told else os.cpu_count() or 1


def in_order(work: Iterable[Callable[[], Result]], threads: int) -> Iterator[Result]:
    """Results of calls in several threads, in the order of the calls.

    The calls are taken from `work` in the caller's thread, one for each thread and one more ahead
    of the result that is given. The first error is raised in its place, and no further call starts.

    Args:
      work: what to call.
      threads: how many calls run at once, 1 or more.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        running: deque[Future[Result]] = deque()
        for call in work:
            running.append(pool.submit(call))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
