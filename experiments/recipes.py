"""Runs a ready-made configuration: a command of train.py whose defaults are those of a file."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from ief_jax.cli import command_line

T = TypeVar("T")


def run(
    name: str,
    command: Callable[[T], None],
    recipe: T,
    about: str | None,
    words: Sequence[str] | None = None,
) -> int:
    """Runs a command as a recipe says; returns the exit status as `command_line.guarded` does.

    Args:
      name: of the module that holds the recipe.
      command: of `experiments.commands`.
      recipe: its arguments, each of which is an option still.
      about: what the recipe says of itself, for the help.
      words: of the command line; the process's own by default.

    Raises:
      SystemExit: 0 after the help that was asked for, 2 if the command line is no good.
    """
    program = f"python -m {name}"
    arguments = tyro.cli(
        type(recipe),
        prog=program,
        description=about,
        args=sys.argv[1:] if words is None else words,
        default=recipe,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    return command_line.guarded(
        program,
        lambda: command(arguments),
        "interrupted; the same command goes on from the last checkpoint",
    )
