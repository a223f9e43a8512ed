"""`eval.py ief-calibrate`: how likely a joint is right, given the disagreement.

Fits the logistic regression of `estimation.CALIBRATION` to validation people in boxes of their true
size, and prints it with how well it ranks and how well it is calibrated.
"""

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
from ief_jax.viz import keypoint_report


def run(arguments: Calibrate) -> None:
    """Fits the regression and prints it."""
    checkpoint = checkpoints.load(arguments.checkpoint)
    doubts, hits = [], []
    for name in arguments.dataset:
        people, names = sets.load(name, arguments.data_dir, "validation")
        rows = np.random.default_rng(0).permutation(len(people))[: arguments.count]
        for row in tqdm(np.sort(rows), desc=name, unit="person"):
            found = _predict(checkpoint, people[row], names)
            doubts.append(found[0])
            hits.append(found[1])
    x, hit = np.concatenate(doubts), np.concatenate(hits)
    weights = regression(x, hit)
    print(f"CALIBRATION = ({', '.join(f'{weight:.2f}' for weight in weights)})")
    sure = 1 / (1 + np.exp(-(weights[0] + x @ weights[1:])))
    print(keypoint_report.confidences(metrics.reliability(sure, hit)))


def regression(x: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Constant and weights w of P(hit) = 1 / (1 + exp(-w_0 - x w)), x [M, D], hit bool [M]."""
    inputs = np.concatenate([np.ones((len(x), 1)), x], 1)
    sign = np.where(hit, 1.0, -1.0)
    start = np.zeros(inputs.shape[1])
    return minimize(lambda w: np.logaddexp(0, -sign * (inputs @ w)).mean(), start).x


def _predict(
    checkpoint: Checkpoint, person: Person, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """What speaks against each annotated joint [M, 2], and whether it is right [M]."""
    configuration = checkpoint.configuration
    box = Box(*person.marked.tolist(), crops.PERSON * person.height)
    augmentations = augmentation.scales_and_mirror(configuration.joints)
    photograph = decode(person.image, person.name)
    augmented = augmentation.person_crops(
        photograph, person.marked, box, augmentations, configuration.size
    )
    (paths,) = augmentation.predict_paths(checkpoint, [augmented], None, len(augmentations))
    common = [joint for joint in configuration.joints if joint in names]
    own = metrics.rows(common, configuration.joints)
    true = metrics.rows(common, names)
    torso = metrics.torso_diameter(person.points, person.annotated, names)
    counted = person.annotated[true] & np.isfinite(torso)
    hits = metrics.within(
        confidence.combine(paths, box.side).path[-1, own],
        person.points[true],
        metrics.PCK_SHARE * torso,
    )
    return confidence.disagreement(paths, box.side)[own][counted], hits[counted]
