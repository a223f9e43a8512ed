"""Evaluates what train.py trains, or what is released."""

import sys
from collections.abc import Callable, Mapping, Sequence

from experiments import commands
from ief_jax.cli import command_line

COMMANDS: Mapping[str, Callable[..., None]] = {
    "lgd": commands.evaluate_lgd,
    "lgd-dataset": commands.evaluate_lgd_dataset,
    "lgd-posture": commands.evaluate_lgd_posture,
    "lgd-standing": commands.evaluate_lgd_standing,
    "lgd-triangulated": commands.evaluate_lgd_triangulated,
    "lgd-ablations": commands.ablate_lgd,
    "lgd-offsets": commands.calibrate_lgd_offsets,
    "ief": commands.evaluate_ief,
    "ief-ablations": commands.ablate_ief,
    "ief-calibrate": commands.calibrate_ief,
    "ief-average": commands.average_ief,
    "scale": commands.evaluate_scale,
}


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run("eval.py", COMMANDS, words, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
