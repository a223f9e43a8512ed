"""`eval.py ief`: finds the keypoints of annotated people and measures how often they are right.

The measures are those of `ief_jax.ief.metrics`. A person is cut out with the box that the scale
selector chooses, about the marked point that the data set gives (LSP: the image's centre).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from data.keypoints import sets
from data.keypoints.people import Person, decode
from experiments import checks
from experiments.ief import report
from experiments.ief.arguments import Evaluate
from ief_jax.geometry import crops
from ief_jax.geometry.crops import Box
from ief_jax.ief import augmentation, build, estimation, metrics
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief import confidence as ief_confidence
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.confidence import Estimate
from ief_jax.ief.metrics import Rates, Reliability, Scores
from ief_jax.ief.scale_selector import checkpoints as scale_selector_checkpoints
from ief_jax.ief.scale_selector import selection
from ief_jax.inspector.page import Page
from ief_jax.io.files import InputError, replacing, write_json
from ief_jax.viz import keypoint_report
from ief_jax.viz.keypoint_report import Corrections

BATCH = 32
"""Crops that the network computes at a time."""
FIGURE_QUANTILES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Whose corrections the figure shows, by their mean error: the best, the median, the worst."""

PUBLISHED = {
    ("lsp", "PCP"): {"torso": 95.3, "upper_arm": 66.7, "mean": 72.5},
    ("mpii", "PCKh@0.5"): {"mean": 81.0},
}
"""What the paper reports, in percent: on LSP's test set, and on MPII's validation set."""


@dataclass(frozen=True)
class Result:
    """An evaluation: what is printed, written and drawn."""

    scores: Scores
    confidence: Reliability | None
    count: int
    seconds: float
    sequences: list[Corrections]
    largest: float

    @property
    def rates(self) -> dict[str, Rates]:
        """The measures that there are, by name; the data set's own first."""
        found = {"PCKh@0.5": self.scores.pckh, "PCK@0.2": self.scores.pck, "PCP": self.scores.pcp}
        return {name: rates for name, rates in found.items() if rates is not None}

    def to_dict(self) -> dict[str, Any]:
        """For JSON, in percent; null where nothing is annotated.

        `pcp`, `pck`, `pckh`, `per_joint`, `per_limb` and `left_right_confusion` are after the last
        step. `per_joint` and `per_step` (from the start on) are of `measure`; `steps` has all
        measures. `confidence`, with the augmentation that the checkpoint is calibrated for: its
        ranking, and the percentage right of the joints in fifths of its range. `seconds` is the
        time of all boxes, cutting out included and compiling left out.
        """
        measure, rates = next(iter(self.rates.items()))
        own = self.scores
        every = {"pcp": own.pcp, "pck": own.pck, "pckh": own.pckh}
        every["left_right_confusion"] = own.mistaken_sides
        return {
            **{name: each and _number(each.mean[-1]) for name, each in every.items()},
            "measure": measure,
            "per_joint": _by_name(rates),
            "per_step": [_number(value) for value in rates.mean],
            "per_limb": own.pcp and _by_name(own.pcp),
            "steps": {n: each and [_number(v) for v in each.mean] for n, each in every.items()},
            "confidence": self.confidence
            and {
                "ranking": _number(self.confidence.ranking),
                "right": [_number(value) for value in self.confidence.right],
                "joints": self.confidence.joints.tolist(),
            },
            "count": self.count,
            "seconds": self.seconds,
        }


