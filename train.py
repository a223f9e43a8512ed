"""Trains what eval.py evaluates and `ief-jax` runs.

All that a run writes is in its folder (--workdir): config.json, metrics.jsonl, TensorBoard events,
checkpoints/, from which the same command goes on after a break, model.npz, which eval.py and
ief-jax load with --checkpoint DIR, and at the end an evaluation.
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from experiments import commands
from ief_jax.cli import command_line

COMMANDS: Mapping[str, Callable[..., None]] = {
    "lgd": commands.train_lgd,
    "ief": commands.train_ief,
    "scale": commands.train_scale,
}


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run(
        "train.py",
        COMMANDS,
        words,
        description=__doc__,
        interrupted="interrupted; the same command goes on from the last checkpoint",
    )


if __name__ == "__main__":
    sys.exit(main())
