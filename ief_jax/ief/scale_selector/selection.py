"""Which part of a photograph fits a person: scale selection (Carreira et al. 2016, section 3).

Keypoints are looked for in a box of 1.2 times the person's height. The paper trains a network by
L2 regression to predict which of nine boxes about the marked point is closest to that, and leaves
open what is regressed. Here it is, of one box alone, by how much it should grow:

    r(box) = log(1.2 height / side)

This serves in two ways. `best_box` is the paper's: of the nine boxes, the one that should grow or
shrink least. `refine_box` is the loop of the rest of the package: the network corrects the box's
side, three times. It gives a box of any side, not one of nine, and the network runs three times
instead of nine.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from PIL import Image

from ief_jax import checks
from ief_jax.geometry.crops import Box, candidate_boxes, crop
from ief_jax.ief.scale_selector import networks
from ief_jax.ief.scale_selector.checkpoints import Selector
from ief_jax.ief.scale_selector.config import ScaleSelectorConfig
from ief_jax.io.checkpoint_files import Weights

GAINS = (1.0, 1.0, 0.5)
"""How much of each correction `refine_box` applies. The last one is halved: a network that errs to
one side of a box tends to err to the other side of the corrected one."""

_FIRST = 1.0
"""Side of the first box of `refine_box`, in units of the image's larger side."""

_LARGEST = float(np.log(4.0))
"""Of one correction of `refine_box`: what the network was shown in training goes about as far."""


def best_box(selector: Selector, images: ArrayLike) -> int:
    """The index of the box that fits best, as the paper selects it.

    Args:
      selector: the network.
      images: [N, S, S, 3] RGB, 0 to 255: the boxes, the person in the middle of each.
    """
    size = selector.configuration.size
    checks.arrays(("images", images, "[N, S, S, 3] boxes, RGB, 0 to 255"), S=size)
    # argmin |r(box)|
    return int(np.abs(_log_ratio(selector.configuration, selector.weights, images)).argmin())


def select_box(
    selector: Selector, photograph: Image.Image, marked: ArrayLike, length: float | None = None
) -> Box:
    """The one of the paper's nine boxes that fits a person best.

    Args:
      selector: the network.
      photograph: in RGB.
      marked: [2] a point on the person, pixels.
      length: what the boxes are measured by; the photograph's smaller side, as in the paper.
    """
    candidates = candidate_boxes(
        np.asarray(marked), min(photograph.size) if length is None else length
    )
    size = selector.configuration.size
    return candidates[best_box(selector, np.stack([crop(photograph, b, size) for b in candidates]))]


def refine_box(
    selector: Selector,
    photograph: Image.Image,
    marked: ArrayLike,
    gains: Sequence[float] = GAINS,
) -> Box:
    """The box that fits a person, found by looking and correcting.

    Every look is at the box and at its mirror image.

    Args:
      selector: the network.
      photograph: in RGB.
      marked: [2] a point on the person, pixels.
      gains: how much of each correction is made.
    """
    checks.arrays(("marked", marked, "[2] a point on the person, pixels"))
    x, y = (float(value) for value in np.asarray(marked))
    box = Box(x, y, _FIRST * max(photograph.size))
    for gain in gains:
        image = crop(photograph, box, selector.configuration.size)
        both = np.stack([image, image[:, ::-1]])
        r = float(np.mean(_log_ratio(selector.configuration, selector.weights, both)))
        # s_{t+1} = s_t exp(gain r(s_t))
        side = box.side * np.exp(gain * np.clip(r, -_LARGEST, _LARGEST))
        box = box._replace(side=float(max(side, 1.0)))
    return box


@partial(jax.jit, static_argnums=0)
def _log_ratio(
    configuration: ScaleSelectorConfig, weights: Weights, images: ArrayLike
) -> jax.Array:
    return networks.predict_log_ratio(configuration, weights, jnp.asarray(images, jnp.float32))
