"""`ief-jax keypoints`: people's keypoints in photographs."""

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro
from tqdm import tqdm

from ief_jax.cli.shared import counted, keep_compilations, say
from ief_jax.formats import photographs
from ief_jax.io import files
from ief_jax.io.files import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ief_jax.ief.confidence import Estimate
    from ief_jax.ief.estimation import Estimator

SMALLEST = 16
"""Sides of a photograph below this hold nobody, pixels."""


def keypoints(
    photograph: Annotated[Path, tyro.conf.Positional],
    output: Path = Path("keypoints"),
    point: Annotated[tuple[tuple[float, float], ...], tyro.conf.UseAppendAction] = (),
    checkpoint: str = "released",
    selector: str = "released",
    pictures: bool = True,
) -> None:
    """Find the 2D keypoints of people in a photograph, or in those of a folder.

    Writes NAME_keypoints.json for each, in OpenPose's form, which ief-jax fit reads, and the
    keypoints drawn over the photograph to pictures/NAME.jpg.

    Args:
      photograph: an image file, or a folder of them, with its sub-folders.
      output: folder for the results; made if missing.
      point: x and y in pixels of a point on the person, from the upper left corner of the
        photograph held upright; once for each person. Without it, the middle of the photograph.
      checkpoint: released; lsp, smaller and trained on sportsmen alone; or a folder that train.py
        ief wrote.
      selector: of the part of the photograph that fits the person: released, or a folder that
        train.py scale wrote.
      pictures: draw the keypoints over the photographs.
    """
    paths, others = _photographs(photograph, output)
    for other in others:
        say(f"passed over {other}: {photographs.why_not(other)}")
    # Loaded when the first photograph has turned out to be one.
    estimator = functools.cache(lambda: _load(checkpoint, selector))
    failed = 0
    with tqdm(total=len(paths), desc="keypoints", unit="photo", disable=len(paths) == 1) as bar:
        for path, name in zip(paths, _names(paths, photograph), strict=True):
            try:
                image = photographs.read(path)
                marked = _marked(path, image, point)
            except InputError as error:
                if len(paths) == 1:
                    raise
                say(f"skipped {error}")
                failed += 1
            else:
                people = _estimate(estimator(), image, marked)
                names = estimator().checkpoint.configuration.joints
                _write(output, name, path, image, marked, people, names, pictures)
            bar.update()
    if failed == len(paths):
        raise InputError(f"{photograph}: none of {failed} photographs can be used")
    done = counted(len(paths) - failed, "photograph", "photographs")
    say(f"{output}: keypoints in {done}" + (f", {failed} skipped" if failed else ""))


def _load(checkpoint: str, selector: str) -> "Estimator":
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


def _marked(path: Path, image: "Image", points: Sequence[tuple[float, float]]) -> np.ndarray:
    """A point on each person, [N, 2] pixels."""
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
    return np.array(points or [((width - 1) / 2, (height - 1) / 2)])


def _estimate(estimator: "Estimator", image: "Image", marked: np.ndarray) -> "list[Estimate]":
    from ief_jax.ief import estimation

    return [estimation.estimate(estimator, image, one) for one in marked]


def _write(
    output: Path,
    name: str,
    path: Path,
    image: "Image",
    marked: np.ndarray,
    people: "Sequence[Estimate]",
    names: Sequence[str],
    pictures: bool,
) -> None:
    from ief_jax.formats import keypoints as formats_keypoints
    from ief_jax.viz import keypoint_picture

    points = np.stack([one.path[-1] for one in people])
    each = [one.confidence for one in people if one.confidence is not None]
    confidence = np.stack(each) if len(each) == len(people) else None
    target = files.output_folder(output) / f"{name}_keypoints.json"
    formats_keypoints.write(target, points, confidence, names, marked, path.name)
    if pictures:
        sure = np.ones(points.shape[:-1]) if confidence is None else confidence
        drawn = keypoint_picture.picture(
            image, list(map(keypoint_picture.DrawnPerson, points, sure, marked)), names
        )
        with files.replacing(files.output_folder(output / "pictures") / f"{name}.jpg") as file:
            drawn.save(file, "jpeg", quality=90)
