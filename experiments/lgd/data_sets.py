"""The prepared data sets of poses that the options of `train.py lgd` name."""

from typing import TYPE_CHECKING

from experiments.lgd.arguments import PoseOptions
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from data.motion import pipeline


def prepared(options: PoseOptions, split: str) -> "pipeline.Prepared":
    """A split of the data set.

    Raises:
      InputError: it is not prepared, or the options contradict one another.
    """
    if options.poses:
        raise InputError("--poses and --dataset are two sources of poses; give one of them")
    if options.data_dir is None:
        raise InputError(
            f"--dataset {options.dataset} needs --data-dir, the folder that it was prepared in"
        )
    from data import amass, cmu  # slow to import

    of = {"amass": amass, "cmu": cmu}[options.dataset]
    return of.prepared(options.data_dir, split)
