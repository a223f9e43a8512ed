"""The shipped checkpoint `released`, the second of its two runs: more noise, after `released`.

    python -m experiments.lgd.recipes.released_further --poses train.npz mesh2motion.npz
    python eval.py lgd --checkpoint runs/lgd-released

Data: train.npz of `python -m data.prepare cmu-split cmu_poses.npz OUT` and mesh2motion.npz of
`python -m data.prepare mesh2motion` (data/cmu/README.md, data/mesh2motion/README.md).
Hardware and hours: 6 minutes of one NVIDIA H200, in a loop of the same functions whose learning
rate followed the clock (ief_jax/assets/CHECKPOINTS.md); by this command: not run.
Expected: the figures of `released` in docs/results.md.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import commands, recipes
from experiments.lgd.arguments import PoseOptions, Train
from experiments.options import OptimiserOptions
from ief_jax.training.run_options import RunOptions

RECIPE = Train(
    initial="runs/lgd-released-first",
    iterations=25_600,
    batch_size=4096,
    seed=7,
    run=RunOptions(Path("runs/lgd-released")),
    data=PoseOptions(poses=(Path("train.npz"), Path("mesh2motion.npz")), prior_share=0.3),
    optimiser=OptimiserOptions(learning_rate=8e-4, ema=0.999),
)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return recipes.run(
        "experiments.lgd.recipes.released_further", commands.train_lgd, RECIPE, __doc__, words
    )


if __name__ == "__main__":
    sys.exit(main())
