"""Networks that say how much a box should grow: a small one, and the paper's."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from ief_jax import checks
from ief_jax.ief.scale_selector.config import ScaleSelectorConfig
from ief_jax.io.checkpoint_files import Weights


class SmallNetwork(nn.Module):
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


NETWORKS: Mapping[str, type[nn.Module]] = {"small": SmallNetwork, "vgg_s": VggS}


def initial_weights(configuration: ScaleSelectorConfig, key: jax.Array) -> Weights:
    """Random weights of a configuration's network."""
    image = jnp.zeros((1, configuration.size, configuration.size, 3))
    return jax.jit(NETWORKS[configuration.network]().init)(key, image)


def predict_log_ratio(
    configuration: ScaleSelectorConfig, weights: Weights, images: jax.Array
) -> jax.Array:
    """r = log(1.2 height / side) of boxes, seen as images [N, S, S, 3], 0 to 255: [N]."""
    checks.arrays(("images", images, "[N, S, S, 3] RGB, 0 to 255"), S=configuration.size)
    return jnp.asarray(NETWORKS[configuration.network]().apply(weights, images))


def loss(
    configuration: ScaleSelectorConfig, weights: Weights, images: jax.Array, target: jax.Array
) -> jax.Array:
    """The mean of |growth - r|^2 over images [N, S, S, 3] with r [N]."""
    checks.arrays(
        ("images", images, "[N, S, S, 3] RGB, 0 to 255"),
        ("target", target, "[N] log ratios"),
        S=configuration.size,
    )
    return jnp.square(predict_log_ratio(configuration, weights, images) - target).mean()


def local_response(x: jax.Array) -> jax.Array:
    """Local response normalisation over five neighbouring channels of [..., C] (AlexNet's)."""
    near = jnp.pad(jnp.square(x), [(0, 0)] * (x.ndim - 1) + [(2, 2)])
    total = sum(near[..., i : i + x.shape[-1]] for i in range(5))
    # x / (2 + 1e-4 sum x^2)^0.75
    return x / (2 + 1e-4 * total) ** 0.75


def _normalised(images: jax.Array) -> jax.Array:
    return (jnp.asarray(images, jnp.float32) - 117.0) / 60.0


def _max_pool(x: jax.Array, size: int) -> jax.Array:
    """The largest of windows of `size` side by side; the last may hang over, as in Caffe."""
    over = [(0, -side % size) for side in x.shape[1:3]]
    return nn.max_pool(x, (size, size), (size, size), padding=over)
