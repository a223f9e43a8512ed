"""The IEF paper's network on MPII: GoogLeNet, Fixed Path Consolidation, as far as the paper says.

    python -m experiments.ief.recipes.paper_mpii --data-dir downloads/ --imagenet googlenet.pth
    python train.py scale --dataset mpii --data-dir downloads/ --network vgg_s --workdir runs/scale
    python eval.py ief --dataset mpii --data-dir downloads/ --checkpoint runs/ief-mpii \\
        --box-refinements 0 --box nine --selector runs/scale

Data: MPII (data/mpii/README.md), torchvision's state dict of GoogLeNet.
Hardware and hours: not run.
Expected: as published, PCKh@0.5 of 81.0 on the validation images (table 3) and 81.3 on the test
images (table 1), whose annotations are not public; ours: not run.
What the paper leaves open, and what cannot be as in the paper: docs/fidelity.md.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import commands, recipes
from experiments.ief.arguments import LearningOptions, NetworkOptions, Train
from experiments.options import OptimiserOptions
from ief_jax.training.run_options import RunOptions

RECIPE = Train(
    dataset=("mpii",),
    method="ief",
    steps=3,
    epochs=60,
    run=RunOptions(Path("runs/ief-mpii"), log_every=20),
    network=NetworkOptions(
        backbone="googlenet", imagenet=Path("googlenet.pth"), heatmap_stage=0, size=224, sigma=10
    ),
    learning=LearningOptions(crops="paper", pretrained_rate=1),
    optimiser=OptimiserOptions(optimizer="sgd", learning_rate=1e-3, schedule="constant", clip=0),
)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return recipes.run(
        "experiments.ief.recipes.paper_mpii", commands.train_ief, RECIPE, __doc__, words
    )


if __name__ == "__main__":
    sys.exit(main())
