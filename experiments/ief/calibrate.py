"""`eval.py ief-calibrate`: how likely a joint is right, given the disagreement.

Fits the logistic regression of `confidence.joint_confidence` to validation people in boxes of their
true size, writes it into the checkpoint, and prints it with how well it ranks and how well it is
calibrated. With a network that says what can be seen, joints that are not annotated count as well:
they are not there, so nothing is right.
"""

import dataclasses

import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from data.keypoints import sets
from data.keypoints.people import Person, decode
from experiments.ief.arguments import Calibrate
from ief_jax.geometry import crops
from ief_jax.geometry.crops import Box
from ief_jax.ief import augmentation, checkpoints, confidence, metrics
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.io.files import InputError, output_folder
from ief_jax.viz import keypoint_report

FEWEST = 10
"""Right joints, and wrong ones, without which nothing is fitted."""


def run(arguments: Calibrate) -> None:
    """Fits the regression, writes it into the checkpoint and prints it.

    Raises:
      InputError: the checkpoint is a shipped one and there is no output; or there are too few right
        or wrong joints to tell them apart.
      OutputError: the file cannot be written.
    """
    if arguments.output is None and arguments.checkpoint in checkpoints.SHIPPED:
        raise InputError(f"{arguments.checkpoint} is part of the package: give an --output FILE")
    if arguments.output is not None:
        output_folder(arguments.output.parent)
    checkpoint = checkpoints.load(arguments.checkpoint)
    doubts, hits = [], []
    for name in arguments.dataset:
        people, names = sets.load(name, arguments.data_dir, "validation")
        rows = np.random.default_rng(0).permutation(len(people))[: arguments.count]
        for row in tqdm(np.sort(rows), desc=name, unit="person"):
            found = _predict(checkpoint, people[row], names, arguments.augment)
            doubts.append(found[0])
            hits.append(found[1])
    x, hit = np.concatenate(doubts), np.concatenate(hits)
    if min(hit.sum(), (~hit).sum()) < FEWEST:
        raise InputError(
            f"{arguments.checkpoint}: {hit.sum()} of {len(hit)} joints are right, expected "
            f"{FEWEST} that are and that are not at least, to tell them apart"
        )
    weights = regression(x, hit)
    calibrated = dataclasses.replace(
        checkpoint.configuration,
        calibration=tuple(float(weight) for weight in weights),
        calibrated_for=arguments.augment,
    )
    written = checkpoints.reconfigure(arguments.checkpoint, calibrated, arguments.output)
    print(f"{written}: calibration {', '.join(f'{weight:.2f}' for weight in weights)}")
    sure = 1 / (1 + np.exp(-(weights[0] + x @ weights[1:])))
    print(keypoint_report.confidences(metrics.reliability(sure, hit)))


def regression(x: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Constant and weights w of P(hit) = 1 / (1 + exp(-w_0 - x w)), x [M, D], hit bool [M]."""
    inputs = np.concatenate([np.ones((len(x), 1)), x], 1)
    sign = np.where(hit, 1.0, -1.0)
    start = np.zeros(inputs.shape[1])

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, -sign * (inputs @ w)).mean())

    return minimize(loss, start).x


def _predict(
    checkpoint: Checkpoint, person: Person, names: tuple[str, ...], augment: str
) -> tuple[np.ndarray, np.ndarray]:
    """What speaks against each joint that counts [M, 2 or 3], and whether it is right [M]."""
    configuration = checkpoint.configuration
    x, y = person.marked.tolist()
    box = Box(x, y, crops.PERSON * person.height)
    augmentations = augmentation.NAMED[augment](configuration.joints)
    photograph = decode(person.image, person.name)
    augmented = augmentation.person_crops(
        photograph, person.marked, box, augmentations, configuration.size
    )
    (looked,) = augmentation.predict_paths(checkpoint, [augmented], None, len(augmentations))
    common = [joint for joint in configuration.joints if joint in names]
    own = metrics.rows(common, configuration.joints)
    true = metrics.rows(common, names)
    torso = metrics.torso_diameter(person.points, person.annotated, names)
    annotated = person.annotated[true]
    counted = (annotated | (looked.presence is not None)) & np.isfinite(torso)
    hits = annotated & metrics.within(
        confidence.combine(looked, box.side, ()).path[-1, own],
        person.points[true],
        metrics.PCK_SHARE * torso,
    )
    return confidence.disagreement(looked, box.side)[own][counted], hits[counted]
