"""The commands of train.py and eval.py; each imports what does its work when it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from tyro.conf import subcommand

from experiments.ief import arguments as ief
from experiments.lgd import arguments as lgd
from experiments.scale import arguments as scale
from ief_jax.cli.command_line import Arguments
from ief_jax.cli.shared import keep_compilations
from ief_jax.training.run_options import RunOptions


@contextmanager
def _together(run: RunOptions) -> Iterator[None]:
    """First of all: no device may be used before, which some modules do when they are imported."""
    from ief_jax.training import mesh

    with mesh.together(run.hosts):
        keep_compilations()
        yield


def train_lgd(arguments: Arguments[lgd.Train]) -> None:
    """Train learned gradient descent (LGD): 2D keypoints to an SMPL body."""
    with _together(arguments.run):
        from experiments.lgd import train

        train.run(arguments)


def train_ief(arguments: Arguments[ief.Train]) -> None:
    """Train iterative error feedback (IEF): a photograph to 2D keypoints."""
    with _together(arguments.run):
        from experiments.ief import train

        train.run(arguments)


def train_scale(arguments: Arguments[scale.Train]) -> None:
    """Train the scale selector: which box round a marked point fits the person."""
    with _together(arguments.run):
        from experiments.scale import train

        train.run(arguments)


def evaluate_lgd(arguments: Arguments[lgd.Evaluate]) -> None:
    """Evaluate LGD and baselines, on poses with known bodies."""
    from experiments.lgd import evaluate

    evaluate.run(arguments)


def evaluate_lgd_dataset(
    dataset: Annotated[lgd.ThreeDpw, subcommand(lgd.ThreeDpw.NAME)]
    | Annotated[lgd.H36m, subcommand(lgd.H36m.NAME)]
    | Annotated[lgd.Ehf, subcommand(lgd.Ehf.NAME)]
    | Annotated[lgd.Amass, subcommand(lgd.Amass.NAME)]
    | Annotated[lgd.Cmu, subcommand(lgd.Cmu.NAME)],
) -> None:
    """Evaluate LGD as the paper does, on a data set of yours."""
    from experiments.lgd import evaluate_dataset

    evaluate_dataset.run(dataset)


def evaluate_lgd_posture(arguments: Arguments[lgd.EvaluatePosture]) -> None:
    """Evaluate what is systematically wrong with bodies: knees, trunk, head, turned people."""
    from experiments.lgd import evaluate_posture

    evaluate_posture.run(arguments)


def evaluate_lgd_standing(arguments: Arguments[lgd.EvaluateStanding]) -> None:
    """Evaluate how people who stand in photographs come out: do they lean, do they crouch?"""
    from experiments.lgd import evaluate_standing

    evaluate_standing.run(arguments)


def evaluate_lgd_triangulated(arguments: Arguments[lgd.EvaluateTriangulated]) -> None:
    """Evaluate on a real detector's keypoints, against joints that several cameras saw."""
    from experiments.lgd import evaluate_triangulated

    evaluate_triangulated.run(arguments)


def calibrate_lgd_offsets(arguments: Arguments[lgd.Offsets]) -> None:
    """Calibrate where a detector or an annotator puts keypoints on the body."""
    from experiments.lgd import offsets

    offsets.run(arguments)


def ablate_lgd(arguments: Arguments[lgd.Ablate]) -> None:
    """Train and test what tables 1 and 2 of the LGD paper compare."""
    from experiments.lgd import ablate

    ablate.run(arguments)


def evaluate_ief(arguments: Arguments[ief.Evaluate]) -> None:
    """Evaluate IEF: PCP and PCK of the keypoints found in photographs."""
    from experiments.ief import evaluate

    evaluate.run(arguments)


def ablate_ief(arguments: Arguments[ief.Ablate]) -> None:
    """Train and test what tables 3 and 4 and figure 4 of the IEF paper compare."""
    from experiments.ief import ablate

    ablate.run(arguments)


def calibrate_ief(arguments: Arguments[ief.Calibrate]) -> None:
    """Fit how likely a keypoint is right to the disagreement of augmented predictions."""
    from experiments.ief import calibrate

    calibrate.run(arguments)


def average_ief(arguments: Arguments[ief.Average]) -> None:
    """Write the mean of trained networks of IEF."""
    from experiments.ief import average

    average.run(arguments)


def evaluate_scale(arguments: Arguments[scale.Evaluate]) -> None:
    """Evaluate the scale selector: how often, and how well, the box fits the person."""
    from experiments.scale import evaluate

    evaluate.run(arguments)
