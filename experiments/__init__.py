"""The commands of train.py and eval.py, one module each."""

import importlib
from collections.abc import Mapping, Sequence

import tyro

from ief_jax.cli import command_line
from ief_jax.io.files import InputError


def run(
    program: str,
    explanation: str,
    commands: Mapping[str, str],
    words: Sequence[str],
    interrupted: str = "interrupted",
) -> int:
    """Runs the command that the first word names; returns the exit status.

    Only its module is imported: what one command needs, another does without.

    Args:
      program: its name in messages.
      explanation: what `--help` without a command prints.
      commands: "module:function" by the word that calls it.
      words: of the command line.
      interrupted: what is said after Ctrl-C.
    """
    if not words or words[0] in ("-h", "--help"):
        print(explanation)
        return 0
    word, *options = words

    def call() -> None:
        if word not in commands:
            raise InputError(f"no command '{word}': expected {', '.join(commands)}")
        module, name = commands[word].split(":")
        try:
            function = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("experiments", "data", "ief_jax"):
                raise
            raise InputError(
                f"{word} needs the package '{error.name}': pip install -e '.[data]'"
            ) from error
        tyro.cli(function, prog=f"{program} {word}", args=options)

    return command_line.guarded(program, call, interrupted)
