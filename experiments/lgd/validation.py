"""What `train.py lgd` measures weights by while it trains: PA-MPJPE of people that it never saw.

The people are seen as `eval.py lgd` shows them, by an orthographic camera and without noise.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lgd import data_sets
from experiments.lgd.arguments import PoseOptions
from ief_jax.body import joints, pose_prior
from ief_jax.formats import poses as formats_poses
from ief_jax.io.files import InputError
from ief_jax.lgd import checkpoints, evaluation
from ief_jax.lgd.config import LGDConfig
from ief_jax.training import run_loop
from ief_jax.training.validation import Validation

PEOPLE = 256
SEED = 1
"""Of poses, shapes and views: not that of the evaluation at the end."""


def on_poses(
    options: PoseOptions, configuration: LGDConfig, model: joints.JointModel
) -> Validation:
    """Mean PA-MPJPE, mm, of the bodies that weights give to `PEOPLE` people.

    Raises:
      InputError: the file of their poses cannot be read.
    """
    poses, number = _poses(options)
    prior = pose_prior.embedded()
    given = jnp.asarray(number), jnp.uint32(SEED)

    def people() -> evaluation.Examples:
        if poses is None:
            return evaluation.examples_of_prior(model, prior, *given)
        return evaluation.examples_of_poses(model, jnp.asarray(poses), *given)

    @jax.jit
    def error(weights: Any, examples: evaluation.Examples) -> jax.Array:
        checkpoint = checkpoints.Checkpoint(configuration, weights)
        found = evaluation.learned(checkpoint, model, None, examples.observed)
        pa_mpjpe, _, _ = jax.vmap(partial(evaluation.joint_errors, model))(found, examples)
        return pa_mpjpe.mean()

    return Validation("validation_pa_mpjpe_mm", lambda weights: float(error(weights, people())))


def _poses(options: PoseOptions) -> tuple[np.ndarray | None, np.ndarray]:
    """[N, 24, 3] axis-angle of N people, at most `PEOPLE`, and their numbers [N]; or None for
    samples of the prior."""
    everybody = np.arange(PEOPLE)
    if options.validation_poses is not None:
        found = formats_poses.read(options.validation_poses).poses
        chosen = evaluation.choose(len(found), PEOPLE, SEED)
        return found[chosen], chosen
    if options.dataset == "prior":
        return None, everybody
    from data.motion import pipeline  # slow to import

    try:
        prepared = data_sets.prepared(options, "validation")
    except InputError as error:
        run_loop.say(f"validated on samples of the pose prior: {error}")
        return None, everybody
    chosen = everybody[: prepared.total]
    return next(pipeline.stream(prepared, len(chosen), SEED)).poses, chosen
