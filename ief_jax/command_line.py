"""What the commands share: errors in the input become a message and an exit status."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tyro

from ief_jax.files import InputError, OutputError


def run(
    program: str,
    commands: Mapping[str, Callable[..., Any]],
    words: Sequence[str] | None = None,
    *,
    description: str | None = None,
    interrupted: str = "interrupted",
) -> int:
    """Runs one of several typed commands.

    Args:
      program: its name in messages.
      commands: functions by the word that calls them.
      words: of the command line; the process's own by default.
      description: for the help.
      interrupted: what is said after Ctrl-C.

    Returns:
      The exit status: 0, 2 if the input or the output was no good, 130 if interrupted.
    """
    try:
        tyro.extras.subcommand_cli_from_dict(
            dict(commands), prog=program, description=description, args=words
        )
    except (InputError, OutputError) as error:
        print(f"{program}: error: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr, flush=True)
        return 130
    return 0
