"""Stand-ins for the networks that look at photographs: they find people made of dots."""

import numpy as np
import pytest
from PIL import Image

from ief_jax.geometry import crops
from ief_jax.geometry.crops import Box
from ief_jax.ief import build, person_detector, prediction
from ief_jax.ief import checkpoints as ief_checkpoints
from ief_jax.ief.person_detector import Found
from ief_jax.ief.scale_selector import checkpoints as scale_selector_checkpoints
from ief_jax.ief.scale_selector import selection
from tests.helpers import dots

ONE, TWO = (150.0, 120.0), (330.0, 130.0)
HEIGHT = 160.0


def two_people() -> Image.Image:
    """Two people who face us, 480 x 260 pixels."""
    image = Image.new("RGB", (480, 260))
    for centre in (ONE, TWO):
        dots.draw(image, dots.pose(centre, HEIGHT), 4)
    return image


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is in a photograph is as tall as these people are; the user's cache is left alone."""
    side = crops.PERSON * HEIGHT
    monkeypatch.setattr(scale_selector_checkpoints, "load", lambda name: None)
    monkeypatch.setattr(
        selection,
        "refine_box",
        lambda selector, image, marked: Box(float(marked[0]), float(marked[1]), side),
    )
    monkeypatch.setattr(person_detector, "load", lambda: None)
    monkeypatch.setattr(person_detector, "find_people", lambda detector, image: boxes_in(image))
    monkeypatch.setattr(prediction, "predict_with_presence", dots.predict)
    monkeypatch.setattr(build, "check_checkpoint", lambda checkpoint, source: None)
    monkeypatch.setattr(ief_checkpoints, "load", lambda name: dots.CHECKPOINT)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")


def boxes_in(image: Image.Image) -> Found:
    """Boxes of those who are there, the sure one last; no keypoints."""
    pixels = np.asarray(image.convert("RGB"))
    middles = [
        at
        for at in (ONE, TWO)
        if at[0] < image.width and pixels[:, int(at[0]) - 60 : int(at[0]) + 60].any()
    ]
    half = np.array([HEIGHT / 4, HEIGHT / 2])
    return Found(
        np.array([[*(at - half), *(at + half)] for at in middles]).reshape(-1, 4),
        np.zeros((len(middles), 17, 2)),
        np.zeros((len(middles), 17)),
        np.linspace(0.5, 0.9, len(middles)),
    )
