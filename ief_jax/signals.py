"""Handlers of signals that are there for a while."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handled(
    numbers: Sequence[int], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Within the block these signals call a handler; after it, what they called before.

    Signals reach the main thread alone; in another one nothing is changed.

    Args:
      numbers: of the signals.
      handler: of a signal's number and the frame that it interrupts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, other in before.items():
            signal.signal(number, signal.SIG_DFL if other is None else other)
