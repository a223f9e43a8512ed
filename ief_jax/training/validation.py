"""How good weights are on examples that are not trained on, and which were the best so far."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FOLDER = "best"
"""In a run's folder: the best weights, as the last ones are in the run's folder itself."""


@dataclass(frozen=True)
class Validation:
    """How good weights are on examples that are not trained on.

    Attributes:
      name: of the number, as lines of metrics have it.
      measure: weights, on the host, to the number. Each of several processes calls it, so that none
        waits for another.
      larger: whether the larger number is the better one.
    """

    name: str
    measure: Callable[[Any], float]
    larger: bool = False


class Best:
    """The validations of a run, and the best of them.

    Attributes:
      value: the best number so far; None before the first.
      step: after which it was.
    """

    value: float | None = None
    step: int = 0

    def __init__(
        self, validation: Validation | None, every: int, lines: Iterable[Mapping[str, Any]]
    ) -> None:
        """Goes on with a history, or begins one.

        Args:
          validation: what is measured; None for nothing.
          every: steps between two; 0 for none.
          lines: of metrics, of the steps so far.
        """
        self._validation, self.every = validation, every if validation else 0
        for line in lines:
            if validation and validation.name in line:
                self._take(validation, line[validation.name], int(line["step"]))

    def due(self, done: int) -> bool:
        """Whether weights are measured after so many steps."""
        return self.every > 0 and done % self.every == 0

    def measure(
        self, weights: Any, done: int, publish: Callable[[Any], None]
    ) -> Mapping[str, float]:
        """The number of the weights by its name, none if it is not finite.

        Args:
          weights: on the host.
          done: steps that led to them.
          publish: writes them, if they are the best so far.
        """
        assert self._validation is not None
        number = float(self._validation.measure(weights))
        if not math.isfinite(number):
            return {}
        if self._take(self._validation, number, done):
            publish(weights)
        return {self._validation.name: number}

    def _take(self, validation: Validation, number: float, step: int) -> bool:
        better = self.value is None or (
            number > self.value if validation.larger else number < self.value
        )
        if better:
            self.value, self.step = number, step
        return better

    def __str__(self) -> str:
        if self._validation is None or self.value is None:
            return ""
        return f"best {self._validation.name} {self.value:.5g} at step {self.step}, in {FOLDER}/"
