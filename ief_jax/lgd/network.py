"""N_w: the small residual network that turns what is wrong into an update (LGD, section 4.6)."""

import flax.linen as nn
import jax

from ief_jax import checks


class _Layer(nn.Module):
    """A dense layer on columns, W x + b: [in, N] to [features, N].

    On a CPU the product is a third faster this way round, for tens of people, than x W.
    """

    features: int
    gain: float = 1.0

    @nn.compact
    def __call__(self, columns: jax.Array) -> jax.Array:
        # As flax's Dense: variance gain / fan-in, truncated.
        random = nn.initializers.variance_scaling(
            self.gain, "fan_in", "truncated_normal", in_axis=-1, out_axis=-2
        )
        weight = self.param("weight", random, (self.features, columns.shape[0]))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return weight @ columns + bias[:, None]


class UpdateNetwork(nn.Module):
    """An input layer, residual blocks of two dense layers, an output layer.

    The paper gives 4.3 M parameters and 8 MFLOP a step: width 1000 and two blocks. The layers
    follow Martinez et al. 2017, whose network the authors lift with; there is no batch
    normalisation, so that an example does not depend on its batch.

    Attributes:
      outputs: size of the update.
      width: of the hidden layers.
      blocks: residual blocks.
    """

    outputs: int
    width: int = 1000
    blocks: int = 2

    @nn.compact
    def __call__(self, features: jax.Array) -> jax.Array:
        """[..., F] features to [..., outputs]."""
        checks.arrays(("features", features, "[..., F]"))
        x = features.reshape(-1, features.shape[-1]).T
        x = nn.relu(_Layer(self.width, name="Dense_0")(x))
        for block in range(self.blocks):
            y = nn.relu(_Layer(self.width, name=f"Dense_{2 * block + 1}")(x))
            x = x + nn.relu(_Layer(self.width, name=f"Dense_{2 * block + 2}")(y))
        # Small at first: an untrained network hardly moves the guess.
        last = _Layer(self.outputs, gain=0.01, name=f"Dense_{2 * self.blocks + 1}")
        return last(x).T.reshape(*features.shape[:-1], self.outputs)
