"""The IEF paper's network on LSP and its extension, with the hyper-parameters of MPII.

    python -m experiments.ief.recipes.paper_lsp --data-dir downloads/ --imagenet googlenet.pth
    python eval.py ief --dataset lsp --data-dir downloads/ --checkpoint runs/ief-lsp \\
        --box-refinements 0

Data: LSP and LSPET (data/lsp/README.md, data/lspet/README.md), torchvision's state dict of
GoogLeNet.
Hardware and hours: not run; a run with the same method and another network that was cut short
is in docs/results.md.
Expected: as published, PCP of 72.5 on LSP's test images; ours: not run.
What the paper leaves open, and what cannot be as in the paper: docs/fidelity.md.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import commands, recipes
from experiments.ief.recipes import paper_mpii
from ief_jax.training.run_options import RunOptions

RECIPE = dataclasses.replace(
    paper_mpii.RECIPE,
    dataset=("lsp", "lspet"),
    run=RunOptions(Path("runs/ief-lsp"), log_every=20),
)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return recipes.run(
        "experiments.ief.recipes.paper_lsp", commands.train_ief, RECIPE, __doc__, words
    )


if __name__ == "__main__":
    sys.exit(main())
