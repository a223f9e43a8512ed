"""People in photographs, one photograph after the other: for `keypoints` and `body`."""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from ief_jax.cli.shared import counted, keep_compilations, say
from ief_jax.formats import photographs
from ief_jax.io import files
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.ief.confidence import Estimate
    from ief_jax.ief.estimation import Estimator
    from ief_jax.ief.person_detector import Detector

SMALLEST = 16
"""Sides of a photograph below this hold nobody, pixels."""
UNSEEN = 0.2
"""Keypoints of lower confidence, of which one in nine is right, are left to the body's prior."""
NOBODY = "nobody found (ief-jax keypoints --point X Y says where somebody is)"


class Photographed(NamedTuple):
    """The N people of a photograph.

    Attributes:
      path: of the photograph.
      name: what to call its results.
      image: upright, in RGB.
      points: [N, K, 2] pixels.
      confidence: [N, K] of the keypoints; None where it is not estimated.
      names: of the K keypoints.
      marked: [N, 2] a point on each, pixels.
    """

    path: Path
    name: str
    image: "Image"
    points: np.ndarray
    confidence: np.ndarray | None
    names: tuple[str, ...]
    marked: np.ndarray


def photographed(
    photograph: Path,
    output: Path,
    points: Sequence[tuple[float, float]],
    checkpoint: str,
    selector: str,
) -> Iterator[Photographed]:
    """Finds people and their keypoints in a photograph, or in those of a folder.

    Photographs of a folder that cannot be used are said and passed over; in the end so are the
    numbers.

    Args:
      photograph: an image file, or a folder of them, with its sub-folders.
      output: where results are, which are passed over.
      points: on each person; none for everybody who is found.
      checkpoint: of keypoints.
      selector: of the box about a point.

    Raises:
      InputError: nothing can be used, or nobody is found in any.
    """
    paths, others = _photographs(photograph, output)
    for other in others:
        say(f"passed over {other}: {photographs.why_not(other)}")
    # Loaded when the first photograph has turned out to be one.
    networks = functools.cache(lambda: load_estimator(checkpoint, selector))
    detector = functools.cache(load_detector)
    failed = empty = people = 0
    with tqdm(total=len(paths), desc="keypoints", unit="photo", disable=len(paths) == 1) as bar:
        for path, name in zip(paths, _names(paths, photograph), strict=True):
            try:
                image = photographs.read(path)
                marked = marked_points(path, image, points)
            except InputError as error:
                if len(paths) == 1:
                    raise
                say(f"skipped {error}")
                failed += 1
            else:
                estimator = networks()
                if points:
                    estimates = _estimate(estimator, image, marked)
                else:
                    estimates, marked = _find(estimator, detector(), image)
                people += len(estimates)
                empty += not estimates
                if not estimates and len(paths) == 1:
                    raise InputError(f"{path}: {NOBODY}")
                names = estimator.checkpoint.configuration.joints
                yield Photographed(path, name, image, *stacked(estimates, names), names, marked)
            bar.update()
    if failed == len(paths):
        raise InputError(f"{photograph}: none of {failed} photographs can be used")
    if not people:
        raise InputError(f"{photograph}: {len(paths)} photographs: {NOBODY}")
    done = counted(len(paths) - failed, "photograph", "photographs")
    say(
        f"{output}: {counted(people, 'person', 'people')}, keypoints in {done}"
        + (f", nobody in {empty}" if empty else "")
        + (f", {failed} skipped" if failed else "")
    )


def write(found: Photographed, folder: Path) -> None:
    """Writes a photograph's people to NAME_keypoints.json, in OpenPose's form."""
    from ief_jax.formats import keypoints

    target = files.output_folder(folder) / f"{found.name}_keypoints.json"
    keypoints.write(
        target, found.points, found.confidence, found.names, found.marked, found.path.name
    )


def load_estimator(checkpoint: str, selector: str) -> "Estimator":
    """Networks for keypoints; says so where they give no confidence."""
    keep_compilations()
    from ief_jax.ief import confidence, estimation

    estimator = estimation.load(checkpoint, selector)
    configuration = estimator.checkpoint.configuration
    augmentations = estimation.default_augmentations(configuration)
    if not confidence.calibration_for(configuration, augmentations):
        say(
            f"{checkpoint} has no calibration: confidences are not estimated, all are written as 1 "
            "(eval.py ief-calibrate fits one)"
        )
    return estimator


def load_detector() -> "Detector":
    """The network that finds people."""
    from ief_jax.ief import person_detector

    return person_detector.load()


def _photographs(path: Path, output: Path) -> tuple[list[Path], list[Path]]:
    """The photographs and what is passed over, without the results of an earlier run."""
    paths, others = photographs.listed(path)
    if not path.is_dir():
        return paths, others

    def is_result(one: Path) -> bool:
        return output.resolve() in one.resolve().parents

    if output.resolve() == path.resolve():
        pictures = (output / "pictures").resolve()
        return (
            [one for one in paths if pictures not in one.resolve().parents],
            [one for one in others if one.suffix != ".json"],
        )
    return (
        [one for one in paths if not is_result(one)],
        [one for one in others if not is_result(one)],
    )


def _names(paths: Sequence[Path], root: Path) -> list[str]:
    """What to call each photograph's results: its stem, or where that is not unique all of it."""
    stems = Counter(path.stem for path in paths)
    return [
        path.stem
        if stems[path.stem] == 1
        else "_".join(path.relative_to(root).parts if path != root else path.parts[-1:])
        for path in paths
    ]


def trusted(confidence: np.ndarray) -> np.ndarray:
    """Confidences, 0 for keypoints that are left to the body's prior."""
    return np.where(confidence < UNSEEN, 0, confidence)


def marked_points(path: Path, image: "Image", points: Sequence[tuple[float, float]]) -> np.ndarray:
    """The points on people, [N, 2] pixels."""
    width, height = image.size
    if min(image.size) < SMALLEST:
        raise InputError(
            f"{path}: {width} x {height} pixels, expected {SMALLEST} x {SMALLEST} at least"
        )
    for x, y in points:
        # The outermost pixels' centres are at 0 and width - 1.
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise InputError(
                f"{path}: --point {x:g} {y:g} is outside the photograph, which is {width} pixels "
                f"wide and {height} high"
            )
    return np.array(points, np.float64).reshape(-1, 2)


def _estimate(estimator: "Estimator", image: "Image", marked: np.ndarray) -> "list[Estimate]":
    from ief_jax.ief import estimation

    return [estimation.estimate(estimator, image, one) for one in marked]


def _find(
    estimator: "Estimator", detector: "Detector", image: "Image"
) -> "tuple[list[Estimate], np.ndarray]":
    from ief_jax.ief import people

    found = people.estimate_people(estimator.checkpoint, detector, image)
    return found.estimates, found.middles


def stacked(
    people: "Sequence[Estimate]", names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """[N, K, 2] points and [N, K] confidences, or None where they are not estimated."""
    if not people:
        return np.zeros((0, len(names), 2)), np.zeros((0, len(names)))
    each = [one.confidence for one in people if one.confidence is not None]
    points = np.stack([one.path[-1] for one in people])
    return points, np.stack(each) if len(each) == len(people) else None
