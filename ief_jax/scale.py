"""Which part of a photograph fits a person: scale selection (Carreira et al. 2016, section 3).

Keypoints are looked for in a box of 1.2 times the person's height. The paper trains a network by
L2 regression to predict which of nine boxes about the marked point is closest to that, and leaves
open what is regressed. Here it is, of one box alone, by how much it should grow:

    r(box) = log(1.2 height / side)

This serves in two ways. `select` is the paper's: of the nine boxes, the one that should grow or
shrink least. `pick` is the loop of the rest of the package: it looks at a box, corrects its side,
looks again. It gives a box of any side, not one of nine, and looks three times instead of nine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.typing import ArrayLike
from PIL import Image

from ief_jax import weight_files
from ief_jax.crops import Box, boxes, crop
from ief_jax.described import Described
from ief_jax.files import InputError
from ief_jax.weight_files import Weights

FORMAT = "ief_jax-scale-1"
GAINS = (1.0, 1.0, 0.5)
"""How much of each correction `pick` makes. The last one is halved: a network that errs to one side
of a box tends to err to the other side of the corrected one."""
_FIRST = 1.0
"""Side of the box that `pick` looks at first, in units of the image's larger side."""
_LARGEST = float(np.log(4.0))
"""Of one correction of `pick`: what the network was shown in training goes about as far."""


class Light(nn.Module):
    """Four convolutions of stride 2 and two dense layers: 4 MFLOP for an image of 48 pixels.

    Made to be run, and trained, on a CPU; 0.13 million parameters. No layer averages over the
    image, since what matters is how far from the middle the person reaches.
    """

    features: tuple[int, ...] = (16, 32, 64, 96)
    dense: int = 64

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """[N, S, S, 3], 0 to 255, to r [N]."""
        x = _normalised(images)
        for features in self.features:
            x = nn.relu(nn.Conv(features, (3, 3), (2, 2), padding=1)(x))
        x = nn.relu(nn.Dense(self.dense)(x.reshape(len(x), -1)))
        return nn.Dense(1)(x)[:, 0]


class VggS(nn.Module):
    """VGG-S (Chatfield et al. 2014, CNN-S) with one output: the paper's, for images of 224 pixels.

    Dropout is left out: nothing here is random but what a key is given to.
    """

    features: tuple[int, ...] = (96, 256, 512, 512, 512)
    dense: tuple[int, ...] = (4096, 4096)

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """[N, S, S, 3], 0 to 255, to r [N]."""
        first, second, *further = self.features
        x = nn.relu(nn.Conv(first, (7, 7), (2, 2), padding=0)(_normalised(images)))
        x = _max_pool(local_response(x), 3)
        x = _max_pool(nn.relu(nn.Conv(second, (5, 5), padding=0)(x)), 2)
        for features in further:
            x = nn.relu(nn.Conv(features, (3, 3), padding=1)(x))
        x = _max_pool(x, 3).reshape(len(x), -1)
        for features in self.dense:
            x = nn.relu(nn.Dense(features)(x))
        return nn.Dense(1)(x)[:, 0]


NETWORKS: Mapping[str, type[nn.Module]] = {"light": Light, "vgg_s": VggS}


@dataclass(frozen=True)
class Configuration(Described):
    """What must be known to rebuild a scale selector from its weights.

    Attributes:
      network: a key of `NETWORKS`.
      size: side of the images that it sees, pixels.
    """

    network: str
    size: int


LIGHT = Configuration("light", 48)
PAPER = Configuration("vgg_s", 224)


class Selector(NamedTuple):
    """A trained scale selector."""

    configuration: Configuration
    weights: Weights


def initial_weights(configuration: Configuration, key: jax.Array) -> Weights:
    """Random weights of a configuration's network."""
    image = jnp.zeros((1, configuration.size, configuration.size, 3))
    return jax.jit(NETWORKS[configuration.network]().init)(key, image)


def growth(configuration: Configuration, weights: Weights, images: jax.Array) -> jax.Array:
    """r = log(1.2 height / side) of boxes, seen as images [N, S, S, 3], 0 to 255: [N]."""
    return jnp.asarray(NETWORKS[configuration.network]().apply(weights, images))


