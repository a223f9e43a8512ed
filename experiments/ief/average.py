"""`eval.py ief-average RUN RUN ... --output FILE`: the mean of trained networks.

Networks that were trained on from one another lie in one valley of the loss, and their mean
is nearer to its bottom than either of them (Izmailov et al. 2018). It has no calibration yet.
"""

import dataclasses

import jax
import numpy as np

from experiments.ief.arguments import Average
from ief_jax.ief import checkpoints
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.io import checkpoint_files
from ief_jax.io.files import InputError, output_folder


def run(arguments: Average) -> None:
    """Writes the mean.

    Raises:
      InputError: there are no checkpoints, or they differ in more than weights.
    """
    if not arguments.checkpoints:
        raise InputError("no checkpoint to average")
    first, *others = map(_uncalibrated, arguments.checkpoints)
    for name, other in zip(arguments.checkpoints[1:], others, strict=True):
        for field in dataclasses.fields(first.configuration):
            one, two = (getattr(c.configuration, field.name) for c in (first, other))
            if one != two:
                raise InputError(f"{name}: its {field.name} is {two!r}, not {one!r}")
        checkpoint_files.check_weights(other.weights, first.weights, name)
    every = [checkpoint.weights for checkpoint in (first, *others)]
    mean = jax.tree.map(lambda *arrays: np.mean(arrays, 0), *every)
    output_folder(arguments.output.parent)
    checkpoints.write(arguments.output, Checkpoint(first.configuration, mean), dtype=np.float16)


def _uncalibrated(name: str) -> Checkpoint:
    """A checkpoint without its calibration, which does not hold for the mean."""
    checkpoint = checkpoints.load(name)
    configuration = dataclasses.replace(checkpoint.configuration, calibration=(), calibrated_for="")
    return checkpoint._replace(configuration=configuration)
