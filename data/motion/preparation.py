"""From captured clips to chunks of training poses: thinned, without near-duplicates, mixed.

What reads clips is each data set's own (`data/amass`, `data/cmu`); what writes the chunks is
`data/motion/builder.py`; what reads them again is `data/motion/pipeline.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from data.motion import kinematics
from ief_jax.body import model_files
from ief_jax.body import poses as body_poses

RATE = 30.0
"""Frames a second that are kept by default."""
NEAR = 0.015
"""Poses of one clip that are nearer than this to one another, in metres, are one."""
CHUNK = 1024
"""Poses of a record."""
POOL = 64 * CHUNK
"""Poses that are mixed with one another before they are written."""
VERSION = "1.0.0"
"""Of what is prepared: a folder's name, and raised when the records change."""


class Recording(NamedTuple):
    """Poses [N, 24, 3], axis-angle, y up, and betas [B] of who moved, where they are known."""

    poses: np.ndarray
    betas: np.ndarray | None


@dataclass(frozen=True)
class Clip:
    """A clip that can be read.

    Attributes:
      path: its file.
      split: the part of the data set that it belongs to.
      read: gives its frames at about a rate, in frames a second.
    """

    path: Path
    split: str
    read: Callable[[float], Recording]


class Chunk(NamedTuple):
    """Poses [n, 66] float16, the root and 21 body joints; and betas [n, B] float16."""

    poses: np.ndarray
    betas: np.ndarray


def stride(recorded: float, wanted: float) -> int:
    """Every how many-th frame is kept: as many as leave at least `wanted` frames a second."""
    return max(1, int(recorded / wanted + 1e-3))  # 1 / 0.0083333 s is a little over 120


def rest_offsets() -> np.ndarray:
    """Each joint of the embedded body from its parent, in the rest pose: [24, 3], metres."""
    body = model_files.embedded()
    joints = np.asarray(body.joint_regressor @ body.template)
    offsets = joints - joints[list(body.parents)]
    offsets[0] = 0
    return offsets


def turned_ahead(root: np.ndarray) -> np.ndarray:
    """Root rotations [N, 3] without their turn about the vertical, as matrices [N, 3, 3].

    R = Ry(yaw) S with S about a horizontal axis; gives S.
    """
    rotation = Rotation.from_rotvec(root)
    _, y, _, w = rotation.as_quat().T
    yaw = 2 * np.arctan2(y, w)
    turn = Rotation.from_rotvec(-yaw[:, None] * [[0.0, 1.0, 0.0]])
    return (turn * rotation).as_matrix()


def distinct(poses: np.ndarray, offsets: np.ndarray, nearest: float = NEAR) -> np.ndarray:
    """Which poses of a clip are no near-duplicates of others: indices, in order.

    The distance between two poses is the root mean square, over SMPL's 21 body joints, of how far
    apart a joint is in one and the other, with pelvis and facing made the same. A pose is left out
    if a kept one before it is nearer than `nearest`.

    Args:
      poses: [N, 24, 3] axis-angle, y up.
      offsets: [24, 3] of the skeleton that is posed, metres.
      nearest: metres.
    """
    local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(*poses.shape, 3)
    local[:, 0] = turned_ahead(poses[:, 0])
    world = kinematics.compose(local, model_files.PARENTS)
    joints = kinematics.positions(world, offsets, model_files.PARENTS)[:, 1 : body_poses.BODY // 3]
    points = joints.reshape(len(poses), -1).astype(np.float32)
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, in blocks of rows
    squares = (points**2).sum(-1)
    limit = joints.shape[1] * nearest**2
    kept = np.ones(len(points), bool)
    for start in range(0, len(points), CHUNK):
        rows = slice(start, start + CHUNK)
        apart = squares[rows, None] + squares - 2 * points[rows] @ points.T
        for row, near in enumerate(apart < limit, start):
            if kept[row]:
                kept[row + 1 :] &= ~near[row + 1 :]
    return np.flatnonzero(kept)


def within_a_turn(vectors: np.ndarray) -> np.ndarray:
    """Axis-angle vectors [..., 3] of the same rotations, none longer than pi."""
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    turns = 2 * np.pi * np.round(angle / (2 * np.pi))
    return vectors * (1 - turns / np.maximum(angle, 1e-9))


def chunk(recording: Recording, betas: int) -> Chunk:
    """A recording as one chunk of any length, with so many betas; unknown ones are zero."""
    count = len(recording.poses)
    poses = within_a_turn(recording.poses).reshape(count, -1)[:, : body_poses.BODY]
    shape = np.zeros((1, 0)) if recording.betas is None else recording.betas[None]
    shapes = np.repeat(body_poses.fit_betas(shape, betas), count, axis=0)
    return Chunk(poses.astype(np.float16), shapes.astype(np.float16))


def mixed(parts: Iterable[Chunk], rng: np.random.Generator, pool: int = POOL) -> Iterator[Chunk]:
    """Chunks of `CHUNK` poses, drawn at random from a pool that the parts fill; the last is short.

    When the pool is full it is shuffled and half of it is written. No more than the pool and one
    part are held at once.
    """
    waiting: list[Chunk] = []
    held = 0
    for part in parts:
        waiting.append(part)
        held += len(part.poses)
        if held >= pool:
            shuffled = _shuffled(waiting, rng)
            written = (held - pool // 2) // CHUNK * CHUNK
            yield from _cut(shuffled, written)
            waiting = [Chunk(*(column[written:] for column in shuffled))]
            held = len(waiting[0].poses)
    if held:
        yield from _cut(_shuffled(waiting, rng), held)


def _shuffled(parts: list[Chunk], rng: np.random.Generator) -> Chunk:
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = rng.permutation(len(joined[0]))
    return Chunk(*(column[order] for column in joined))


def _cut(rows: Chunk, count: int) -> Iterator[Chunk]:
    for start in range(0, count, CHUNK):
        end = min(start + CHUNK, count)
        yield Chunk(*(column[start:end] for column in rows))
