"""Keypoints of people in photographs: ours beside MoveNet Thunder's own and MediaPipe's.

    python -m benchmarks.people FOLDER [--thunder thunder.npz] [--mediapipe-python PYTHON]

FOLDER holds photographs and their annotation in COCO's format, `person_keypoints.json`. Everybody
with eight annotated keypoints or more counts, and is looked for in the annotated box; `ief-jax
keypoints` also finds the people by itself, where who is not found has every keypoint wrong.

PCK@0.2: joints of the limbs (12) within 0.2 of the torso's diameter, of people whose torso is
annotated. OKS: COCO's, the mean over people. Among the finds that are not annotated are people,
where the annotation leaves some out. CPU seconds a person: of all cores, warm, the faster of two
runs, reading the photographs not counted.

`thunder.npz` is made by `data.assets.movenet.build`. MediaPipe is run by a Python of its own (it
wants packages of other versions): `pip install mediapipe==0.10.9` there.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from flax import traverse_util
from PIL import Image

from ief_jax.formats import photographs
from ief_jax.geometry import crops
from ief_jax.geometry.crops import PERSON, Box
from ief_jax.geometry.skeletons import COCO_17
from ief_jax.ief import (
    checkpoints,
    confidence,
    estimation,
    keypoint_similarity,
    metrics,
    people,
    person_detector,
)
from ief_jax.ief.backbones import movenet
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.confidence import Estimate
from ief_jax.ief.config import IEFConfig
from ief_jax.io.files import read_json

LEAST = 8
"""Annotated keypoints of the people who count."""
ANNOTATION = "person_keypoints.json"
REPEATS = 2
PEER = Path(__file__).with_name("mediapipe_peer.py")
LIMBS = np.arange(5, 17)
"""Shoulders to ankles, of COCO's keypoints."""
FOUND = 0.5
"""Similarity, or intersection over union of boxes, from which somebody has been found."""


class Annotated(NamedTuple):
    """Somebody in a photograph: [17, 3] keypoints, their box [4] and area, and who counts."""

    photograph: int
    keypoints: np.ndarray
    box: np.ndarray
    area: float
    counts: bool


def main(
    folder: tyro.conf.Positional[Path],
    names: tuple[str, ...] = ("movenet", "released"),
    thunder: Path | None = None,
    mediapipe_python: Path | None = None,
) -> None:
    """Prints a table.

    Args:
      folder: photographs and their annotation.
      names: of our checkpoints.
      thunder: MoveNet Thunder's weights; left out without them.
      mediapipe_python: a Python that has MediaPipe; left out without it.
    """
    images, everybody = read(folder)
    persons = [one for one in everybody if one.counts]
    boxes = [_told(one) for one in persons]
    shown = [images[one.photograph] for one in persons]
    print(f"{len(images)} photographs, {len(persons)} people with {LEAST} keypoints or more")
    print(f"{'':34}{'PCK@0.2':>9}{'mean OKS':>10}{'CPU s':>8}")
    for name in names:
        loaded = checkpoints.load(name)
        (points, sure), seconds = _timed(partial(_ours, loaded, shown, boxes), len(persons))
        _row(f"ours ({name}), told the box", persons, points, seconds)
        print(f"    mean confidence: {_mean_confidence(persons, sure)}")
        found, seconds = _timed(partial(_found, loaded, images), None)
        points, hits, wrong = _matched(found, everybody)
        _row(f"ours ({name}), finds the people", persons, points, seconds)
        print(f"    found: {hits} of {len(persons)}; {len(found)} in all, {wrong} not annotated")
    _thunder(thunder, persons, shown, boxes)
    _mediapipe(mediapipe_python, persons, shown, boxes)
    detector = person_detector.load()
    _, seconds = _timed(
        lambda: [person_detector.find_people(detector, one) for one in images], len(images)
    )
    print(f"finding alone: {seconds:.3f} CPU s a photograph")


