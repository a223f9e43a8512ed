"""Evaluates: `python eval.py lgd` fits bodies to keypoints of known people and measures errors.

python eval.py lgd [--checkpoint released|paper|DIR] [--poses FILE.npz] [--body FILE] ...
"""

import sys
from collections.abc import Callable, Sequence

from commands.eval_lgd import lgd
from ief_jax import command_line

COMMANDS: dict[str, Callable[..., None]] = {"lgd": lgd}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run("eval.py", COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
