"""What `train.py scale` measures weights by while it trains: boxes of people it never saw."""

from typing import Any

import numpy as np

from data.keypoints import sets
from experiments.scale import evaluate
from experiments.scale.arguments import Train
from ief_jax.ief.scale_selector import checkpoints, config
from ief_jax.training.validation import Validation

PEOPLE = 200
SEED = 1
"""Of their choice: not that of the evaluation at the end."""


def on_people(arguments: Train, configuration: config.ScaleSelectorConfig) -> Validation:
    """Median over people of how many times too large or too small the refined box is.

    Raises:
      InputError: the data set cannot be read.
    """
    people, _ = sets.load(arguments.dataset[0], arguments.data_dir, "validation")
    rows = np.random.default_rng(SEED).permutation(len(people))[:PEOPLE]
    chosen = [people[row] for row in rows]

    def measure(weights: Any) -> float:
        found = evaluate.measure(checkpoints.Selector(configuration, weights), chosen)
        return found["refined box"]["ratio"]

    return Validation("validation_ratio", measure)
