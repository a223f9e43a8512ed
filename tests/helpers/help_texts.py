"""What commands print as their help, and what is imported for it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported_for_help(
    module: str, commands: Iterable[Sequence[str]], modules: Sequence[str]
) -> set[str]:
    """Which of `modules` the help of the commands of `module`.main imports, in a new process."""
    code = f"""
import contextlib, io, sys
from {module} import main
for words in {[list(words) for words in commands]!r}:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main([*words, "--help"])
        except SystemExit as ended:
            assert ended.code == 0, words
print(*(name for name in {tuple(modules)!r} if name in sys.modules))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


def help_of(
    main: Callable[[Sequence[str]], int],
    words: Sequence[str],
    capsys: pytest.CaptureFixture[str],
) -> str:
    """What `main` prints as the help of a command."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def options_in(text: str) -> set[str]:
    """The options that a help text offers."""
    return set(re.findall(r"(?:^. |, )(--[a-z][a-z-]*)", text, re.MULTILINE))


def commands_in(text: str) -> set[str]:
    """The sub-commands that a help text lists."""
    return set(re.findall(r"^.   . (\S+)", text, re.MULTILINE))
