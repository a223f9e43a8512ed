"""What MoveNet says of the training people, and labels of which it has repaired and completed.

MoveNet sees each person turned by eighths of a circle, as they are and mirrored. The turn that it
is surest in counts (it knows few people who stand on their heads), and there it is sure of a
keypoint if both mirror images agree and their score is high.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ief.on_device import pictures
from experiments.ief.on_device.augmentation import Labels
from experiments.ief.on_device.pictures import Pictures
from ief_jax.geometry.crops import PERSON, WINDOW
from ief_jax.geometry.skeletons import COCO_17, LSP_14, opposite
from ief_jax.ief.backbones import movenet

FACE = COCO_17[:5]
JOINTS = (*LSP_14, *FACE)
SCALE = 1.2
"""Side of MoveNet's crops, in sides of the box: it is used to some room around people."""
TURNS = 8
AGREE, HIPS_AGREE = 0.06, 0.1
"""Points so near are the same, in heights."""
SURE, FACE_SURE, ABSENT = 0.4, 0.35, 0.12
"""Scores."""
SHARED = LSP_14[:12]
_HIPS = ("right_hip", "left_hip")


class Answer(NamedTuple):
    """MoveNet's answer for N people, `COCO_17`.

    Attributes:
      points: [N, 17, 2] pixels of the pictures.
      score: [N, 17] 0 to 1.
    """

    points: np.ndarray
    score: np.ndarray


def answers(
    weights: Any,
    people: Pictures,
    angles: Sequence[float],
    mirrored: bool,
    scale: float,
    batch: int,
) -> Answer:
    """MoveNet's answers in views turned by `angles`: [A, N, ...]."""

    def one_batch(person: Pictures, angle: float) -> tuple[jax.Array, jax.Array]:
        return _answer(weights, person, jnp.float32(angle), jnp.bool_(mirrored), jnp.float32(scale))

    found = [in_batches(partial(one_batch, angle=a), people, batch) for a in angles]
    return Answer(np.stack([f[0] for f in found]), np.stack([f[1] for f in found]))


