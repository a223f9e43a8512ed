"""How fast keypoints are corrected and a backbone is trained; beside the same in PyTorch.

    pip install torch                  # to compare with; optional
    python -m benchmarks.keypoints [--backbone googlenet] [--batches 1 8] [--size 224] [--steps 4]

Both predict 16 keypoints with GoogLeNet. PyTorch does it as the paper says: heatmaps are drawn,
stacked on the image, and all 20 channels go through the whole network in every step; its two
memory layouts are timed, of which "contiguous" is its default. Ours sees the image once and draws
no heatmaps. A training step is one correction's forward and backward pass and the update of all
weights. Weights are random.
"""

import functools
import importlib.util
import os
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks import timing
from ief_jax import loop
from ief_jax.ief import heatmaps
from ief_jax.ief.backbones import NAMED, Backbone

JOINTS = 16
SIGMA = 5.0
"""Of the heatmaps, pixels."""
RATE = 1e-4
"""Of gradient descent."""

Inputs = tuple[np.ndarray, ...]
"""Images [B, S, S, 3], keypoints [B, K, 2] and marked points [B, 1, 2], float32."""
Calls = dict[str, Callable[[], Any]]
"""What is timed."""


def main(
    backbone: Literal[
        "googlenet", "efficientnet_lite0", "efficientnet_lite0_pyramid"
    ] = "googlenet",
    heatmap_stage: int = 0,
    size: int = 224,
    batches: tuple[int, ...] = (1, 8),
    training_batch: int = 8,
    steps: int = 4,
    repeats: int = 10,
    peers: bool = True,
) -> None:
    """Prints a table of times.

    Args:
      backbone: ours; PyTorch's is always GoogLeNet.
      heatmap_stage: the stage of ours that the heatmaps enter before.
      size: side of the images, pixels.
      batches: images at once, for predictions.
      training_batch: images at once, for training steps.
      steps: corrections in a prediction.
      repeats: timed calls; the fastest counts.
      peers: compare with PyTorch.
    """
    compare = peers and importlib.util.find_spec("torch") is not None
    cores, device = os.cpu_count(), jax.devices()[0].device_kind
    print(f"{backbone} at {size} px, {cores} cores, {device}, jax {jax.__version__}")
    if compare:
        import torch

        print(f"compared with GoogLeNet in PyTorch {torch.__version__}")
    network = NAMED[backbone](outputs=2 * JOINTS, maps=JOINTS + 1, heatmap_stage=heatmap_stage)
    weights = _random_weights(network, size)
    for name, batch, ours, theirs in (
        *((f"{steps} corrections", batch, _predict, _peer_predict) for batch in batches),
        ("training step", training_batch, _train, _peer_train),
    ):
        inputs = _inputs(batch, size)
        found = timing.milliseconds(ours(network, weights, inputs, steps), repeats)
        _print(f"{name}, {batch}", found, batch)
        if compare:
            for layout, call in theirs(inputs, steps).items():
                peer = timing.milliseconds(call, repeats)
                _print(f"  PyTorch, {layout}", peer, batch, f"{peer / found:8.2f}x ours")


def _inputs(batch: int, size: int) -> Inputs:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch, size, size, 3)).astype(np.float32)
    points = rng.uniform(0, size, (batch, JOINTS + 1, 2)).astype(np.float32)
    return images, points[:, :-1], points[:, -1:]


