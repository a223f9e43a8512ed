"""Test-time augmentation: the same person seen at several scales and in the mirror."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from ief_jax import batches, checks
from ief_jax.geometry import crops, skeletons
from ief_jax.geometry.crops import Box
from ief_jax.ief import prediction
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.prediction import Prediction


class Augmentation(NamedTuple):
    """A crop of a person: the box's side in units of the one that fits, and whether mirrored."""

    scale: float
    mirrored: bool


IDENTITY: tuple[Augmentation, ...] = (Augmentation(1.0, False),)
"""No augmentation, as in the paper."""

SCALES = (1.0, 0.9, 1.1)
"""Of the boxes of `scales_and_mirror`."""


class PersonCrops(NamedTuple):
    """One person as the network is shown them, V times.

    Attributes:
      images: uint8 [V, S, S, 3] RGB.
      marked: float32 [V, 2], pixels of the crops.
      boxes: V; what part of the photograph each crop shows.
      augmentations: V.
    """

    images: np.ndarray
    marked: np.ndarray
    boxes: tuple[Box, ...]
    augmentations: tuple[Augmentation, ...]


def scales_and_mirror(
    joints: Sequence[str], scales: Sequence[float] = SCALES
) -> tuple[Augmentation, ...]:
    """Boxes a little smaller and larger, each as it is and, if left and right can change places
    (a network may know the left knee alone), mirrored."""
    other = {"left": "right", "right": "left"}
    split = [joint.partition("_") for joint in joints]
    paired = all(side not in other or f"{other[side]}_{part}" in joints for side, _, part in split)
    return tuple(
        Augmentation(size, flip) for size in scales for flip in ((False, True)[: 1 + paired])
    )


NAMED: Mapping[str, Callable[[Sequence[str]], tuple[Augmentation, ...]]] = {
    "none": lambda joints: IDENTITY,
    "mirror": lambda joints: scales_and_mirror(joints, (1.0,)),
    "scales_and_mirror": scales_and_mirror,
}
"""Augmentations of networks with given joints, by name."""


def person_crops(
    photograph: Image.Image,
    marked: np.ndarray,
    box: Box,
    augmentations: Sequence[Augmentation],
    size: int,
) -> PersonCrops:
    """Cuts a person out of a photograph.

    Args:
      photograph: in RGB.
      marked: [2] pixels, a point on the person.
      box: that fits the person: 1.2 times as large as they are tall (`crops.PERSON`).
      augmentations: V.
      size: S, the side of the crops, pixels.
    """
    checks.arrays(("marked", marked, "[2] a point on the person, pixels"))
    windows = tuple(crops.window(box._replace(side=one.scale * box.side)) for one in augmentations)
    images = [crops.crop(photograph, window, size) for window in windows]
    points = np.stack([crops.to_crop(np.asarray(marked), window, size) for window in windows])
    for row, one in enumerate(augmentations):
        if one.mirrored:
            images[row] = images[row][:, ::-1]
            points[row] = _mirror(points[row], size)
    return PersonCrops(np.stack(images), points.astype(np.float32), windows, tuple(augmentations))


def predict_paths(
    checkpoint: Checkpoint, crops_of_people: Sequence[PersonCrops], steps: int | None, batch: int
) -> list[Prediction]:
    """y_0 .. y_T of each augmented crop of each person.

    Args:
      checkpoint: the trained network.
      crops_of_people: one entry a person.
      steps: T; the checkpoint's own number by default.
      batch: crops to compute at a time; each number is compiled once.

    Returns:
      A person's paths [V, T + 1, K, 2] in pixels of the photograph, and presence [V, K].

    Raises:
      KeyError: a crop is mirrored, and the network has a joint of one side only.
    """
    checks.count("batch", batch, least=1)
    images = np.concatenate([one.images for one in crops_of_people])
    marked = np.concatenate([one.marked for one in crops_of_people])

    def predict(images: np.ndarray, marked: np.ndarray) -> Prediction:
        return prediction.predict_with_presence(checkpoint, images, marked, steps)

    found = batches.map_in_chunks(predict, batch, images, marked)
    ends = np.cumsum([len(one.augmentations) for one in crops_of_people])
    rows = map(slice, [0, *ends[:-1]], ends)
    each = [jax.tree.map(lambda part, r=r: part[r], found) for r in rows]
    size, names = checkpoint.configuration.size, checkpoint.configuration.joints
    return [
        _to_photograph(one, mine, size, names)
        for one, mine in zip(crops_of_people, each, strict=True)
    ]


def _to_photograph(
    one: PersonCrops, found: Prediction, size: int, names: Sequence[str]
) -> Prediction:
    """Takes [V, T + 1, K, 2] from pixels of the crops to the photograph's, out of the mirror."""
    paths = []
    presence = None if found.presence is None else np.array(found.presence, np.float64)
    each = zip(one.augmentations, one.boxes, np.asarray(found.path, np.float64), strict=True)
    for row, (augmentation, window, path) in enumerate(each):
        if augmentation.mirrored:
            order = skeletons.opposite(names)
            path = _mirror(path, size)[:, order]
            if presence is not None:
                presence[row] = presence[row, order]
        paths.append(crops.to_image(path, window, size))
    return Prediction(np.stack(paths), presence)


def _mirror(points: np.ndarray, size: int) -> np.ndarray:
    """Points [..., 2] of a crop in the crop's mirror image."""
    return np.stack([size - 1 - points[..., 0], points[..., 1]], -1)
