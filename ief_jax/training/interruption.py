"""Being asked to stop: SIGTERM, as of a machine that is taken away, and Ctrl-C."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ief_jax import signals


class Interruption:
    """What asked this process to stop.

    Attributes:
      received: the first signal that did; 0 for none.
    """

    received: int = 0

    def leave(self) -> None:
        """Ends as the signal would have: KeyboardInterrupt, or exit status 143."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + self.received)


@contextmanager
def deferred() -> Iterator[Interruption]:
    """Within the block a first SIGTERM or Ctrl-C is only taken note of; a second ends it at once.

    Signals reach the main thread alone; in another one nothing is changed.
    """
    found = Interruption()

    def note(number: int, _frame: FrameType | None) -> None:
        again, found.received = found.received, number
        if again:
            found.leave()
        # Not print: the signal may have come in the middle of one.
        text = f"\n{signal.Signals(number).name}: finishing the step; again to stop at once\n"
        os.write(2, text.encode())

    with signals.handled((signal.SIGINT, signal.SIGTERM), note):
        yield found