def _random_weights(network: Backbone, size: int) -> Any:
    """As the network's own, without compiling how they are drawn."""
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    maps = jax.ShapeDtypeStruct((1, size, size, network.maps), jnp.float32)
    rng = np.random.default_rng(0)

    def draw(path: Any, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if path[-1].key in ("scale", "bias"):
            return jnp.full(leaf.shape, path[-1].key == "scale", jnp.float32)
        inputs = np.prod(leaf.shape[:2] if leaf.ndim == 3 else leaf.shape[:-1])
        return jnp.asarray(rng.normal(0, (2 / inputs) ** 0.5, leaf.shape), jnp.float32)

    shapes = jax.eval_shape(network.init, jax.random.key(0), image, maps)
    return jax.tree_util.tree_map_with_path(draw, shapes)


def _correct(
    network: Backbone, weights: Any, seen: jax.Array, y: jax.Array, marked: jax.Array, size: int
) -> jax.Array:
    points = jnp.concatenate([y, marked], 1)
    factors = heatmaps.profiles(points, (size, size), SIGMA)
    found = network.apply(weights, seen, factors.rows, factors.columns, method="correct")
    return network.corrections(jnp.asarray(found), y, size, 1.0)


def _predict(network: Backbone, weights: Any, inputs: Inputs, steps: int) -> Callable[[], Any]:
    @jax.jit
    def predict(weights: Any, images: jax.Array, y: jax.Array, marked: jax.Array) -> jax.Array:
        seen = network.apply(weights, images, method="encode_image")

        def correct(y: jax.Array, _: jax.Array) -> jax.Array:
            return _correct(network, weights, jnp.asarray(seen), y, marked, images.shape[1])

        return loop.refine(correct, y, steps)[-1]

    arrays = [jnp.asarray(array) for array in inputs]
    return lambda: predict(weights, *arrays)


def _train(network: Backbone, weights: Any, inputs: Inputs, steps: int) -> Callable[[], Any]:
    del steps  # each correction is a training example of its own

    def loss(weights: Any, images: jax.Array, y: jax.Array, marked: jax.Array) -> jax.Array:
        seen = network.apply(weights, images, method="encode_image")
        return jnp.square(
            _correct(network, weights, jnp.asarray(seen), y, marked, images.shape[1])
        ).mean()

    @jax.jit
    def train(weights: Any, *arrays: jax.Array) -> Any:
        gradient = jax.grad(loss)(weights, *arrays)
        return jax.tree.map(lambda w, g: w - RATE * g, weights, gradient)

    arrays = [jnp.asarray(array) for array in inputs]
    return lambda: train(weights, *arrays)


def _peers(inputs: Inputs) -> dict[str, tuple[Any, Callable[..., Any]]]:
    """For each memory layout, GoogLeNet of 20 channels and keypoints to their corrections."""
    import torch

    from benchmarks import torch_networks

    images, _, marked = (torch.tensor(array) for array in inputs)
    pixels = torch.arange(images.shape[1], dtype=torch.float32)
    result: dict[str, tuple[Any, Callable[..., Any]]] = {}
    for layout, order in (
        ("contiguous", torch.contiguous_format),
        ("channels last", torch.channels_last),
    ):
        model = torch_networks.GoogLeNet(2 * JOINTS, inputs=3 + JOINTS + 1)
        model = torch_networks.randomise(model).to(memory_format=order)
        pictures = images.permute(0, 3, 1, 2).contiguous(memory_format=order)

        def correct(
            y: Any, model: Any = model, pictures: Any = pictures, order: Any = order
        ) -> Any:
            points = torch.cat([y, marked], 1)
            columns, rows = (
                torch.exp(-0.5 * ((pixels - points[..., axis : axis + 1]) / SIGMA) ** 2)
                for axis in (0, 1)
            )
            stacked = torch.cat([pictures, rows[..., :, None] * columns[..., None, :]], 1)
            return model(stacked.contiguous(memory_format=order)).reshape(y.shape)

        result[layout] = model, correct
    return result


def _peer_predict(inputs: Inputs, steps: int) -> Calls:
    import torch

    def predict(correct: Callable[[Any], Any]) -> Any:
        with torch.inference_mode():
            y = torch.tensor(inputs[1])
            for _ in range(steps):
                y = y + correct(y)
            return y

    peers = _peers(inputs).items()
    return {layout: functools.partial(predict, correct) for layout, (_, correct) in peers}


def _peer_train(inputs: Inputs, steps: int) -> Calls:
    import torch

    del steps

    def train(correct: Callable[[Any], Any], optimiser: Any) -> None:
        optimiser.zero_grad()
        correct(torch.tensor(inputs[1])).square().mean().backward()
        optimiser.step()

    calls: dict[str, Callable[[], Any]] = {}
    for layout, (model, correct) in _peers(inputs).items():
        optimiser = torch.optim.SGD(model.parameters(), RATE)
        calls[layout] = functools.partial(train, correct, optimiser)
    return calls


def _print(name: str, milliseconds: float, images: int, more: str = "") -> None:
    rate = 1e3 * images / milliseconds
    print(f"{name:32}{milliseconds:10.2f} ms{rate:10.1f} images a second{more}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
