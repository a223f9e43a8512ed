"""The LGD paper's network on AMASS with SMPL's own body, as far as the paper says.

    python -m data.prepare amass AMASS/ prepared/
    python -m experiments.lgd.recipes.paper_amass --data-dir prepared/ --body SMPL_NEUTRAL.pkl
    python eval.py lgd-dataset 3dpw --data-dir 3DPW/ --checkpoint runs/lgd-paper \\
        --body SMPL_NEUTRAL.pkl

Data: AMASS (data/amass/README.md), SMPL's neutral body; to evaluate, 3DPW, Human3.6M, EHF.
Hardware and hours: not run.
Expected: as published, PA-MPJPE of 56.4 mm on Human3.6M (table 3) and 55.9 mm on 3DPW (table 4),
vertex to vertex 54.7 mm on EHF (table 5); ours: not run.
What the paper leaves open, and what cannot be as in the paper: docs/fidelity.md.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import commands, recipes
from experiments.lgd.arguments import PoseOptions, Train, TrainingNoiseOptions
from ief_jax.training.run_options import RunOptions

RECIPE = Train(
    configuration="paper",
    body=Path("SMPL_NEUTRAL.pkl"),
    iterations=100_000,
    run=RunOptions(Path("runs/lgd-paper")),
    data=PoseOptions(dataset="amass", split="paper", prior_share=0),
    keypoint_noise=TrainingNoiseOptions(noise=0, clean=0),
)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return recipes.run(
        "experiments.lgd.recipes.paper_amass", commands.train_lgd, RECIPE, __doc__, words
    )


if __name__ == "__main__":
    sys.exit(main())
