"""Tries settings of the SMPLify baseline on validation poses; how the shipped ones were chosen.

python -m data.assets.pose_prior.tune_smplify cmu/validation.npz [--count N]
    [--settings.prior 10 ...]
"""

import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from ief_jax import batches
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.formats import poses as formats_poses
from ief_jax.lgd import evaluation, smplify

BATCH = 64


def main(
    poses: tyro.conf.Positional[Path],
    settings: smplify.Settings = smplify.TUNED,
    count: int = 192,
    noise: float = 0.0,
    drop: float = 0.0,
) -> None:
    """Prints PA-MPJPE from one start and from four.

    Args:
      poses: AMASS-style npz of validation subjects.
      settings: of the optimiser.
      count: poses to try, chosen at random.
      noise: keypoint noise, as a share of the person's box.
      drop: share of the keypoints hidden.
    """
    model, prior = joints.fold(model_files.embedded()), pose_prior.embedded()
    every = formats_poses.read(poses).poses
    chosen = evaluation.choose(len(every), count, seed=1)
    examples = evaluation.examples_of_poses(
        model, jnp.asarray(every[chosen]), jnp.asarray(chosen), jnp.uint32(1), noise, drop
    )
    for name, yaws in (("one start", smplify.YAWS[:1]), ("restarts", smplify.YAWS)):
        fit = jax.jit(jax.vmap(partial(evaluation.optimised, model, prior, settings, yaws)))
        began = time.perf_counter()
        found = batches.map_in_chunks(fit, BATCH, examples.observed)
        error, _, _ = jax.vmap(partial(evaluation.joint_errors, model))(found, examples)
        deviation = np.std(error) / len(error) ** 0.5
        print(
            f"{name}: {np.mean(error):.1f} +- {deviation:.1f} mm, "
            f"{time.perf_counter() - began:.0f} s"
        )


if __name__ == "__main__":
    tyro.cli(main)
