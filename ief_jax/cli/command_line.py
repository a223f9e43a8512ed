"""What all command lines share: typed commands, and errors that become a message and a status.

Commands are functions that import what they need when they run, so that help and errors in the
arguments come at once.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Annotated, Any, TypeVar

import tyro

from ief_jax import signals
from ief_jax.io.files import InputError, OutputError

T = TypeVar("T")
Arguments = Annotated[T, tyro.conf.arg(name="")]
"""For a command's one parameter: a dataclass, whose fields are the options."""

OURS = ("ief_jax", "experiments", "data")
"""Packages of this project: one that is not found is a fault, not something to install."""


def run(
    program: str,
    commands: Mapping[str, Callable[..., Any]],
    words: Sequence[str] | None = None,
    *,
    description: str | None = None,
    interrupted: str = "interrupted",
) -> int:
    """Runs one of several typed commands; returns the exit status as `guarded` does.

    Without a command it prints the help and returns 2. Options of dataclasses within dataclasses
    have the names of their fields, without a prefix.

    Args:
      program: its name in messages.
      commands: functions by the word that calls them.
      words: of the command line; the process's own by default.
      description: for the help.
      interrupted: what is said after Ctrl-C.

    Raises:
      SystemExit: 0 after the help that was asked for, 2 if the command line is no good.
    """
    given = list(sys.argv[1:] if words is None else words)

    def call() -> None:
        tyro.extras.subcommand_cli_from_dict(
            dict(commands),
            prog=program,
            description=description,
            args=given or ["--help"],
            config=(tyro.conf.OmitArgPrefixes,),
        )

    if given:
        return guarded(program, call, interrupted)
    with contextlib.suppress(SystemExit):
        call()
    return 2


def guarded(program: str, action: Callable[[], object], interrupted: str = "interrupted") -> int:
    """Runs an action, for the command line.

    Args:
      program: its name in messages.
      action: what to run.
      interrupted: what is said after Ctrl-C.

    Returns:
      The exit status: 0, 2 if the input or the output was no good or a package is not installed,
      1 if numbers were no longer finite, 130 if interrupted, 141 if nobody reads on what is
      printed (`... | head`).

    Raises:
      SystemExit: with status 143 after SIGTERM, when what was half-written is gone.
    """
    try:
        with signals.handled((signal.SIGTERM,), _leave):
            action()
            sys.stdout.flush()
    except (InputError, OutputError) as error:
        print(f"{program}: error: {error}", file=sys.stderr, flush=True)
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", *OURS):
            raise
        print(
            f"{program}: error: this needs the package '{package}': pip install -e '.[data]'",
            file=sys.stderr,
            flush=True,
        )
        return 2
    except FloatingPointError as error:
        print(f"{program}: error: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr, flush=True)
        return 130
    except BrokenPipeError:
        # What is still to be flushed at the end goes nowhere, quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def _leave(number: int, _frame: FrameType | None) -> None:
    """Ends the process as an exception does, which leaves all blocks."""
    sys.exit(128 + number)
