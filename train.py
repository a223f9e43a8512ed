"""Trains on one command: `python train.py` trains LGD from scratch on the embedded pose prior.

    python train.py [lgd] [--workdir DIR] [--poses FILE.npz ...] [--body FILE] ...
    python train.py ief [--workdir DIR] [--dataset lsp lspet] [--data-dir DIR] ...
    python train.py scale [--workdir DIR] [--dataset lsp lspet] [--data-dir DIR] ...

All that a run writes is in its folder: config.json, metrics.jsonl, TensorBoard events,
checkpoints/ (from which the same command goes on after a break), model.npz (which eval.py and
`ief-jax` load with `--checkpoint DIR`), and at the end an evaluation and a picture.
"""

import sys
from collections.abc import Callable, Sequence

from commands.train_ief import ief
from commands.train_lgd import lgd
from commands.train_scale import scale
from ief_jax import command_line

COMMANDS: dict[str, Callable[..., None]] = {"lgd": lgd, "ief": ief, "scale": scale}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0] not in COMMANDS and words[0] not in ("-h", "--help")):
        words.insert(0, "lgd")
    return command_line.run(
        "train.py",
        COMMANDS,
        words,
        interrupted="interrupted; the same command goes on from the last checkpoint",
    )


if __name__ == "__main__":
    sys.exit(main())