def loss(
    configuration: Configuration, weights: Weights, images: jax.Array, target: jax.Array
) -> jax.Array:
    """The mean of |growth - r|^2 over images [N, S, S, 3] with r [N]."""
    return jnp.square(growth(configuration, weights, images) - target).mean()


def select(selector: Selector, images: ArrayLike) -> int:
    """The index of the box that fits best, as the paper selects it.

    Args:
      selector: the network.
      images: [N, S, S, 3] RGB, 0 to 255: the boxes, the person in the middle of each.
    """
    # argmin |r(box)|
    return int(np.abs(_growth(selector.configuration, selector.weights, images)).argmin())


def pick_of_nine(
    selector: Selector, photograph: Image.Image, marked: ArrayLike, length: float | None = None
) -> Box:
    """The one of the paper's nine boxes that fits a person best.

    Args:
      selector: the network.
      photograph: in RGB.
      marked: [2] a point on the person, pixels.
      length: what the boxes are measured by; the photograph's smaller side, as in the paper.
    """
    candidates = boxes(np.asarray(marked), min(photograph.size) if length is None else length)
    size = selector.configuration.size
    return candidates[select(selector, np.stack([crop(photograph, b, size) for b in candidates]))]


def pick(
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
    x, y = (float(value) for value in np.asarray(marked))
    box = Box(x, y, _FIRST * max(photograph.size))
    for gain in gains:
        image = crop(photograph, box, selector.configuration.size)
        both = np.stack([image, image[:, ::-1]])
        r = float(np.mean(_growth(selector.configuration, selector.weights, both)))
        # s_{t+1} = s_t exp(gain r(s_t))
        side = box.side * np.exp(gain * np.clip(r, -_LARGEST, _LARGEST))
        box = box._replace(side=float(max(side, 1.0)))
    return box


def load(name: str | Path = "released") -> Selector:
    """The shipped selector, or one that `train.py scale` wrote.

    Args:
      name: `released`; or a folder that holds `model.npz`; or such a file.

    Raises:
      InputError: there is none, it is truncated, or is no scale selector.
    """
    return weight_files.load(name, {"released": "scale.npz"}, read)


def read(path: Path) -> Selector:
    """Reads one file; raises `InputError` as `load` does."""
    configuration, weights = weight_files.read(path, FORMAT, "a scale selector", Configuration)
    if configuration.network not in NETWORKS:
        raise InputError(f"{path}: field 'configuration': no network '{configuration.network}'")
    expected = jax.eval_shape(partial(initial_weights, configuration), jax.random.key(0))
    weight_files.check(weights, expected, str(path))
    return Selector(configuration, weights)


def write(path: Path, selector: Selector, dtype: Any = np.float32) -> None:
    """Writes a selector whole or not at all; raises `OutputError` if it cannot be written."""
    values = selector.configuration.to_dict()
    weight_files.write(path, FORMAT, values, selector.weights, dtype)


def local_response(x: jax.Array) -> jax.Array:
    """Local response normalisation over five neighbouring channels of [..., C] (AlexNet's)."""
    near = jnp.pad(jnp.square(x), [(0, 0)] * (x.ndim - 1) + [(2, 2)])
    total = sum(near[..., i : i + x.shape[-1]] for i in range(5))
    # x / (2 + 1e-4 sum x^2)^0.75
    return x / (2 + 1e-4 * total) ** 0.75


@partial(jax.jit, static_argnums=0)
def _growth(configuration: Configuration, weights: Weights, images: ArrayLike) -> jax.Array:
    return growth(configuration, weights, jnp.asarray(images, jnp.float32))


def _normalised(images: jax.Array) -> jax.Array:
    return (jnp.asarray(images, jnp.float32) - 117.0) / 60.0


def _max_pool(x: jax.Array, size: int) -> jax.Array:
    """The largest of windows of `size` side by side; the last may hang over, as in Caffe."""
    over = [(0, -side % size) for side in x.shape[1:3]]
    return nn.max_pool(x, (size, size), (size, size), padding=over)
