"""What all command lines share."""

import os
import signal
from pathlib import Path

import pytest

from ief_jax.cli import command_line
from ief_jax.io import files


def test_nothing_half_written_is_left_by_a_process_that_is_terminated(tmp_path: Path) -> None:
    def write() -> None:
        with files.replacing(tmp_path / "bodies.npz") as file:
            file.write(b"half")
            os.kill(os.getpid(), signal.SIGTERM)
            file.write(b"never")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        command_line.guarded("test", write)
    assert left.value.code == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before
