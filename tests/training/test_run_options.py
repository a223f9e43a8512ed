"""What of a run must stay the same when it goes on."""

import json
from dataclasses import dataclass
from pathlib import Path

from ief_jax.training.run_options import RunOptions, settings


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    files: tuple[Path, ...] = (Path("a"), Path("b"))


@dataclass(frozen=True)
class Outer:
    name: str = "x"
    threads: int = 2
    run: RunOptions = RunOptions(Path("runs"))
    inner: Inner = Inner()


def test_groups_are_flat_and_what_is_free_is_left_out() -> None:
    found = settings(Outer(), ("run", "threads"))
    assert found == {"name": "x", "rate": 0.5, "files": ["a", "b"]}
    assert json.loads(json.dumps(found)) == found
    assert settings(Outer(), ("workdir", "inner")) == {
        "name": "x",
        "threads": 2,
        "log_every": 50,
        "save_minutes": 3.0,
        "save_every": None,
        "validate_every": 500,
        "profile": 0,
        "distributed": False,
        "coordinator": None,
        "processes": None,
        "process": None,
    }