def read(folder: Path) -> tuple[list[Image.Image], list[Annotated]]:
    """The photographs and everybody in them who is annotated."""
    content = read_json(folder / ANNOTATION)
    numbers = {image["id"]: row for row, image in enumerate(content["images"])}
    images = [photographs.read(folder / image["file_name"]) for image in content["images"]]
    found = []
    for record in content["annotations"]:
        keypoints = np.array(record["keypoints"], np.float64).reshape(17, 3)
        left, top, width, height = record["bbox"]
        seen = int((keypoints[:, 2] > 0).sum())
        if seen and not record.get("iscrowd"):
            box = np.array([left, top, left + width, top + height])
            area = float(record["area"])
            found.append(
                Annotated(numbers[record["image_id"]], keypoints, box, area, seen >= LEAST)
            )
    return images, found


def _told(one: Annotated) -> Box:
    left, top, right, bottom = one.box
    side = PERSON * float(max(right - left, bottom - top))
    return Box(float(left + right) / 2, float(top + bottom) / 2, side)


def _ours(
    checkpoint: Checkpoint, images: list[Image.Image], boxes: list[Box]
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [N, 17, 2] and their confidence [N, 17], NaN where there is none."""
    configuration = checkpoint.configuration
    augmentations = estimation.default_augmentations(configuration)
    found, _ = estimation.estimate_paths(
        checkpoint,
        images,
        boxes,
        augmentations,
        0,
        None,
        len(augmentations),
    )
    calibration = confidence.calibration_for(configuration, augmentations)
    people = [
        confidence.combine(one, box.side, calibration)
        for one, box in zip(found, boxes, strict=True)
    ]
    rows = metrics.rows(COCO_17, configuration.joints)
    sure = [np.full(17, np.nan) if p.confidence is None else p.confidence[rows] for p in people]
    return np.stack([_coco(configuration, one) for one in people]), np.stack(sure)


def _mean_confidence(persons: list[Annotated], sure: np.ndarray) -> str:
    """Of the annotators' three kinds of keypoints."""
    kind = np.stack([one.keypoints[:, 2] for one in persons])
    kinds = {2: "seen", 1: "hidden, annotated", 0: "not annotated: hidden or cut off"}
    return "; ".join(
        f"{name} {sure[kind == number].mean():.2f} ({(kind == number).sum()})"
        for number, name in kinds.items()
    )


def _found(checkpoint: Checkpoint, images: list[Image.Image]) -> list[tuple[int, np.ndarray]]:
    """(photograph, [17, 2]) of everybody found."""
    detector = person_detector.load()
    found = []
    for number, image in enumerate(images):
        for one in people.estimate_people(checkpoint, detector, image).estimates:
            found.append((number, _coco(checkpoint.configuration, one)))
    return found


def _coco(configuration: IEFConfig, one: Estimate) -> np.ndarray:
    return one.path[-1][metrics.rows(COCO_17, configuration.joints)]


def _matched(
    found: list[tuple[int, np.ndarray]], everybody: list[Annotated]
) -> tuple[np.ndarray, int, int]:
    """Keypoints [N, 17, 2] of those who count, infinite where they are not found; how many of them
    are found, and how many of the finds are nobody annotated."""
    alike = np.array(
        [
            [_alike(one, points) if one.photograph == number else 0.0 for one in everybody]
            for number, points in found
        ]
    ).reshape(len(found), len(everybody))
    points = np.full((len(everybody), 17, 2), np.inf)
    hits = np.zeros(len(everybody), bool)
    for _ in range(min(alike.shape)):
        row, column = np.unravel_index(alike.argmax(), alike.shape)
        if alike[row, column] < FOUND:
            break
        points[column], hits[column] = found[row][1], True
        alike[row], alike[:, column] = -1, -1
    counts = np.array([one.counts for one in everybody])
    return points[counts], int((hits & counts).sum()), len(found) - int(hits.sum())


def _alike(one: Annotated, points: np.ndarray) -> float:
    """Similarity of keypoints, or the overlap of the annotated keypoints' boxes, if that is more:
    whoever is found badly is found."""
    seen = one.keypoints[:, 2] > 0
    right = one.keypoints[:, :2]
    oks = keypoint_similarity.similarity(points, right, seen, one.area, COCO_17)
    low = np.maximum(points[seen].min(0), right[seen].min(0))
    high = np.minimum(points[seen].max(0), right[seen].max(0))
    common = float(np.prod(np.maximum(high - low, 0)))
    areas = sum(float(np.prod(np.ptp(each[seen], axis=0))) for each in (points, right))
    return max(float(oks), common / max(areas - common, 1e-9))


def _thunder(
    path: Path | None, persons: list[Annotated], images: list[Image.Image], boxes: list[Box]
) -> None:
    name = "MoveNet Thunder, told the box"
    if path is None:
        print(f"{name:34}left out: no --thunder")
        return
    with np.load(path) as file:
        flat = {key: jnp.asarray(file[key], jnp.float32) for key in file.files}
    weights = traverse_util.unflatten_dict(flat, sep="/")
    size = movenet.THUNDER.size

    @jax.jit
    def answer(weights: Any, image: jax.Array) -> jax.Array:
        network = movenet.MoveNet(movenet.THUNDER)
        maps: Any = network.apply({"params": weights}, movenet.normalise(image[None]))
        return movenet.decode(maps)[0][0]

    def run() -> np.ndarray:
        found = []
        for image, box in zip(images, boxes, strict=True):
            seen = crops.window(box)
            shares = np.asarray(answer(weights, crops.crop(image, seen, size)))
            found.append(crops.to_image(size * shares - 0.5, seen, size))
        return np.stack(found)

    _row(name, persons, *_timed(run, len(persons)))


def _mediapipe(
    python: Path | None, persons: list[Annotated], images: list[Image.Image], boxes: list[Box]
) -> None:
    name = "MediaPipe, told the box"
    if python is None:
        print(f"{name:34}left out: no --mediapipe-python")
        return
    size = 512
    with tempfile.TemporaryDirectory() as work:
        given, taken = Path(work) / "crops.npz", Path(work) / "landmarks.npz"
        cut = [crops.crop(image, box, size) for image, box in zip(images, boxes, strict=True)]
        np.savez(given, crops=np.stack(cut))
        ran = subprocess.run([python, PEER, given, taken], capture_output=True, text=True)
        if ran.returncode:
            print(f"{name:34}left out: {ran.stderr.strip().splitlines()[-1]}")
            return
        with np.load(taken) as file:
            shares, seconds = file["points"], float(file["seconds"])
    points = [
        crops.to_image(size * one - 0.5, box, size) for one, box in zip(shares, boxes, strict=True)
    ]
    _row(name, persons, np.stack(points), seconds)


def _timed(run: Callable[[], Any], people: int | None) -> tuple[Any, float]:
    """What it gives, and the CPU seconds a person of the fastest run after the first; of as many
    people as it gives, or of so many."""
    result = run()
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        result = run()
        seconds.append(time.process_time() - began)
    return result, min(seconds) / (len(result) if people is None else people)


def _row(name: str, persons: list[Annotated], points: np.ndarray, seconds: float) -> None:
    truth = np.stack([one.keypoints[:, :2] for one in persons])
    seen = np.stack([one.keypoints[:, 2] > 0 for one in persons])
    area = np.array([one.area for one in persons])
    finite = np.where(np.isfinite(points), points, 1e6)
    oks = keypoint_similarity.similarity(finite, truth, seen, area, COCO_17).mean()
    torso = metrics.torso_diameter(truth, seen, COCO_17)
    hits = metrics.within(finite, truth, metrics.PCK_SHARE * torso)[:, LIMBS]
    counted = (seen & np.isfinite(torso)[:, None])[:, LIMBS]
    pck = float(metrics.percent(hits, counted, (0, 1)))
    print(f"{name:34}{pck:9.1f}{oks:10.3f}{seconds:8.3f}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
