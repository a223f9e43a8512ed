"""How well people's keypoints agree with a layout: their likelihood on bodies of the pose prior.

A person seen from one of 8 sides has keypoints of a normal distribution, in metres about the body
(`data/assets/layouts/build.py` measured it). In an image they are turned, scaled and moved:

    x = s R(a) z + t + e,  z ~ N(m_v, S_v)

With t unknown (a wide normal distribution), a of four quarter turns, and s of a range, the density
of the same keypoints can be compared between layouts: to read them with another layout only
permutes them.
"""

import functools
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import numpy as np

from ief_jax.formats.detections import Detections
from ief_jax.geometry import skeletons
from ief_jax.io import npz

MOST_PEOPLE = 64
"""People who are compared; evenly spaced of more."""
SURE = 4.0
"""Nats by which a layout must lead."""
_NOISE = 0.03
"""Standard deviation of a detector's keypoints, metres."""
_ANYWHERE = 0.5
"""Standard deviation of keypoints that are those of no body, metres."""
_WIDE = 100.0
_OUTLIER = 0.02
_TURNS = ((0, 0.85), (1, 0.05), (2, 0.05), (3, 0.05))
"""Quarter turns of the image, and how likely they are."""
_SCALES = np.exp(np.linspace(-0.9, 0.9, 19))


class _Reference(NamedTuple):
    """names: K; means [V, K, 2] and covariances [V, 2 K, 2 K] of the keypoints, metres."""

    names: tuple[str, ...]
    means: np.ndarray
    covariances: np.ndarray


@functools.cache
def _reference() -> _Reference:
    with resources.as_file(resources.files("ief_jax") / "assets" / "layouts.npz") as path:
        arrays = npz.read(path)
    names = tuple(str(name) for name in arrays["names"])
    size = 2 * len(names)
    covariances = np.zeros((len(arrays["means"]), size, size))
    low = np.tril_indices(size)
    covariances[:, low[0], low[1]] = arrays["covariances"]
    covariances[:, low[1], low[0]] = arrays["covariances"]
    means = arrays["means"].astype(np.float64).reshape(-1, len(names), 2)
    return _Reference(names, means, covariances)