def run(arguments: Evaluate) -> None:
    """Evaluates; prints the tables, writes the files that were asked for."""
    result = evaluate(arguments)
    title = f"{arguments.dataset}, {result.count} people, checkpoint {arguments.checkpoint}"
    print(f"{title}: predicted in {result.seconds:.2f} s")
    for name, rates in result.rates.items():
        published = PUBLISHED.get((arguments.dataset, name), {})
        print("\n" + keypoint_report.table(f"{name} (%)", rates, published))
    if result.scores.mistaken_sides:
        rates = result.scores.mistaken_sides
        print("\n" + keypoint_report.table("other side (%)", rates, {}))
    if result.confidence:
        print("\n" + keypoint_report.confidences(result.confidence))
    elif arguments.augment != "none":
        print("\nno confidences: the checkpoint is not calibrated for this augmentation")
    if arguments.json:
        write_json(arguments.json, result.to_dict())
    if arguments.figure:
        page = keypoint_report.figure(
            title, result.rates, next(iter(result.rates)), result.sequences
        )
        with replacing(arguments.figure) as file:
            page.savefig(file, format=arguments.figure.suffix[1:], dpi=130)
    if arguments.report:
        people = report.people(result.sequences, result.largest)
        summary = report.summary(title, result.rates, len(people))
        Page([summary, *people], title).write(arguments.report / "report.html")


def evaluate(arguments: Evaluate) -> Result:
    """Runs the protocol; reads files, writes none."""
    _check(arguments)
    checkpoint = ief_checkpoints.load(arguments.checkpoint)
    build.check_checkpoint(checkpoint, arguments.checkpoint)
    people, names = sets.load(
        arguments.dataset, arguments.data_dir, arguments.split or _last_split(arguments.dataset)
    )
    return measured(arguments, checkpoint, people, names)


def measured(
    arguments: Evaluate, checkpoint: Checkpoint, people: Sequence[Person], names: tuple[str, ...]
) -> Result:
    """The protocol on those of the people that are chosen, with keypoints of these names.

    Raises:
      InputError: nothing of the checkpoint's is annotated.
    """
    people = _choose(people, arguments.count, arguments.seed)
    joints = checkpoint.configuration.joints
    common = tuple(joint for joint in joints if joint in names)
    if not common:
        raise InputError(f"{arguments.checkpoint}: none of its joints is in {arguments.dataset}")

    boxes, estimates, confidence, seconds = _estimate(arguments, checkpoint, people)
    truth = np.stack([person.points for person in people]).astype(np.float64)
    annotated = np.stack([person.annotated for person in people])
    compared = estimates[:, :, metrics.rows(common, joints)]
    scores = metrics.scores(
        compared, common, truth, annotated, names, np.array([one.head_size for one in people])
    )
    if scores.pck is None and scores.pckh is None:
        raise InputError(
            f"{arguments.dataset}: nobody has {' and '.join(metrics.TORSO)} annotated, "
            "nor a head's size: nothing to measure by"
        )

    # The confidences
    own, mine = metrics.rows(common, names), metrics.rows(common, joints)
    known, right = annotated[:, own], truth[:, own]
    reach = metrics.PCK_SHARE * metrics.torso_diameter(truth, annotated, names)
    counted = known & np.isfinite(reach)[:, None]
    reliability = None
    if confidence is not None and counted.any():
        hits = metrics.within(compared[:, -1], right, reach)
        reliability = metrics.reliability(confidence[:, mine][counted], hits[counted])

    # The figure and the report
    distance = np.linalg.norm(compared[:, -1] - right, axis=-1)
    heights = np.array([person.height for person in people])
    error = (distance * known).sum(1) / np.maximum(known.sum(1), 1) / heights
    sequences = [
        _corrections(checkpoint, people[row], names, boxes[row], estimates[row], error[row])
        for row in (_spread_over(error) if arguments.figure or arguments.report else ())
    ]
    largest = checkpoint.configuration.max_correction
    return Result(scores, reliability, len(people), seconds, sequences, largest)


def _check(arguments: Evaluate) -> None:
    checks.at_least(arguments, {"count": 1, "box_refinements": 0, "steps": 0, "seed": 0})
    checks.outputs(arguments.json, arguments.figure, arguments.report)


def _last_split(dataset: str) -> str:
    """What results are reported on: the test set, where its annotations are released."""
    return "test" if dataset == "lsp" else "validation"


