"""People in photographs, one photograph after the other: for `keypoints` and `body`."""

import functools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from ief_jax.cli.shared import counted, keep_compilations, once, say
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
      label: its path in the folder that was given, or its name.
      name: what to call its results.
      image: upright, in RGB.
      points: [N, K, 2] pixels.
      confidence: [N, K] of the keypoints; None where it is not estimated.
      names: of the K keypoints.
      marked: [N, 2] a point on each, pixels.
    """

    path: Path
    label: str
    name: str
    image: "Image"
    points: np.ndarray
    confidence: np.ndarray | None
    names: tuple[str, ...]
    marked: np.ndarray


def photographed(
    sources: Sequence[Path],
    output: Path,
    points: Sequence[tuple[float, float]],
    checkpoint: str,
    selector: str,
    strict: bool = False,
) -> Iterator[Photographed]:
    """Finds people and their keypoints in photographs.

    Of several photographs, those that cannot be used are said and passed over; in the end so are
    the numbers.

    Args:
      sources: image files, and folders of them, with their sub-folders.
      output: where results are, which are passed over.
      points: on each person; none for everybody who is found.
      checkpoint: of keypoints.
      selector: of the box about a point.
      strict: whether one photograph that cannot be used is an error.

    Raises:
      InputError: nothing can be used, or nobody is found in any.
    """
    found, others = _photographs(sources, output)
    for other in others:
        say(f"passed over {other}: {photographs.why_not(other)}")
    paths, labels = list(found), _labels(found)
    # Loaded when the first photograph has turned out to be one.
    networks = functools.cache(lambda: load_estimator(checkpoint, selector))
    detector = functools.cache(load_detector)
    failed = empty = people = 0
    with tqdm(total=len(paths), desc="keypoints", unit="photo", disable=len(paths) == 1) as bar:
        for path, name, label in zip(paths, _names(labels), labels, strict=True):
            try:
                image = photographs.read(path)
                marked = marked_points(path, image, points)
            except InputError as error:
                if strict or len(paths) == 1:
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
                joints = estimator.checkpoint.configuration.joints
                each = stacked(estimates, joints)
                yield Photographed(path, label, name, image, *each, joints, marked)
            bar.update()
    if failed == len(paths):
        raise InputError(f"{sources[0]}: none of {failed} photographs can be used")
    if not people:
        raise InputError(f"{sources[0]}: {len(paths)} photographs: {NOBODY}")
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


def _photographs(sources: Sequence[Path], output: Path) -> tuple[dict[Path, PurePath], list[Path]]:
    """The photographs with their paths in the source that each is of, and what is passed over.

    Each comes once, and results of an earlier run do not.
    """
    if not sources:
        raise InputError("no photograph is given, nor a folder of them")
    within: dict[Path, PurePath] = {}
    passed_over: list[Path] = []
    for source in sources:
        found, others = photographs.listed(source)
        if source.is_dir():
            found = [one for one in found if not _is_result(one, source, output)]
            others = [one for one in others if not _is_result(one, source, output)]
        for path in found:
            within.setdefault(path, path.relative_to(source if source.is_dir() else path.parent))
        passed_over += others
    return {path: within[path] for path in once(within)}, once(passed_over)


def _is_result(path: Path, source: Path, output: Path) -> bool:
    folders = path.resolve().parents
    if output.resolve() != source.resolve():
        return output.resolve() in folders
    return path.suffix == ".json" or (output / "pictures").resolve() in folders


def _labels(found: Mapping[Path, PurePath]) -> list[str]:
    """What to call each photograph: its path in its source, or, where two have the same, in the
    folder that all are in."""
    within = [path.as_posix() for path in found.values()]
    if len(set(within)) == len(within):
        return within
    paths = [path.resolve() for path in found]
    above = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(above).as_posix() for path in paths]


def _names(labels: Sequence[str]) -> list[str]:
    """What to call each photograph's results: its stem, or where that is not unique its label."""
    stems = Counter(PurePath(label).stem for label in labels)
    return [
        path.stem if stems[path.stem] == 1 else "_".join(path.parts)
        for path in map(PurePath, labels)
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
