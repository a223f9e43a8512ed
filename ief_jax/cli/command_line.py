"""What the commands share: errors in the input become a message and an exit status."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tyro

from ief_jax.io.files import InputError, OutputError


def run(
    program: str,
    commands: Mapping[str, Callable[..., Any]],
    words: Sequence[str] | None = None,
    *,
    description: str | None = None,
) -> int:
    """Runs one of several typed commands; returns the exit status as `guarded` does.

    Args:
      program: its name in messages.
      commands: functions by the word that calls them.
      words: of the command line; the process's own by default.
      description: for the help.
    """
    return guarded(
        program,
        lambda: tyro.extras.subcommand_cli_from_dict(
            dict(commands), prog=program, description=description, args=words
        ),
    )


def guarded(program: str, action: Callable[[], object], interrupted: str = "interrupted") -> int:
    """Runs an action, for the command line.

    Args:
      program: its name in messages.
      action: what to run.
      interrupted: what is said after Ctrl-C.

    Returns:
      The exit status: 0, 2 if the input or the output was no good, 130 if interrupted, 141 if
      nobody reads on what is printed (`... | head`).
    """
    try:
        action()
        sys.stdout.flush()
    except (InputError, OutputError) as error:
        print(f"{program}: error: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr, flush=True)
        return 130
    except BrokenPipeError:
        # What is still to be flushed at the end goes nowhere, quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0
