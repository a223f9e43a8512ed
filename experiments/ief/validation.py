"""What `train.py ief` measures weights by while it trains: keypoints of people it never saw."""

import math
from collections.abc import Callable
from typing import Any

from data.keypoints import sets
from experiments.ief import evaluate
from experiments.ief.arguments import Evaluate, Train
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.io.files import InputError
from ief_jax.training import run_loop
from ief_jax.training.validation import Validation

PEOPLE = 200
SEED = 1
"""Of their choice: not that of the evaluation at the end."""


def on_people(arguments: Train, checkpoint: Callable[[Any], Checkpoint]) -> Validation:
    """Percent of keypoints found after the last step, by the data set's own measure.

    That is PCKh@0.5 where heads are annotated, else PCK@0.2; of people in boxes of 1.2 times their
    true height.

    Args:
      arguments: name the data sets; of the first one people of the validation split are taken.
      checkpoint: weights to what is evaluated.

    Raises:
      InputError: the data set cannot be read.
    """
    dataset = arguments.dataset[0]
    people, names = sets.load(dataset, arguments.data_dir, "validation")
    options = Evaluate(
        dataset=dataset, count=PEOPLE, seed=SEED, box="truth", box_refinements=0, checkpoint="this"
    )

    def measure(weights: Any) -> float:
        try:
            found = evaluate.measured(options, checkpoint(weights), people, names)
        except InputError as error:
            run_loop.say(f"no validation: {error}")
            return math.nan
        return float(next(iter(found.rates.values())).mean[-1])

    return Validation("validation_pck", measure, larger=True)
