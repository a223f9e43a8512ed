"""Trains: `python train.py` trains LGD from scratch on the embedded pose prior.

    python train.py [lgd] [--workdir DIR] [--poses FILE.npz ...] [--body FILE] ...
    python train.py lgd --dataset amass|cmu --data-dir DIR ...
    python train.py ief [--workdir DIR] [--dataset lsp lspet] [--data-dir DIR] ...
    python train.py scale [--workdir DIR] [--dataset lsp lspet] [--data-dir DIR] ...

`python train.py COMMAND --help` lists everything. All that a run writes is in its folder:
config.json, metrics.jsonl, TensorBoard events, checkpoints/ (from which the same command goes on
after a break), model.npz (which eval.py and `ief-jax` load with `--checkpoint DIR`), and at the end
an evaluation and a picture.
"""

import sys
from collections.abc import Sequence

import experiments

COMMANDS = {
    "lgd": "experiments.lgd.train:lgd",
    "ief": "experiments.ief.train:ief",
    "scale": "experiments.scale.train:scale",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Options without a command are LGD's.
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "lgd")
    return experiments.run(
        "train.py",
        __doc__ or "",
        COMMANDS,
        words,
        "interrupted; the same command goes on from the last checkpoint",
    )


if __name__ == "__main__":
    sys.exit(main())