def _choose(people: Sequence[Person], count: int | None, seed: int) -> Sequence[Person]:
    """`count` of the people at random, or all, in their order."""
    if count is None or count >= len(people):
        return people
    rows = np.sort(np.random.default_rng(seed).permutation(len(people))[:count])
    return [people[row] for row in rows]


def _estimate(
    arguments: Evaluate, checkpoint: Checkpoint, people: Sequence[Person]
) -> tuple[list[Box], np.ndarray, np.ndarray | None, float]:
    """Each person's box, path [N, T + 1, K, 2] in pixels, and confidence [N, K]; the seconds."""
    joints = checkpoint.configuration.joints
    augmentations = augmentation.NAMED[arguments.augment](joints)
    calibration = ief_confidence.calibration_for(checkpoint.configuration, augmentations)
    refinements = arguments.box_refinements
    if refinements is None:
        refinements = estimation.box_refinements(joints)
    find_box = _box_finder(arguments.box, arguments.selector)
    group = max(1, BATCH // len(augmentations))
    boxes: list[Box] = []
    found: list[Estimate] = []
    seconds = 0.0
    with tqdm(total=len(people), desc="IEF", unit="person", leave=False) as bar:
        for first in range(0, len(people), group):
            some = people[first : first + group]
            photographs = [decode(person.image, person.name) for person in some]
            chosen = list(map(find_box, photographs, some))
            predict = partial(
                estimation.estimate_paths,
                checkpoint,
                photographs,
                chosen,
                augmentations,
                refinements,
                arguments.steps,
                batch=group * len(augmentations),
            )
            if first == 0:
                predict()  # compiles
            began = time.perf_counter()
            paths, fitting = predict()
            seconds += time.perf_counter() - began
            boxes += fitting
            found += [
                ief_confidence.combine(path, box.side, calibration)
                for path, box in zip(paths, fitting, strict=True)
            ]
            bar.update(len(some))
    sure = [one.confidence for one in found if one.confidence is not None]
    confidence = np.stack(sure) if len(sure) == len(found) else None
    return boxes, np.stack([one.path for one in found]), confidence, seconds


def _box_finder(which: str, name: str) -> Callable[[Image.Image, Person], Box]:
    """What gives the box that fits a person in a photograph; `name` is the selector's."""
    if which == "truth":

        def true_box(photograph: Image.Image, person: Person) -> Box:
            x, y = person.marked.tolist()
            return Box(x, y, crops.PERSON * person.height)

        return true_box
    selector = scale_selector_checkpoints.load(name)
    refined = which == "selector"
    choose: Callable[..., Box] = selection.refine_box if refined else selection.select_box
    return lambda photograph, person: choose(selector, photograph, person.marked)


def _spread_over(error: np.ndarray) -> list[int]:
    """People with small, middling and large errors, in this order."""
    order = np.argsort(error)
    return list(dict.fromkeys(int(order[round(q * (len(order) - 1))]) for q in FIGURE_QUANTILES))


def _corrections(
    checkpoint: Checkpoint,
    person: Person,
    names: tuple[str, ...],
    box: Box,
    path: np.ndarray,
    error: float,
) -> Corrections:
    """One row of the figure: everything in the pixels of the crop."""
    size = checkpoint.configuration.size
    photograph = decode(person.image, person.name)
    cut_out = augmentation.person_crops(photograph, person.marked, box, augmentation.IDENTITY, size)
    return Corrections(
        cut_out.images[0],
        crops.to_crop(path, cut_out.boxes[0], size),
        checkpoint.configuration.joints,
        crops.to_crop(person.points, cut_out.boxes[0], size),
        person.annotated,
        names,
        f"{person.name}: {100 * error:.1f} % of the height off",
    )


def _by_name(rates: Rates) -> dict[str, float | None]:
    """Percentages after the last step."""
    return dict(zip(rates.names, map(_number, rates.each[-1]), strict=True))


def _number(value: float) -> float | None:
    """For JSON, which has no nan."""
    return float(value) if np.isfinite(value) else None
