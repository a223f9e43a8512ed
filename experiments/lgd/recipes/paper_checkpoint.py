"""The shipped checkpoint `paper`: the LGD paper's network on motion capture that is free to use.

    python -m experiments.lgd.recipes.paper_checkpoint --poses train.npz mesh2motion.npz
    python eval.py lgd --checkpoint runs/lgd-paper-checkpoint

Data: train.npz of `python -m data.prepare cmu-split cmu_poses.npz OUT` and mesh2motion.npz of
`python -m data.prepare mesh2motion` (data/cmu/README.md, data/mesh2motion/README.md).
Hardware and hours: 7 minutes of one NVIDIA H200, in a loop of the same functions whose learning
rate followed the clock (ief_jax/assets/CHECKPOINTS.md); by this command: not run.
Expected: the figures of `paper` in docs/results.md.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import commands, recipes
from experiments.lgd.arguments import PoseOptions, Train, TrainingNoiseOptions
from experiments.options import OptimiserOptions
from ief_jax.training.run_options import RunOptions

RECIPE = Train(
    configuration="paper",
    iterations=26_352,
    batch_size=2048,
    run=RunOptions(Path("runs/lgd-paper-checkpoint")),
    data=PoseOptions(poses=(Path("train.npz"), Path("mesh2motion.npz")), prior_share=0.3),
    keypoint_noise=TrainingNoiseOptions(noise=0.02, clean=0.35),
    optimiser=OptimiserOptions(ema=0.999),
)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return recipes.run(
        "experiments.lgd.recipes.paper_checkpoint", commands.train_lgd, RECIPE, __doc__, words
    )


if __name__ == "__main__":
    sys.exit(main())