def log_likelihoods(
    points: np.ndarray, seen: np.ndarray, layouts: Sequence[Sequence[str]]
) -> np.ndarray:
    """The log density of people's keypoints if they are read with each of L layouts, summed: [L].

    A person adds no more to a difference than keypoints that are those of nobody allow: one
    that a detector made up does not decide for all.

    Args:
      points: [N, K, 2] pixels.
      seen: [N, K] bool.
      layouts: K names each.
    """
    people = np.flatnonzero(seen.sum(1) >= 2)
    if len(people) > MOST_PEOPLE:
        people = people[np.linspace(0, len(people) - 1, MOST_PEOPLE).astype(int)]
    total = np.zeros(len(layouts))
    patterns, group = np.unique(seen[people], axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        some = points[people[group.reshape(-1) == number]][:, pattern].astype(np.float64)
        nobody = np.log(_OUTLIER) + _of_nobody(some)
        for column, layout in enumerate(layouts):
            names = [name for name, there in zip(layout, pattern, strict=True) if there]
            total[column] += np.logaddexp(nobody, _of_a_body(some, names)).sum()
    return total


def likely_cause(found: Detections) -> str:
    """Why bodies may be far from the keypoints of these people: what they look like instead."""
    layouts = {found.skeleton: found.names}
    mirrored = tuple(_other_side(name) for name in found.names)
    layouts["left and right swapped, as in a mirrored image"] = mirrored
    for name, layout in skeletons.LAYOUTS.items():
        if len(layout) == len(found.names) and name != found.skeleton:
            layouts[name] = layout
    likely = log_likelihoods(found.points, found.confidence > 0, list(layouts.values()))
    best = int(np.argmax(likely))
    if likely[best] - likely[0] > SURE:
        return (
            f"they look like {list(layouts)[best]} (--skeleton)"
            if best > 1
            else (f"they look like {list(layouts)[1]}")
        )
    return (
        "the keypoints may be of another layout (--skeleton), mirrored, or not of one person in "
        "one image"
    )


def _other_side(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)


def _spread(centred: np.ndarray) -> np.ndarray:
    """[N] root mean square distance from the middle, pixels; at least a speck."""
    return np.maximum(np.sqrt((centred**2).sum((1, 2)) / centred.shape[1]), 1e-3)


def _of_nobody(points: np.ndarray) -> np.ndarray:
    """[N] log density of keypoints [N, K, 2] that lie about one place."""
    centred = points - points.mean(1, keepdims=True)
    scale = _spread(centred) / (np.sqrt(2) * _ANYWHERE)
    size = 2 * points.shape[1]
    square = (centred**2).sum((1, 2)) / (scale * _ANYWHERE) ** 2
    move = 2 * np.log(_WIDE * np.sqrt(points.shape[1]) / _ANYWHERE)
    return -0.5 * square - size * np.log(scale * _ANYWHERE * np.sqrt(2 * np.pi)) - move


def _of_a_body(points: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """[N] log density of keypoints [N, K, 2] of these names."""
    reference = _reference()
    count, size = len(names), 2 * len(names)
    means = np.zeros((len(reference.means), count, 2))
    covariances = np.tile(_ANYWHERE**2 * np.eye(size), (len(means), 1, 1))
    known = [i for i, name in enumerate(names) if name in reference.names]
    at = [reference.names.index(names[i]) for i in known]
    means[:, known] = reference.means[:, at]
    rows, from_rows = _interleaved(known), _interleaved(at)
    covariances[:, rows[:, None], rows] = reference.covariances[:, from_rows[:, None], from_rows]
    covariances[:, range(size), range(size)] += _NOISE**2
    # t ~ N(0, w^2): the same displacement of all x, and of all y
    covariances += _WIDE**2 * np.tile(np.eye(2), (count, count))
    factor = np.linalg.cholesky(covariances)
    determinant = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
    centred = points - points.mean(1, keepdims=True)
    expected = np.sqrt(np.trace(covariances, axis1=1, axis2=2).mean() / count - 2 * _WIDE**2)
    expected = max(expected, np.sqrt((means**2).sum((1, 2)).mean() / count))
    scale = _SCALES * (_spread(centred) / expected)[:, None]  # [N, S]
    whitened_mean = np.linalg.solve(factor, means.reshape(len(means), size, 1))[..., 0]
    terms = []
    for turn, share in _TURNS:
        turned = _quarter_turns(centred, turn).reshape(len(points), size)
        whitened = np.linalg.solve(factor, turned.T[None])  # [V, 2 K, N]
        # |L^-1 (x / s - m)|^2
        square = (
            (whitened**2).sum(1)[..., None] / scale**2
            - 2 * np.einsum("vkn,vk->vn", whitened, whitened_mean)[..., None] / scale
            + (whitened_mean**2).sum(1)[:, None, None]
        )
        density = (
            -0.5 * square
            - determinant[:, None, None]
            - size * (np.log(scale) + 0.5 * np.log(2 * np.pi))
        )
        terms.append(np.log(share / (len(means) * len(_SCALES))) + density)
    stacked = np.stack(terms)  # [R, V, N, S]
    largest = stacked.max((0, 1, 3))
    return largest + np.log(np.exp(stacked - largest[None, None, :, None]).sum((0, 1, 3)))


def _interleaved(keypoints: Sequence[int]) -> np.ndarray:
    """Where the x and y of keypoints are among all coordinates."""
    return (2 * np.array(keypoints, int)[:, None] + np.arange(2)).reshape(-1)


def _quarter_turns(points: np.ndarray, count: int) -> np.ndarray:
    for _ in range(count):
        points = np.stack([-points[..., 1], points[..., 0]], -1)
    return points