@jax.jit
def _answer(
    weights: Any, people: Pictures, angle: jax.Array, mirrored: jax.Array, scale: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Points and scores, in the pictures and out of the mirror."""
    network, size = movenet.MoveNet(movenet.THUNDER), movenet.THUNDER.size

    def view(person: Pictures) -> pictures.View:
        return pictures.view(person, size, angle, scale, mirrored, jnp.zeros(2))

    views = jax.vmap(view)(people)
    images = jax.vmap(partial(pictures.crop, size=size))(people, views)
    maps: Any = network.apply({"params": weights}, movenet.normalise(jnp.round(images)))
    found, score = movenet.decode(maps)
    points = jax.vmap(partial(pictures.to_picture, size=size))(views, size * found - 0.5)
    order = jnp.where(mirrored, jnp.asarray(opposite(COCO_17)), jnp.arange(len(COCO_17)))
    return points[:, order], score[:, order]


def in_batches(function: Callable[..., Any], people: Pictures, batch: int) -> tuple[Any, ...]:
    """The results of a function of people, all of them, in the host's memory."""
    count = len(people.box)
    parts = []
    for start in range(0, count, batch):
        rows = np.minimum(np.arange(start, start + batch), count - 1)
        parts.append(jax.device_get(function(jax.tree.map(lambda a, r=rows: a[r], people))))
    return tuple(np.concatenate(part)[:count] for part in zip(*parts, strict=True))


def best_views(weights: Any, people: Pictures, batch: int) -> tuple[Answer, np.ndarray]:
    """The answer in the turn that MoveNet is surest in, and where its mirror image agrees."""
    angles = [2 * np.pi * turn / TURNS for turn in range(TURNS)]
    plain = answers(weights, people, angles, False, SCALE, batch)
    mirror = answers(weights, people, angles, True, SCALE, batch)
    score = (plain.score + mirror.score) / 2
    best = score.mean(-1).argmax(0)
    rows = np.arange(len(best))
    height = np.asarray(people.box) / (WINDOW * PERSON)
    apart = np.linalg.norm(plain.points - mirror.points, axis=-1)[best, rows]
    points = (plain.points + mirror.points)[best, rows] / 2
    return Answer(points, score[best, rows]), apart < AGREE * height[:, None]


def repaired(
    answer: Answer,
    agreed: np.ndarray,
    points: np.ndarray,
    annotated: np.ndarray,
    visible: np.ndarray,
    trusted: np.ndarray,
    height: np.ndarray,
) -> Labels:
    """Labels of `JOINTS` for N people.

    Args:
      answer: MoveNet's.
      agreed: [N, 17] where its mirror image agreed.
      points: [N, 14, 2] of `LSP_14`, as annotated, pixels.
      annotated: [N, 14].
      visible: [N, 14].
      trusted: [N] whose annotation stands, whatever MoveNet says.
      height: [N] pixels.
    """
    count = len(points)
    result = np.zeros((count, len(JOINTS), 2), np.float32)
    weight, present, known = (np.zeros((count, len(JOINTS)), np.float32) for _ in range(3))
    result[:, :14] = points
    weight[:, :14] = annotated
    present[:, :14] = np.where(trusted[:, None], visible, annotated)
    known[:, :14] = 1
    theirs = [COCO_17.index(name) for name in SHARED]
    found, score = answer.points[:, theirs], answer.score[:, theirs]
    sure = agreed[:, theirs] & (score > SURE)
    hips = np.isin(SHARED, _HIPS)  # MoveNet's lie elsewhere
    has, reach = annotated[:, :12], np.where(hips, HIPS_AGREE, AGREE) * height[:, None]

    def near(target: np.ndarray) -> np.ndarray:
        return np.linalg.norm(found - target, axis=-1) < reach

    here = near(points[:, :12])
    compared = (has & sure).sum(1)
    share = (here & has & sure).sum(1) / np.maximum(compared, 1)
    swapped = near(points[:, opposite(LSP_14)[:12]]) & has & sure
    # Neither as annotated nor with left and right changed: MoveNet looks at somebody else.
    other = (compared >= 4) & (np.maximum(share, swapped.sum(1) / np.maximum(compared, 1)) < 0.5)
    open_ = (~trusted & ~other)[:, None]
    wrong, alike = open_ & has & sure & ~here, open_ & has & sure & here
    lacking = open_ & ~has & sure & (score > SURE + 0.1)
    doubtful = ~trusted[:, None] & has & ~here & (~sure | other[:, None])
    mean = (points[:, :12] + found) / 2
    result[:, :12] = np.where((alike & ~hips)[..., None], mean, result[:, :12])
    result[:, :12] = np.where((wrong | lacking)[..., None], found, result[:, :12])
    weight[:, :12] = np.select(
        [wrong, lacking, doubtful], [np.minimum(score, 0.9), 0.6, 0.4], weight[:, :12]
    )
    present[:, :12] = np.where(lacking, 1, present[:, :12])
    # Not annotated, and neither seen nor missed by MoveNet: nobody knows.
    unknown = ~trusted[:, None] & ~has & ~lacking & ((score > ABSENT) | other[:, None])
    known[:, :12] = np.where(unknown, 0, known[:, :12])
    # Neck and head: as good as the rest of the annotation.
    poor = ~trusted & (compared >= 4) & (share < 0.6)
    weight[np.ix_(poor, [12, 13])] *= 0.3
    for number, name in enumerate(FACE, 14):
        own = COCO_17.index(name)
        certain = agreed[:, own] & (answer.score[:, own] > FACE_SURE) & ~other
        result[:, number] = answer.points[:, own]
        weight[:, number] = np.where(certain, 0.5, 0)
        present[:, number] = certain
        known[:, number] = certain | ((answer.score[:, own] < ABSENT) & ~other)
    return Labels(*map(jnp.asarray, (result, weight, present, known)))
