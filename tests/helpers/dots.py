"""People of coloured dots, and a stand-in for the network that sees where the dots are.

Each part of the body has a colour, the same on both sides: of two dots alike the one on the right
in the image is the person's left, as of someone who faces us. In a mirror that still holds, so a
mirrored crop is told from a plain one only by code that takes it back rightly.
"""

import colorsys
import dataclasses
import io

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw

from data.keypoints.people import Person
from ief_jax.geometry.skeletons import LSP_14
from ief_jax.ief.checkpoints import Checkpoint
from ief_jax.ief.config import PAPER
from ief_jax.ief.prediction import Prediction

SIZE = 96
CHECKPOINT = Checkpoint(
    dataclasses.replace(
        PAPER,
        backbone="dots",
        size=SIZE,
        steps=2,
        calibration=(-5.68, -1.25, -0.25),
        calibrated_for="scales_and_mirror",
    ),
    {"start": jnp.full((14, 2), (SIZE - 1) / 2)},
)

UNCALIBRATED = CHECKPOINT._replace(
    configuration=dataclasses.replace(CHECKPOINT.configuration, calibration=(), calibrated_for="")
)

PARTS = tuple(dict.fromkeys(name.removeprefix("left_").removeprefix("right_") for name in LSP_14))
COLOURS = [
    tuple(round(255 * c) for c in colorsys.hsv_to_rgb(i / len(PARTS), 1, 1))
    for i in range(len(PARTS))
]


def pose(centre: tuple[float, float], height: float) -> np.ndarray:
    """[14, 2] pixels: upright, facing us, about a point of the trunk."""
    at = {
        "left_wrist": (0.3, -0.3),  # raised: nobody is their own mirror image
        "head_top": (0.0, -0.4),
        "upper_neck": (0.0, -0.28),
        "shoulder": (0.11, -0.22),
        "elbow": (0.2, -0.1),
        "wrist": (0.27, 0.02),
        "hip": (0.07, 0.06),
        "knee": (0.1, 0.28),
        "ankle": (0.13, 0.4),
    }
    points = []
    for name in LSP_14:
        side, _, part = name.partition("_")
        x, y = at.get(name) or at[part]
        points.append((-x if side == "right" else x, y))
    return np.array(points) * height + centre


def draw(image: Image.Image, points: np.ndarray, radius: float) -> None:
    """Puts a person into a photograph."""
    pen = ImageDraw.Draw(image)
    for name, (x, y) in zip(LSP_14, points + 0.5, strict=True):
        part = name.removeprefix("left_").removeprefix("right_")
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(box, fill=COLOURS[PARTS.index(part)])


def person(number: int, head_away: float = 0.0) -> Person:
    """Somebody in a photograph of their own; their head is drawn so many pixels too high."""
    centre, height = (150.0 + 10 * number, 120.0), 120.0 + 10 * number
    points = pose(centre, height)
    drawn = points.copy()
    drawn[LSP_14.index("head_top"), 1] -= head_away
    image = Image.new("RGB", (400, 260))
    draw(image, drawn, 3)
    file = io.BytesIO()
    image.save(file, "png")
    every = np.ones(14, bool)
    return Person(f"dots/{number}", file.getvalue(), points, every, every, np.array(centre), height)


def predict(
    checkpoint: Checkpoint, images: np.ndarray, marked: np.ndarray, steps: int | None = None
) -> Prediction:
    """In place of `predict_with_presence`.

    Half-way to the dots with each step but the last, which arrives. A dot that is not in the crop
    is put at its marked point.
    """
    count = checkpoint.configuration.steps if steps is None else steps
    start = np.asarray(checkpoint.weights["start"])
    found = np.stack([_look(*one) for one in zip(np.asarray(images), marked, strict=True)])
    shares = [*(1 - 0.5**t for t in range(count)), 1.0] if count else [0.0]
    path = np.stack([start + share * (found - start) for share in shares], 1).astype(np.float32)
    return Prediction(path, None)


def _look(image: np.ndarray, marked: np.ndarray) -> np.ndarray:
    points = np.zeros((14, 2))
    for part, colour in zip(PARTS, COLOURS, strict=True):
        alike = np.exp(-(((image.astype(float) - colour) ** 2).sum(-1)) / 2 / 30**2)
        names = [name for name in LSP_14 if part in (name, name.split("_")[-1])]
        # The person's right is on our left.
        halves = [slice(None)] if len(names) == 1 else [slice(0, SIZE // 2), slice(SIZE // 2, None)]
        for name, half in zip(sorted(names, reverse=True), halves, strict=True):
            weight = alike[:, half]
            y, x = np.mgrid[: image.shape[0], : image.shape[1]][:, :, half]
            total = weight.sum()
            where = [(weight * x).sum(), (weight * y).sum()]
            points[LSP_14.index(name)] = np.array(where) / total if total > 1 else marked
    return points
