"""The keypoints of people in a photograph, each found from a marked point on them.

    marked point -> the box that fits the person -> a few views of it -> corrections -> keypoints
                                    ^                                                      |
                                    +--------------- which may be corrected too -----------+

The paper looks once, at the box of the right size. Where a person's joints are says how large they
are, better than the box alone does: a second look is at the box that fits what the first has found.
Several views at a time cost time and give two things: a better estimate (the median of them all),
and how far they agree, which tells right joints from wrong ones where nothing else does.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from ief_jax import crops, ief, keypoint_checkpoints, scale, skeletons, stature
from ief_jax.crops import Box
from ief_jax.keypoint_checkpoints import Checkpoint
from ief_jax.scale import Selector


class View(NamedTuple):
    """A way to look at a person: the side of the box in units of the one that fits; mirrored?"""

    scale: float
    mirrored: bool


ONCE = (View(1.0, False),)
"""As in the paper."""
SCALES = (1.0, 0.9, 1.1)
"""Of the boxes of `several`."""
LOOKS = 2
"""At the box that the scale selector picks, and at the one that fits what was found in it."""
_MOVED = 0.25
"""How much of the way to the middle of the keypoints a box is moved to fit them."""
_LARGEST_CHANGE = 2.0
"""Of the box's side by one look."""
_EXTREMITIES = frozenset(("left_ankle", "right_ankle", "left_shoulder", "right_shoulder"))
"""Without them, keypoints do not say how tall somebody is."""


class Sight(NamedTuple):
    """One person as the network is shown them, V times.

    Attributes:
      images: uint8 [V, S, S, 3] RGB.
      marked: float32 [V, 2], pixels of the crops.
      boxes: V; what part of the photograph each crop shows.
      views: V.
    """

    images: np.ndarray
    marked: np.ndarray
    boxes: tuple[Box, ...]
    views: tuple[View, ...]


class Estimate(NamedTuple):
    """One person's keypoints.

    Attributes:
      path: [T + 1, K, 2] pixels of the photograph: y_0 .. y_T.
      confidence: [K] in [0, 1]: how likely y_T is to be right.
    """

    path: np.ndarray
    confidence: np.ndarray


class Estimator(NamedTuple):
    """Trained networks: the one that corrects keypoints, and the one that picks the box."""

    checkpoint: Checkpoint
    selector: Selector


def several(joints: Sequence[str]) -> tuple[View, ...]:
    """Boxes a little smaller and larger, each as it is and, if left and right can change places
    (a network may know the left knee alone), mirrored."""
    other = {"left": "right", "right": "left"}
    split = [joint.partition("_") for joint in joints]
    paired = all(side not in other or f"{other[side]}_{part}" in joints for side, _, part in split)
    return tuple(View(size, flip) for size in SCALES for flip in ((False, True)[: 1 + paired]))


def looks(joints: Sequence[str]) -> int:
    """How often to look: `LOOKS`, or once where the joints do not say how large the box must be."""
    return LOOKS if set(joints) >= _EXTREMITIES else 1


def load(name: str) -> Estimator:
    """A checkpoint by name or folder (`keypoint_checkpoints.load`), with the scale selector.

    Raises:
      InputError: there is no such checkpoint, or it is broken, or its weights are those of another
        network than it says.
    """
    checkpoint = keypoint_checkpoints.load(name)
    # The tests check those that are shipped; here it would take a second.
    if name not in keypoint_checkpoints.SHIPPED:
        ief.check(checkpoint, name)
    return Estimator(checkpoint, scale.load())


def estimate(
    estimator: Estimator,
    photograph: Image.Image,
    marked: np.ndarray,
    views: Sequence[View] | None = None,
    steps: int | None = None,
) -> Estimate:
    """One person's keypoints.

    Args:
      estimator: from `load`.
      photograph: in RGB.
      marked: [2] pixels, a point on the person.
      views: how to look; `several` by default.
      steps: T; the checkpoint's own number by default.
    """
    joints = estimator.checkpoint.configuration.joints
    views = views or several(joints)
    box = scale.pick(estimator.selector, photograph, marked)
    (found,), (box,) = look(
        estimator.checkpoint, [photograph], [box], views, looks(joints), steps, len(views)
    )
    return agree(found, box.side)


def look(
    checkpoint: Checkpoint,
    photographs: Sequence[Image.Image],
    boxes: Sequence[Box],
    views: Sequence[View],
    count: int,
    steps: int | None,
    batch: int,
) -> tuple[list[np.ndarray], list[Box]]:
    """Looks at people, and again at the boxes that fit what was found.

    Args:
      checkpoint: the trained network.
      photographs: one a person, in RGB.
      boxes: where to look first, about the point that is marked on each person.
      views: how to look the last time; before, once is enough.
      count: of looks; 1 in the paper.
      steps: T; the checkpoint's own number by default.
      batch: crops to compute at a time; each number is compiled once.

    Returns:
      What the last look found, [V, T + 1, K, 2] pixels of the photograph for each person; the boxes
      that it was at.
    """
    configuration = checkpoint.configuration

    def found(boxes: Sequence[Box], views: Sequence[View]) -> list[np.ndarray]:
        sights = [
            sight(photograph, np.array([box.x, box.y]), box, views, configuration.size)
            for photograph, box in zip(photographs, boxes, strict=True)
        ]
        return paths(checkpoint, sights, steps, batch)

    boxes = list(boxes)
    for _ in range(count - 1):
        pairs = zip(boxes, found(boxes, ONCE), strict=True)
        boxes = [refit(box, path[0, -1], configuration.joints) for box, path in pairs]
    return found(boxes, views), boxes


