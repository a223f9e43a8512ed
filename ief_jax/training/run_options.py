"""What one says of a training run, as far as it concerns its folder; imports no JAX."""

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Hosts:
    """The processes that train together, each with devices of its own; by default this one alone.

    Attributes:
      distributed: there are others, and JAX finds them: on a TPU pod, under Slurm or Open MPI.
      coordinator: address and port of the first process, which all others reach, where it does not.
      processes: how many there are.
      process: which one this is, from 0.
    """

    distributed: bool = False
    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None


@dataclass(frozen=True)
class RunOptions:
    """Where a run is kept and what it writes; may change when it goes on.

    Attributes:
      workdir: folder for all that is written; a run in it that was interrupted goes on.
      log_every: steps between two lines of metrics.
      save_minutes: minutes between two checkpoints; there is one at the end too, and when the run
        is interrupted (Ctrl-C, SIGTERM).
      save_every: steps between two checkpoints, beside those.
      validate_every: steps between two validations, on examples that are not trained on; 0: none.
      profile: steps to write a trace of, for Perfetto, to profile/ in the folder; 0 for none.
      hosts: that train together.
    """

    workdir: Path
    log_every: int = 50
    save_minutes: float = 3.0
    save_every: int | None = None
    validate_every: int = 500
    profile: int = 0
    hosts: Hosts = Hosts()

    def validates(self, iterations: int) -> bool:
        """Whether a run of so many steps comes to a validation."""
        return 0 < self.validate_every <= iterations


def settings(arguments: Any, free: Collection[str] = ()) -> dict[str, Any]:
    """What two runs must have in common, by name, as it comes back from JSON.

    Args:
      arguments: a dataclass; the fields of dataclasses in it stand among its own.
      free: names of fields that are left out.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(arguments):
        value = getattr(arguments, field.name)
        if field.name in free:
            continue
        if dataclasses.is_dataclass(value):
            found |= settings(value, free)
        else:
            # Paths are text, tuples are lists.
            found[field.name] = json.loads(json.dumps(value, default=str))
    return found
