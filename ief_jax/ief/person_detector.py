"""Finding the people of a photograph: a box and keypoints of each, with MoveNet MultiPose.

The network looks at the photograph at the size that it was trained on, where it finds people who
fill it. If what it sees there is small, be it ever so unsure, or if it sees nobody, it looks again
at a larger size, which takes six times as long. Of who is found twice the surer counts.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ief_jax import compiling, stored_programs
from ief_jax.geometry.skeletons import COCO_17
from ief_jax.ief import keypoint_similarity
from ief_jax.ief.backbones import movenet
from ief_jax.ief.backbones.multipose import SEEN, MultiPose, People
from ief_jax.io import checkpoint_files
from ief_jax.io.checkpoint_files import CheckpointFormat, Weights
from ief_jax.io.json_config import JsonConfig, require_between

FORMAT = "ief_jax-detector-1"
SHIPPED = {"released": "detector.npz"}
"""Names of the shipped detectors, and their files in the package's assets."""
MOST = 24
"""People of one look, at most."""
ALIKE = 0.4
"""Similarity of keypoints from which two that are found are one person,"""
OVERLAP = 0.6
"""or intersection over union of their boxes."""
STRIDE = 32
"""Of the coarsest map of the network, pixels: both sides of what it sees are multiples."""
ASPECT = 0.7
"""Least ratio of the shorter to the longer side of what the network sees. One shape either way is
compiled; what a photograph does not fill is black."""


@dataclass(frozen=True)
class DetectorConfig(JsonConfig):
    """How a detector is run.

    Attributes:
      sides: the longer side of the image at each look, pixels; multiples of 128. Each look but the
        first is only for those who call for it.
      threshold: of the scores of people who count.
      hint: of the scores of people who call for a further look, if they are small,
      small: their box being shorter than this share of the photograph.
    """

    sides: tuple[int, ...]
    threshold: float
    hint: float
    small: float

    def check(self) -> None:
        """Sees that sides and shares are sensible; see `JsonConfig.check`."""
        if not self.sides:
            raise ValueError("configuration field 'sides' is empty, expected one at least")
        for side in self.sides:
            require_between("sides", side, 128, 4096)
            if side % 128:
                raise ValueError(
                    f"configuration field 'sides' is {self.sides}, expected multiples of 128"
                )
        for field in ("threshold", "hint", "small"):
            require_between(field, getattr(self, field), 0, 1)


RELEASED = DetectorConfig((256, 640), 0.08, 0.02, 0.25)


class Detector(NamedTuple):
    """A network that finds people, and how it is run."""

    configuration: DetectorConfig
    weights: Weights


class Found(NamedTuple):
    """N people of a photograph, the surest first.

    Attributes:
      boxes: [N, 4] left, top, right and bottom, pixels.
      points: [N, 17, 2] of `COCO_17`'s keypoints, pixels.
      confidence: [N, 17] of the keypoints, 0 to 1.
      score: [N] of the person, 0 to 1.
    """

    boxes: np.ndarray
    points: np.ndarray
    confidence: np.ndarray
    score: np.ndarray


def initial_weights(key: jax.Array) -> Weights:
    """Random weights of the network."""
    image = jnp.zeros((64, 64, 3))
    return jax.jit(lambda key: MultiPose().init(key, image, 1, method="people"))(key)["params"]


def check(detector: Detector, source: str) -> None:
    """Sees that a detector's weights are those of its network.

    Args:
      detector: to be checked.
      source: where it comes from, for messages.

    Raises:
      InputError: names what is missing, unknown or of another shape.
    """
    expected = checkpoint_files.shapes(initial_weights, source)
    checkpoint_files.check_weights(detector.weights, expected, source)


_FORMAT = CheckpointFormat(FORMAT, "a detector of people", DetectorConfig, Detector, SHIPPED)
read, write = _FORMAT.read, _FORMAT.write


def load(name: str | Path = "released") -> Detector:
    """The shipped detector, or another file of one, as `CheckpointFormat.load`."""
    detector = _FORMAT.load(name)
    # The tests check the shipped one; here it would take a second.
    if str(name) not in SHIPPED:
        check(detector, str(name))
    return detector


def find_people(detector: Detector, photograph: Image.Image) -> Found:
    """Everybody in a photograph.

    Args:
      detector: of `load`.
      photograph: in RGB.

    Returns:
      Nobody's rows, [0, ...], where nobody is found.
    """
    configuration = detector.configuration
    first, *further = configuration.sides
    found = _look(detector.weights, photograph, first)
    for side in further:
        if not _calls_for_more(found, photograph.size, configuration):
            break
        closer = _look(detector.weights, photograph, side)
        found = Found(*(np.concatenate(parts) for parts in zip(found, closer, strict=True)))
    found = _rows(found, np.flatnonzero(found.score >= configuration.threshold))
    return _rows(
        found,
        keypoint_similarity.distinct(
            found.boxes,
            found.points,
            found.confidence > SEEN,
            found.score,
            COCO_17,
            ALIKE,
            OVERLAP,
        ),
    )


def _calls_for_more(found: Found, size: tuple[int, int], configuration: DetectorConfig) -> bool:
    """Whether nobody is found, or somebody small may be there."""
    edges = np.clip(found.boxes, 0, np.tile(size, 2))
    longer = (edges[:, 2:] - edges[:, :2]).max(-1)
    small = longer < configuration.small * max(size)
    nobody = not (found.score >= configuration.threshold).any()
    return nobody or bool((small & (found.score >= configuration.hint)).any())


def _look(weights: Weights, photograph: Image.Image, side: int) -> Found:
    """What the network finds in the photograph at one size."""
    short = STRIDE * math.ceil(ASPECT * side / STRIDE)
    canvas = (side, short) if photograph.width >= photograph.height else (short, side)
    scale = min(most / length for most, length in zip(canvas, photograph.size, strict=True))
    size = [max(1, round(scale * length)) for length in photograph.size]
    image = Image.new("RGB", canvas)
    image.paste(photograph.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    found = jax.tree.map(np.asarray, _people(weights, np.asarray(image)))
    # Shares of the canvas to pixels of the photograph, whose first has its centre at 0.
    pixels = np.array(canvas) * np.array(photograph.size) / np.array(size)
    return Found(
        found.boxes * np.tile(pixels, 2) - 0.5,
        found.points * pixels - 0.5,
        found.confidence,
        found.score,
    )


@partial(stored_programs.jit, options=compiling.LEAN)
def _people(weights: Weights, image: jax.Array | np.ndarray) -> People:
    seen = movenet.normalise(jnp.asarray(image))
    return MultiPose().apply({"params": weights}, seen, MOST, method="people")  # type: ignore[return-value]


def _rows(found: Found, rows: np.ndarray) -> Found:
    return Found(*(part[rows] for part in found))
