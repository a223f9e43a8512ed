"""What a command prints as its help, in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def help_of(*words: str, without: Sequence[str], status: int = 0) -> str:
    """The help of a script or module (`-m`, name) and a command; without words after it, none's.

    Args:
      words: of the command line, "--help" left out; a program without a command gets no words.
      without: modules that must not be imported for it.
      status: expected of the process.
    """
    program = words[:2] if words[0] == "-m" else words[:1]
    rest = words[len(program) :]
    code = (
        "import atexit, runpy, sys\n"
        "sys.argv = [sys.argv[1], *sys.argv[2:]]\n"
        f"unwanted = {tuple(without)!r}\n"
        "atexit.register(lambda: print('IMPORTED', *(n for n in unwanted if n in sys.modules)))\n"
        f"runpy.{'run_module' if program[0] == '-m' else 'run_path'}"
        f"({program[-1]!r}, run_name='__main__')\n"
    )
    arguments = [program[-1], *rest, *(["--help"] if rest else [])]
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    text, _, imported = ended.stdout.rpartition("IMPORTED")
    assert imported.split() == []
    return text


def options_in(text: str) -> set[str]:
    """The options that a help text offers."""
    return set(re.findall(r"(?:│ |, )(--[a-z-]+)", text))
