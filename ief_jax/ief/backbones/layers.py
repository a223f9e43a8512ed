"""The layers that the backbones are made of. Arrays are NHWC, kernels [height, width, in, out]."""

import flax.linen as nn
import jax

from ief_jax.ief.backbones.convolutions import convolution
from ief_jax.ief.backbones.depthwise import depthwise_convolution
from ief_jax.ief.backbones.windows import Padding

_he = nn.initializers.he_normal()


class Convolution(nn.Module):
    """y = x * kernel + bias.

    Attributes:
      inputs: channels of x.
      outputs: channels of y.
      size: of the square kernel.
      stride: the same on both axes.
      padding: see `Padding`.
    """

    inputs: int
    outputs: int
    size: int = 1
    stride: int = 1
    padding: Padding = "SAME"

    def setup(self) -> None:
        shape = (self.size, self.size, self.inputs, self.outputs)
        self.kernel = self.param("kernel", _he, shape)
        self.bias = self.param("bias", nn.initializers.zeros, (self.outputs,))

    def weights(self) -> jax.Array:
        """The kernel [size, size, inputs, outputs] that x meets."""
        return self.kernel

    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, inputs] to [B, h, w, outputs]."""
        y = convolution(x, self.weights(), self.stride, self.padding)
        return y + self.bias.reshape(1, 1, 1, -1)


class ScaledConvolution(Convolution):
    """y = scale (x * kernel) + bias: a convolution and what follows it in pretrained networks, a
    batch normalisation, here an affine map whose statistics are part of `scale` and `bias`.

    The scale multiplies the kernel, which is small, instead of the result, which is large.
    """

    def setup(self) -> None:
        super().setup()
        self.scale = self.param("scale", nn.initializers.ones, (self.outputs,))

    def weights(self) -> jax.Array:
        return self.kernel * self.scale.reshape(1, 1, 1, -1)


class ScaledDepthwise(nn.Module):
    """y = scale (x * kernel) + bias, one filter for each channel, with SAME padding.

    Attributes:
      channels: of x and of y.
      size: of the square kernel.
      stride: the same on both axes.
    """

    channels: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, channels] to [B, h, w, channels]."""
        he = nn.initializers.normal((2 / self.size**2) ** 0.5)
        kernel = self.param("kernel", he, (self.size, self.size, self.channels))
        scale = self.param("scale", nn.initializers.ones, (self.channels,))
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        y = depthwise_convolution(x, kernel * scale.reshape(1, 1, -1), self.stride)
        return y + bias.reshape(1, 1, 1, -1)


class DenseRelu(nn.Module):
    """A dense layer with ReLU.

    Attributes:
      width: of its result.
    """

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, C] to [B, width]."""
        return nn.relu(nn.Dense(self.width, name="dense")(x))