def refit(box: Box, points: np.ndarray, joints: Sequence[str]) -> Box:
    """The box corrected by the keypoints that were found in it.

    Args:
      box: where they were found.
      points: [K, 2] pixels of the photograph.
      joints: their K names.
    """
    tall = crops.PERSON * stature.height(points, np.ones(len(points), bool), tuple(joints))
    side = float(np.clip(tall, box.side / _LARGEST_CHANGE, box.side * _LARGEST_CHANGE))
    x, y = (points.min(0) + points.max(0)) / 2
    return Box(box.x + _MOVED * (x - box.x), box.y + _MOVED * (y - box.y), side)


def sight(
    photograph: Image.Image, marked: np.ndarray, box: Box, views: Sequence[View], size: int
) -> Sight:
    """Cuts a person out of a photograph.

    Args:
      photograph: in RGB.
      marked: [2] pixels, a point on the person.
      box: that fits the person: 1.2 times as large as they are tall (`crops.PERSON`).
      views: how to look.
      size: S, the side of the crops, pixels.
    """
    windows = tuple(crops.window(box._replace(side=view.scale * box.side)) for view in views)
    images = [crops.crop(photograph, window, size) for window in windows]
    points = np.stack([crops.to_crop(np.asarray(marked), window, size) for window in windows])
    for row, view in enumerate(views):
        if view.mirrored:
            images[row] = images[row][:, ::-1]
            points[row] = _mirror(points[row], size)
    return Sight(np.stack(images), points.astype(np.float32), windows, tuple(views))


def paths(
    checkpoint: Checkpoint, sights: Sequence[Sight], steps: int | None, batch: int
) -> list[np.ndarray]:
    """What the network makes of each view of each person.

    Args:
      checkpoint: the trained network.
      sights: the people.
      steps: T; the checkpoint's own number by default.
      batch: crops to compute at a time; each number is compiled once.

    Returns:
      [V, T + 1, K, 2] a person, pixels of the photograph.

    Raises:
      KeyError: a view is mirrored, and the network has a joint of one side only.
    """
    images = np.concatenate([one.images for one in sights])
    marked = np.concatenate([one.marked for one in sights])
    found = []
    for first in range(0, len(images), batch):
        # The last batch is filled up with copies of the last crop.
        rows = np.minimum(np.arange(first, first + batch), len(images) - 1)
        found.append(np.asarray(ief.predict(checkpoint, images[rows], marked[rows], steps)))
    ends = np.cumsum([len(one.views) for one in sights])
    each = np.split(np.concatenate(found)[: len(images)], ends[:-1])
    size, names = checkpoint.configuration.size, checkpoint.configuration.joints
    return [_to_photograph(one, mine, size, names) for one, mine in zip(sights, each, strict=True)]


def _to_photograph(one: Sight, found: np.ndarray, size: int, names: Sequence[str]) -> np.ndarray:
    """Takes [V, T + 1, K, 2] from pixels of the crops to the photograph's, out of the mirror."""
    seen = []
    for view, window, path in zip(one.views, one.boxes, found.astype(np.float64), strict=True):
        if view.mirrored:
            path = _mirror(path, size)[:, skeletons.opposite(names)]
        seen.append(crops.to_image(path, window, size))
    return np.stack(seen)


def agree(views: np.ndarray, side: float) -> Estimate:
    """One estimate of several, and how sure it is.

    Args:
      views: [V, T + 1, K, 2] pixels.
      side: of the box that fits the person, pixels.
    """
    path = np.median(views, 0)
    return Estimate(path, confidence(views, side))


def confidence(views: np.ndarray, side: float) -> np.ndarray:
    """How likely each joint is to be right, from `doubts`.

    Args:
      views: [V, T + 1, K, 2] pixels; T at least 1.
      side: of the box that fits the person, pixels.

    Returns:
      [K] in (0, 1).
    """
    constant, *weights = CALIBRATION
    return 1 / (1 + np.exp(-(constant + doubts(views, side) @ np.array(weights))))


CALIBRATION = (-5.68, -1.25, -0.25)
"""Constant and weights of the logistic regression from `doubts` to whether a joint is right (within
0.2 of the torso's diameter), as `python -m commands.calibrate_ief` finds them."""


def doubts(views: np.ndarray, side: float) -> np.ndarray:
    """What speaks against each joint: [K, 2], the more, the worse.

    The first is how far the views are apart, the second how far the last correction still went
    (corrections die out where the network sees that the joint is in its place): logarithms of root
    mean squares over the views, in sides of the box.

    Args:
      views: [V, T + 1, K, 2] pixels; T at least 1.
      side: of the box that fits the person, pixels.
    """
    last = views[:, -1]
    apart = np.square(last - last.mean(0)).sum(-1).mean(0)
    moving = np.square(last - views[:, -2]).sum(-1).mean(0)
    return 0.5 * np.log(np.stack([apart, moving], -1) / side**2 + _RESOLUTION**2)


_RESOLUTION = 1e-3
"""Differences much below this share of the box are nothing."""


def _mirror(points: np.ndarray, size: int) -> np.ndarray:
    """Points [..., 2] of a crop in the crop's mirror image."""
    return np.stack([size - 1 - points[..., 0], points[..., 1]], -1)
